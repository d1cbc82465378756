"""Tests of LocalStack's switches: what its command line and its container obey, and warnings.

The expectations are facts, part 5: what the real client did, not what it should do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from usagectl import consent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.machine import Machine
    from usagectl.consent import Consent

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
    """Write profiles by their names."""
    for name, text in profiles.items():
        file = machine.default_profile.with_name(f"{name}.env")
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)


@pytest.mark.parametrize("value", OFF_VALUES)
@pytest.mark.parametrize("name", ["DISABLE_EVENTS", "LOCALSTACK_DISABLE_EVENTS"])
def test_one_and_true_switch_off(machine: Machine, name: str, value: str) -> None:
    """`1` and `true`, in any case and trimmed, are the only Yes; each part reads its name."""
    cli, container = verdicts(machine, {name: value})
    assert container.telemetry == "off"
    assert container.decided_by.name == name
    assert (cli.telemetry == "off") == (name == "DISABLE_EVENTS")


@pytest.mark.parametrize("value", ON_VALUES)
@pytest.mark.parametrize("name", ["DISABLE_EVENTS", "LOCALSTACK_DISABLE_EVENTS"])
def test_everything_else_leaves_on(machine: Machine, name: str, value: str) -> None:
    """Any other value leaves both parts on, although the variable decides where it is read."""
    cli, container = verdicts(machine, {name: value})
    assert (cli.telemetry, container.telemetry) == ("on", "on")
    assert container.decided_by == ("environment", name, value, "environment", "on")
    assert (cli.decided_by.source == "environment") == (name == "DISABLE_EVENTS")


@pytest.mark.parametrize("value", ODD_VALUES)
def test_an_odd_value_is_warned_of(machine: Machine, value: str) -> None:
    """A value that means No to a person, and nothing to LocalStack, is named as ignored."""
    cli, container = verdicts(machine, {"DISABLE_EVENTS": value})
    assert codes(cli) == codes(container) == {"value-ignored"}
    assert cli.cautions[0].hint == "export DISABLE_EVENTS=1"


@pytest.mark.parametrize("value", FALSE_VALUES)
def test_a_false_value_is_no_mistake(machine: Machine, value: str) -> None:
    """A value that means Yes to events is obeyed without a warning."""
    cli, container = verdicts(machine, {"DISABLE_EVENTS": value})
    assert codes(cli) | codes(container) == set()


def test_an_odd_value_in_a_profile_is_named_with_its_file(machine: Machine) -> None:
    """The warning of an ignored value says in which file it stands."""
    write(machine, default="DISABLE_EVENTS=yes\n")
    cli, _ = verdicts(machine, {})
    (caution,) = cli.cautions
    assert caution.code == "value-ignored"
    assert str(machine.default_profile) in caution.message
    assert caution.hint == "usagectl disable"


def test_nothing_set_is_on_by_default(machine: Machine) -> None:
    """Without any switch both parts are on, and nothing is warned of."""
    for found in verdicts(machine, {}):
        assert (found.telemetry, found.decided_by.source) == ("on", "default")
        assert (found.overridden, found.cautions) == ((), ())


@pytest.mark.parametrize("value", ["", "0", "yes", " "])
def test_a_variable_that_is_present_beats_the_profile(machine: Machine, value: str) -> None:
    """A variable in the environment, even empty, defeats the profile's opt-out."""
    write(machine, default="DISABLE_EVENTS=1\n")
    for found in verdicts(machine, {"DISABLE_EVENTS": value}):
        assert found.telemetry == "on"
        assert found.decided_by.source == "environment"
    cli, _ = verdicts(machine, {"DISABLE_EVENTS": value})
    assert [(s.source, s.value) for s in cli.overridden] == [("profile", "1")]


def test_the_variable_beats_an_opt_in_of_the_profile(machine: Machine) -> None:
    """Off in the environment wins over on in the profile, which is listed as overridden."""
    write(machine, default="DISABLE_EVENTS=0\n")
    cli, _ = verdicts(machine, {"DISABLE_EVENTS": "1"})
    assert cli.telemetry == "off"
    assert [(s.source, s.value) for s in cli.overridden] == [("profile", "0")]


def test_the_profile_decides_for_both_parts(machine: Machine) -> None:
    """A profile's values are the client's variables, so they reach the container too."""
    write(machine, default="DISABLE_EVENTS=1\n")
    for found in verdicts(machine, {}):
        assert found.telemetry == "off"
        assert found.decided_by.origin == str(machine.default_profile)


def test_overridden_lists_no_switch_that_agrees(machine: Machine) -> None:
    """A switch that says the same as the verdict is not overridden."""
    write(machine, default="DISABLE_EVENTS=true\n")
    cli, _ = verdicts(machine, {"DISABLE_EVENTS": "1"})
    assert cli.overridden == ()


