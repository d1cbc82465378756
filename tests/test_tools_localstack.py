"""Tests of LocalStack's switches: what its command line and its container obey, and warnings.

The expectations are facts, part 5: what the real client did, not what it should do.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from usagectl import consent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.support.machine import Machine
    from usagectl.consent import Consent

PLAIN, PREFIXED = "DISABLE_EVENTS", "LOCALSTACK_DISABLE_EVENTS"
OUT = "DISABLE_EVENTS=1\n"
IN = "DISABLE_EVENTS=0\n"
OFF_VALUES = ("1", "true", "TRUE", "True", "tRuE", " 1 ", "\t1\n", " true ", "\u00a01")
ON_VALUES = ("", " ", "0", "false", "yes", "on", "2", "01", "1.0", "+1", "y", "no", "off", '"1"')
ODD_VALUES = ("yes", "on", "2", "01", "1.0", "y", '"1"')
FALSE_VALUES = ("", " ", "0", "false", "no", "off", "OFF")


def verdicts(machine: Machine, variables: Mapping[str, str]) -> tuple[Consent, Consent]:
    """Give the verdict on the command line and on the container."""
    machine.variables = dict(variables)
    cli, container = consent.evaluate(machine.environment(), ["localstack"])
    return cli, container


def codes(found: Consent) -> set[str]:
    """List the codes of a verdict's warnings."""
    return {caution.code for caution in found.cautions}


def write(machine: Machine, **profiles: str | bytes) -> None:
    """Write profiles by their names, and no others."""
    folder = machine.default_profile.parent
    folder.mkdir(exist_ok=True)
    for file in folder.glob("*.env"):
        file.unlink()
    for name, text in profiles.items():
        file = folder / f"{name}.env"
        file.write_bytes(text.encode() if isinstance(text, str) else text)


def test_one_and_true_switch_off(machine: Machine) -> None:
    """Only `1` and `true`, in any case and trimmed, are a Yes; each part reads its own name."""
    wrong: list[object] = []
    for name in (PLAIN, PREFIXED):
        for value in (*OFF_VALUES, *ON_VALUES):
            cli, container = verdicts(machine, {name: value})
            says = "off" if value in OFF_VALUES else "on"
            expected = says if name == PLAIN else "on"
            is_read = cli.decided_by.source == "environment"
            if (cli.telemetry, container.telemetry) != (expected, says):
                wrong.append((name, value, cli.telemetry, container.telemetry))
            if container.decided_by != ("environment", name, value, "environment", says):
                wrong.append((name, value, *container.decided_by))
            if is_read != (name == PLAIN):
                wrong.append((name, value, cli.decided_by.source))
    assert wrong == []


def test_an_odd_value_is_warned_of(machine: Machine) -> None:
    """A value that means No to a person, and nothing to LocalStack, is named; others are not."""
    for value in ODD_VALUES:
        cli, container = verdicts(machine, {PLAIN: value})
        assert codes(cli) == codes(container) == {"value-ignored"}, value
        assert cli.cautions[0].hint == "export DISABLE_EVENTS=1"
    for value in FALSE_VALUES:
        cli, container = verdicts(machine, {PLAIN: value})
        assert codes(cli) | codes(container) == set(), value


def test_an_odd_value_in_a_profile_is_named_with_its_file(machine: Machine) -> None:
    """The warning of an ignored value says in which file it stands."""
    write(machine, default="DISABLE_EVENTS=yes\n")
    cli, _ = verdicts(machine, {})
    (caution,) = cli.cautions
    assert caution.code == "value-ignored"
    assert str(machine.default_profile) in caution.message
    assert caution.hint == "usagectl disable"


def test_nothing_set_is_on_by_default(machine: Machine) -> None:
    """Without any switch both parts are on, without a warning; they count although absent."""
    for found in verdicts(machine, {}):
        assert (found.telemetry, found.decided_by.source) == ("on", "default")
        assert (found.overridden, found.cautions) == ((), ())
        assert (found.installation.installed, found.counts) == (False, True)


def test_a_variable_that_is_present_beats_the_profile(machine: Machine) -> None:
    """A variable in the environment, even an empty one, defeats the profile's opt-out."""
    write(machine, default=OUT)
    for value in ("", "0", "yes", " "):
        for found in verdicts(machine, {PLAIN: value}):
            assert (found.telemetry, found.decided_by.source) == ("on", "environment"), value
            assert "environment-wins" in codes(found)
            assert [(s.source, s.value) for s in found.overridden] == [("profile", "1")]
    for found in verdicts(machine, {PLAIN: ""}):
        assert codes(found) == {"environment-wins"}


