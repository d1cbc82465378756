"""Tests of LocalStack's switches: what its command line and its container obey, and warnings.

The expectations are facts, part 5: what the real client did, not what it should do.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from tests.support.machine import codes
from usagectl import consent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.support.machine import Machine
    from usagectl.consent import Consent
    from usagectl.tools.base import Switch

PLAIN, PREFIXED = "DISABLE_EVENTS", "LOCALSTACK_DISABLE_EVENTS"
OUT = "DISABLE_EVENTS=1\n"
IN = "DISABLE_EVENTS=0\n"
OFF_VALUES = ("1", "true", "TRUE", "True", "tRuE", " 1 ", "\t1\n", " true ", "\u00a01")
ODD_VALUES = ("yes", "on", "2", "01", "1.0", "+1", "y", '"1"')
FALSE_VALUES = ("", " ", "0", "false", "no", "off", "OFF")


def verdicts(machine: Machine, variables: Mapping[str, str]) -> tuple[Consent, Consent]:
    """Give the verdict on the command line and on the container."""
    machine.variables = dict(variables)
    cli, container = consent.evaluate(machine.environment(), ["localstack"])
    return cli, container


def write(machine: Machine, **profiles: str | bytes) -> None:
    """Write profiles by their names, and no others."""
    folder = machine.default_profile.parent
    folder.mkdir(exist_ok=True)
    for file in folder.glob("*.env"):
        file.unlink()
    for name, text in profiles.items():
        file = folder / f"{name}.env"
        file.write_bytes(text.encode() if isinstance(text, str) else text)


def tell(found: Consent) -> str:
    """Say a verdict in a line: what decides, what it beats, and the warnings."""

    def where(switch: Switch) -> str:
        file = switch.origin.rpartition("/")[2].removesuffix(".env")
        return {"environment": "shell", "default": "nothing"}.get(switch.source, file)

    beaten = ", ".join(f"{where(each)} {each.name}={each.value}" for each in found.overridden)
    over = f" over {beaten}" if beaten else ""
    warnings = "".join(f"; {caution.code}" for caution in found.cautions)
    return f"{found.telemetry} by {where(found.decided_by)}{over}{warnings}"


def test_one_and_true_switch_off(machine: Machine) -> None:
    """Only `1` and `true`, in any case and trimmed, are a Yes; each part reads its own name.

    A value that means No to a person, and nothing to LocalStack, is warned of.
    """
    wrong = []
    for name in (PLAIN, PREFIXED):
        for value in (*OFF_VALUES, *ODD_VALUES, *FALSE_VALUES):
            cli, container = verdicts(machine, {name: value})
            says = "off" if value in OFF_VALUES else "on"
            heeded = says, ["value-ignored"] if value in ODD_VALUES else []
            ignored = "on", ["prefixed-name-not-read"] if value in OFF_VALUES else []
            expected = (heeded if name == PLAIN else ignored, heeded)
            found = tuple((each.telemetry, codes(each)) for each in (cli, container))
            is_decider = container.decided_by == ("environment", name, value, "environment", says)
            if found != expected or not is_decider:
                wrong.append((name, value, found))
    assert wrong == []


DECISIONS = """
A variable that is present, even an empty one, beats the profile:
D=            | default D=1    | on by shell over default D=1; environment-wins |
D=yes         | default D=1    | on by shell over default D=1; value-ignored; environment-wins |
D=1           | default D=0    | off by shell over default D=0 |
D=1           | default D=true | off by shell |
              | default D=1    | off by default |
              |                | on by nothing |
The container obeys the prefixed name first, wherever it stands; the command line never does:
D=1 L=1       |                | off by shell over shell L=1 | off by shell
D=1 L=        |                | off by shell | on by shell over shell D=1; prefixed-name-wins
D=1 L=yes     |                | off by shell over shell L=yes \
                               | on by shell over shell D=1; value-ignored; prefixed-name-wins
D= L=1        |                | on by shell over shell L=1; prefixed-name-not-read \
                               | off by shell over shell D=