@pytest.mark.parametrize(
    ("plain", "prefixed", "cli_says", "container_says"),
    [
        ("1", "1", "off", "off"),
        ("1", "0", "off", "on"),
        ("1", "", "off", "on"),
        ("1", "yes", "off", "on"),
        ("0", "1", "on", "off"),
        ("", "1", "on", "off"),
    ],
)
def test_in_the_container_the_prefixed_name_wins(
    machine: Machine, plain: str, prefixed: str, cli_says: str, container_says: str
) -> None:
    """The container obeys the prefixed name, also an empty one; the command line never does."""
    variables = {"DISABLE_EVENTS": plain, "LOCALSTACK_DISABLE_EVENTS": prefixed}
    cli, container = verdicts(machine, variables)
    assert (cli.telemetry, container.telemetry) == (cli_says, container_says)
    assert cli.decided_by.name == "DISABLE_EVENTS"
    assert container.decided_by.name == "LOCALSTACK_DISABLE_EVENTS"
    loser = container_says == "on" and cli_says == "off"
    assert ("prefixed-name-wins" in codes(container)) == loser
    assert ("prefixed-name-not-read" in codes(cli)) == (cli_says == "on")
    names = [switch.name for switch in container.overridden]
    assert names == ([] if cli_says == container_says else ["DISABLE_EVENTS"])


@pytest.mark.parametrize(
    ("plain", "prefixed", "expected"),
    [("environment", "profile", "on"), ("profile", "environment", "on")],
)
def test_the_prefixed_name_wins_from_any_place(
    machine: Machine, plain: str, prefixed: str, expected: str
) -> None:
    """A prefixed No to opting out beats the plain Yes wherever each of them stands."""
    lines = {"DISABLE_EVENTS=1": plain, "LOCALSTACK_DISABLE_EVENTS=0": prefixed}
    write(machine, default="".join(f"{line}\n" for line in lines if lines[line] == "profile"))
    shell = dict(line.split("=") for line in lines if lines[line] == "environment")
    _, container = verdicts(machine, shell)
    assert container.telemetry == expected
    assert codes(container) == {"prefixed-name-wins"}


def test_the_prefixed_name_alone_is_not_read(machine: Machine) -> None:
    """The prefixed name, in the environment or in a profile, leaves the command line on."""
    cli, container = verdicts(machine, {"LOCALSTACK_DISABLE_EVENTS": "1"})
    assert (cli.telemetry, container.telemetry) == ("on", "off")
    assert codes(cli) == {"prefixed-name-not-read"}
    assert [switch.name for switch in cli.overridden] == ["LOCALSTACK_DISABLE_EVENTS"]
    write(machine, default="LOCALSTACK_DISABLE_EVENTS=1\n")
    cli, container = verdicts(machine, {})
    assert (cli.telemetry, container.telemetry) == ("on", "off")
    assert codes(cli) == {"prefixed-name-not-read"}


def test_do_not_track_is_ignored(machine: Machine) -> None:
    """DO_NOT_TRACK changes nothing; a warning says so while events are on, and only then."""
    for found in verdicts(machine, {"DO_NOT_TRACK": "1"}):
        assert found.telemetry == "on"
        assert codes(found) == {"do-not-track-ignored"}
        assert [switch.name for switch in found.overridden] == ["DO_NOT_TRACK"]
    for found in verdicts(machine, {"DO_NOT_TRACK": "0"}):
        assert codes(found) == set()
    for found in verdicts(machine, {"DO_NOT_TRACK": "1", "DISABLE_EVENTS": "1"}):
        assert (found.telemetry, codes(found)) == ("off", set())


def test_endpoints(machine: Machine) -> None:
    """ANALYTICS_API moves the command line from the environment alone; the container has its own.

    A profile's value comes too late for the client's own posts, but reaches the container.
    """
    write(machine, default="ANALYTICS_API=http://p/v1\nLOCALSTACK_ANALYTICS_API=http://q/v1/\n")
    cli, container = verdicts(machine, {})
    assert cli.endpoint == "https://analytics.localstack.cloud/v1"
    assert container.endpoint == "http://q/v1"
    cli, _ = verdicts(machine, {"ANALYTICS_API": "http://127.0.0.1:1/v1//"})
    assert cli.endpoint == "http://127.0.0.1:1/v1"
    cli, _ = verdicts(machine, {"ANALYTICS_API": ""})
    assert cli.endpoint == "https://analytics.localstack.cloud/v1"


def test_localstack_counts_although_it_is_not_installed(machine: Machine) -> None:
    """An expectation looks at LocalStack whether or not its command is found."""
    cli, container = verdicts(machine, {})
    assert not cli.installation.installed
    assert cli.counts
    assert container.counts