def test_the_variable_beats_an_opt_in_of_the_profile(machine: Machine) -> None:
    """Off in the environment wins over on in the profile; one that agrees is not overridden."""
    write(machine, default=IN)
    cli, _ = verdicts(machine, {PLAIN: "1"})
    assert cli.telemetry == "off"
    assert [(s.source, s.value) for s in cli.overridden] == [("profile", "0")]
    write(machine, default="DISABLE_EVENTS=true\n")
    assert verdicts(machine, {PLAIN: "1"})[0].overridden == ()


def test_the_profile_decides_for_both_parts(machine: Machine) -> None:
    """A profile's values are the client's variables, so they reach the container too."""
    write(machine, default=OUT)
    for found in verdicts(machine, {}):
        assert found.telemetry == "off"
        assert found.decided_by.origin == str(machine.default_profile)


def test_in_the_container_the_prefixed_name_wins(machine: Machine) -> None:
    """The container obeys the prefixed name, also an empty one; the command line never does."""
    for plain, prefixed, cli_says, container_says in (
        ("1", "1", "off", "off"),
        ("1", "0", "off", "on"),
        ("1", "", "off", "on"),
        ("1", "yes", "off", "on"),
        ("0", "1", "on", "off"),
        ("", "1", "on", "off"),
    ):
        case = (plain, prefixed)
        cli, container = verdicts(machine, {PLAIN: plain, PREFIXED: prefixed})
        assert (cli.telemetry, container.telemetry) == (cli_says, container_says), case
        assert (cli.decided_by.name, container.decided_by.name) == (PLAIN, PREFIXED), case
        loses = container_says == "on" and cli_says == "off"
        assert ("prefixed-name-wins" in codes(container)) == loses, case
        assert ("prefixed-name-not-read" in codes(cli)) == (cli_says == "on"), case
        names = [switch.name for switch in container.overridden]
        assert names == ([] if cli_says == container_says else [PLAIN]), case


def test_the_prefixed_name_wins_from_any_place(machine: Machine) -> None:
    """A prefixed No to opting out beats the plain Yes wherever each of them stands."""
    for profile, shell in (
        ("LOCALSTACK_DISABLE_EVENTS=0\n", {PLAIN: "1"}),
        (OUT, {PREFIXED: "0"}),
    ):
        write(machine, default=profile)
        _, container = verdicts(machine, shell)
        assert (container.telemetry, codes(container)) == ("on", {"prefixed-name-wins"})


def test_the_prefixed_name_alone_is_not_read(machine: Machine) -> None:
    """The prefixed name, in the environment or in a profile, leaves the command line on."""
    cli, container = verdicts(machine, {PREFIXED: "1"})
    assert (cli.telemetry, container.telemetry) == ("on", "off")
    assert codes(cli) == {"prefixed-name-not-read"}
    assert [switch.name for switch in cli.overridden] == [PREFIXED]
    write(machine, default="LOCALSTACK_DISABLE_EVENTS=1\n")
    cli, container = verdicts(machine, {})
    assert (cli.telemetry, container.telemetry) == ("on", "off")
    assert codes(cli) == {"prefixed-name-not-read"}


def test_do_not_track_is_ignored(machine: Machine) -> None:
    """DO_NOT_TRACK changes nothing; a warning says so while events are on, and only then."""
    for found in verdicts(machine, {"DO_NOT_TRACK": "1"}):
        assert (found.telemetry, codes(found)) == ("on", {"do-not-track-ignored"})
        assert [switch.name for switch in found.overridden] == ["DO_NOT_TRACK"]
    for found in verdicts(machine, {"DO_NOT_TRACK": "0"}):
        assert codes(found) == set()
    for found in verdicts(machine, {"DO_NOT_TRACK": "1", PLAIN: "1"}):
        assert (found.telemetry, codes(found)) == ("off", set())


def test_endpoints(machine: Machine) -> None:
    """ANALYTICS_API moves the command line from the environment alone; the container has its own.

    A profile's value comes too late for the client's own posts, but reaches the container.
    """
    usual = "https://analytics.localstack.cloud/v1"
    write(machine, default="ANALYTICS_API=http://p/v1\nLOCALSTACK_ANALYTICS_API=http://q/v1/\n")
    cli, container = verdicts(machine, {})
    assert (cli.endpoint, container.endpoint) == (usual, "http://q/v1")
    cli, _ = verdicts(machine, {"ANALYTICS_API": "http://127.0.0.1:1/v1//"})
    assert cli.endpoint == "http://127.0.0.1:1/v1"
    assert verdicts(machine, {"ANALYTICS_API": ""})[0].endpoint == usual