D=1           | default L=0    | off by shell | on by default over shell D=1; prefixed-name-wins
L=0           | default D=1    | off by default | on by shell over default D=1; prefixed-name-wins
L=1           |                | on by nothing over shell L=1; prefixed-name-not-read | off by shell
              | default L=1    | on by nothing; prefixed-name-not-read | off by default
DO_NOT_TRACK changes nothing; a warning says so while events are on:
DO_NOT_TRACK=1     |           | on by nothing over shell DO_NOT_TRACK=1; do-not-track-ignored |
DO_NOT_TRACK=0     |           | on by nothing |
DO_NOT_TRACK=1 D=1 |           | off by shell over shell DO_NOT_TRACK=1 |
A later file wins; in it, a bare name takes the earlier value away:
CONFIG_PROFILE=a,b | a D=1, b D=0 | on by b over a D=1 |
CONFIG_PROFILE=a,b | a D=1, b D   | on by nothing over a D=1 |
Profiles that are not active are spoken of where choosing one would change the verdict:
CONFIG_PROFILE=dev | default D=1, dev X=1 | on by nothing; profile-drops-opt-out | on by nothing
                   | default D=1, dev X=1 | off by default; profile-lacks-opt-out | off by default
D=1                | default D=1, dev     | off by shell |
                   | default D=1, dev D=1 | off by default |
                   | default, dev         | on by nothing |
CONFIG_PROFILE=default,dev | default D=1, dev | off by default |
"""
"""Variables, profiles, what is then said of the command line, and of the container if it differs.

D is DISABLE_EVENTS, and L that name with its prefix.
"""


def spell(text: str) -> str:
    """Write the names of the table out."""
    return re.sub(r"\bL\b", PREFIXED, re.sub(r"\bD\b", PLAIN, text))


def test_what_decides(machine: Machine) -> None:
    """Which place decides for each part, what it beats, and what is warned of."""
    rows = [row for row in DECISIONS.replace("\\\n", "").splitlines() if "|" in row]
    wrong = []
    for row in rows:
        variables, profiles, *expected = map(str.strip, spell(row).split("|"))
        words = [profile.partition(" ") for profile in profiles.split(", ") if profile]
        write(machine, **{name: f"{line}\n" for name, _, line in words})
        set_here = dict(each.split("=") for each in variables.split())
        cli, container = map(tell, verdicts(machine, set_here))
        if [cli, "" if container == cli else container] != expected:
            wrong.append((row, cli, container))
    assert wrong == []
    assert len(rows) > 20


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
    """Every syntax that python-dotenv reads as a Yes opts out; the last duplicate wins.

    What its releases read differently is held in the tests of `localstack_dotenv`.
    """
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
    """No UTF-8, a NUL or an impossible name stop the client: off, whatever a variable says.

    A broken profile that is not active, and a value that the environment replaces, are fine.
    """
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
            assert codes(found) == ["profile-unreadable"]
    cli, _ = verdicts(machine, {PLAIN: "0"})
    assert cli.telemetry == "off"
    assert [switch.value for switch in cli.overridden] == ["0"]
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
        expected = ["profile-not-read"] if kind == "pipe" else []
        assert (found.telemetry, codes(found)) == ("on", expected)


def test_profiles_that_would_change_the_verdict_are_named(machine: Machine) -> None:
    """Those that opt out, while the active one is on, or lack the opt-out that decides.

    So is the file in which an ignored value stands.
    """
    write(machine, default="DISABLE_EVENTS=yes\n")
    (ignored,) = verdicts(machine, {})[0].cautions
    assert (ignored.code, ignored.hint) == ("value-ignored", "usagectl disable")
    assert str(machine.default_profile) in ignored.message
    write(machine, default=OUT, dev="X=1\n", prod=OUT, odd="DISABLE_EVENTS=yes\n")
    (drops,) = verdicts(machine, {"CONFIG_PROFILE": "dev"})[0].cautions
    assert "'default', 'prod'" in drops.message
    assert "'dev'" in drops.message
    (lacks,) = verdicts(machine, {})[0].cautions
    assert "'dev', 'odd'" in lacks.message
    assert lacks.hint == "CONFIG_PROFILE=dev usagectl disable localstack"