OPTING_OUT = (
    "export DISABLE_EVENTS=1",
    'DISABLE_EVENTS="1"',
    "DISABLE_EVENTS='true' # c",
    "DISABLE_EVENTS = 1",
    "X=2\r\nDISABLE_EVENTS=1\r\n",
    "\ufeffDISABLE_EVENTS=1\n",
    "Y=1\nDISABLE_EVENTS=${Y}\n",
    "DISABLE_EVENTS=${NOWHERE:-1}\n",
    "DISABLE_EVENTS=0\nDISABLE_EVENTS=1\n",
    'X="\nDISABLE_EVENTS=1\n',
)
NOT_OPTING_OUT = (
    "DISABLE_EVENTS: 1",
    "DISABLE_EVENTS",
    "#DISABLE_EVENTS=1",
    "disable_events=1",
    "DISABLE_EVENTS=1\nDISABLE_EVENTS=0\n",
    "DISABLE_EVENTS=1\nDISABLE_EVENTS\n",
    'X="\nDISABLE_EVENTS=1\n"\n',
    "",
)


def test_profiles_are_read_with_the_clients_own_parser(machine: Machine) -> None:
    """Every syntax that python-dotenv reads as a Yes opts out; the last duplicate wins."""
    wrong = []
    for text in (*OPTING_OUT, *NOT_OPTING_OUT):
        write(machine, default=text)
        if (verdicts(machine, {})[0].telemetry == "off") != (text in OPTING_OUT):
            wrong.append(text)
    assert wrong == []


PROFILE_LISTS: tuple[tuple[str, dict[str, str], str], ...] = (
    ("a", {"a": OUT, "default": IN}, "off"),
    (" a ", {"a": OUT}, "off"),
    ("", {"default": OUT}, "off"),
    ("  ", {"default": OUT}, "off"),
    ("a", {"default": OUT, "a": "X=1\n"}, "on"),
    ("missing", {"default": OUT}, "on"),
    ("missing,a", {"a": OUT}, "off"),
    ("a,b", {"a": OUT, "b": IN}, "on"),
    ("b, a", {"a": OUT, "b": IN}, "off"),
    ("a,b", {"a": OUT, "b": "X=1\n"}, "off"),
    ("a,b", {"a": OUT, "b": "DISABLE_EVENTS=\n"}, "on"),
    ("a,b", {"a": OUT, "b": "DISABLE_EVENTS\n"}, "on"),
    ("a,b", {"a": "X=1\n", "b": "DISABLE_EVENTS=${X}\n"}, "on"),
    ("n" * 300, {"default": OUT}, "on"),
)


def test_the_profile_list(machine: Machine) -> None:
    """Files are read in the list's order, the later wins, a missing one is skipped."""
    wrong = []
    for chosen, profiles, expected in PROFILE_LISTS:
        write(machine, **profiles)
        cli, container = verdicts(machine, {"CONFIG_PROFILE": chosen})
        found = (cli.telemetry, container.telemetry, cli.decided_by.says)
        if found != (expected, expected, expected):
            wrong.append((chosen, profiles, *found))
    assert wrong == []


def test_what_a_later_file_overrides(machine: Machine) -> None:
    """The losing file is named by its path; a bare name takes the earlier value away."""
    write(machine, a=OUT, b=IN)
    cli, _ = verdicts(machine, {"CONFIG_PROFILE": "a,b"})
    assert cli.decided_by.origin.endswith("b.env")
    assert [s.origin.rpartition("/")[2] for s in cli.overridden] == ["a.env"]
    write(machine, a=OUT, b="DISABLE_EVENTS\n")
    cli, _ = verdicts(machine, {"CONFIG_PROFILE": "a,b"})
    assert cli.decided_by.source == "default"
    assert [switch.value for switch in cli.overridden] == ["1"]


def test_old_versions_read_one_profile_alone(machine: Machine) -> None:
    """Before 3.1 a comma belongs to the profile's name."""
    machine.install_localstack("3.0.2")
    profiles: dict[str, str | bytes] = {"a": OUT, "a,b": IN}
    write(machine, **profiles)
    assert verdicts(machine, {"CONFIG_PROFILE": "b,a"})[0].telemetry == "on"
    assert verdicts(machine, {"CONFIG_PROFILE": "a"})[0].telemetry == "off"
    write(machine, **profiles, **{"b,a": OUT})
    assert verdicts(machine, {"CONFIG_PROFILE": "b,a"})[0].telemetry == "off"


def test_the_folder_of_profiles(machine: Machine) -> None:
    """CONFIG_DIR names the folder, empty for the working folder, and no `~` is expanded in it."""
    for folder, chosen in (
        ("work", ""),
        ("work", "."),
        ("work/conf", "conf"),
        ("work/~/.localstack", "~/.localstack"),
        ("elsewhere", "../elsewhere"),
        ("home/.localstack", None),
    ):
        file = machine.folder / folder / "default.env"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(OUT)
        cli, _ = verdicts(machine, {} if chosen is None else {"CONFIG_DIR": chosen})
        assert cli.telemetry == "off", folder
        file.unlink()
    write(machine, default=OUT)
    assert verdicts(machine, {"CONFIG_DIR": ""})[0].telemetry == "on"


def test_a_profile_at_which_the_client_stops(machine: Machine) -> None:
    """No UTF-8, a NUL or an impossible name stop the client: off, whatever a variable says."""
    for data in (
        b"DISABLE_EVENTS=0\n# caf\xe9\n",
        b"X=a\0b\nDISABLE_EVENTS=0\n",
        b"X\0=1\n",
        b"'A=B'=1\n",
    ):
        write(machine, default=data)
        for found in verdicts(machine, {}):
            assert found.telemetry == "off", data
            assert found.decided_by.origin == str(machine.default_profile)
            assert codes(found) == {"profile-unreadable"}
    cli, _ = verdicts(machine, {PLAIN: "0"})
    assert cli.telemetry == "off"
    assert [switch.value for switch in cli.overridden] == ["0"]


def test_what_the_client_does_not_read_stops_nothing(machine: Machine) -> None:
    """A broken profile that is not active, and a value that the environment replaces, are fine."""
    write(machine, default=b"\xff", a=OUT)
    cli, _ = verdicts(machine, {"CONFIG_PROFILE": "a"})
    assert (cli.telemetry, cli.decided_by.name) == ("off", PLAIN)
    write(machine, default=b"X=a\0b\n")
    assert verdicts(machine, {"X": "1"})[0].telemetry == "on"


def put_odd(file: Path, kind: str) -> None:
    """Put something other than a file in a profile's place."""
    if kind == "folder":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)
    else:
        file.symlink_to({"loop": file.name, "device": os.devnull, "dangling": "gone.env"}[kind])


@pytest.mark.parametrize("kind", ["folder", "loop", "device", "dangling", "pipe"])
def test_what_is_no_file_is_empty_to_the_client(machine: Machine, kind: str) -> None:
    """A folder, a device and a broken link set nothing; a pipe is not read, and that is said."""
    machine.default_profile.parent.mkdir()
    put_odd(machine.default_profile, kind)
    for found in verdicts(machine, {}):
        expected = {"profile-not-read"} if kind == "pipe" else set()
        assert (found.telemetry, codes(found)) == ("on", expected)


def test_a_choice_that_drops_the_opt_out(machine: Machine) -> None:
    """Where the active profile is on and another one opts out, both are named."""
    write(machine, default=OUT, dev="X=1\n", prod=OUT)
    cli, container = verdicts(machine, {"CONFIG_PROFILE": "dev"})
    assert codes(cli) == {"profile-drops-opt-out"}
    assert "'default', 'prod'" in cli.cautions[0].message
    assert "'dev'" in cli.cautions[0].message
    assert codes(container) == set()


def test_a_profile_without_the_opt_out(machine: Machine) -> None:
    """Where the profile's opt-out decides, the profiles that lack it are named."""
    write(machine, default=OUT, dev="X=1\n", prod=OUT, odd="DISABLE_EVENTS=yes\n")
    cli, _ = verdicts(machine, {})
    assert codes(cli) == {"profile-lacks-opt-out"}
    assert "'dev', 'odd'" in cli.cautions[0].message
    assert cli.cautions[0].hint == "CONFIG_PROFILE=dev usagectl disable localstack"


def test_no_warning_where_no_choice_changes_the_verdict(machine: Machine) -> None:
    """The environment, an opt-out everywhere or nowhere, and a list of all need no warning."""
    cases: tuple[tuple[dict[str, str], dict[str, str]], ...] = (
        ({PLAIN: "1"}, {"default": OUT, "dev": ""}),
        ({}, {"default": OUT, "dev": OUT}),
        ({}, {"default": OUT}),
        ({}, {"default": "", "dev": ""}),
        ({"CONFIG_PROFILE": "default,dev"}, {"default": OUT, "dev": ""}),
    )
    for variables, profiles in cases:
        write(machine, **profiles)
        assert codes(verdicts(machine, variables)[0]) == set(), (variables, profiles)
