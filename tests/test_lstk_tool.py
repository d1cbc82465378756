"""Tests of lstk's switches: its command line takes exactly `1`, its container Python's Yes.

lstk was not run for this; the expectations are facts, part 5, from reading its source.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from usagectl import consent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.machine import Machine
    from usagectl.consent import Consent

NAME = "LOCALSTACK_DISABLE_EVENTS"
CONFIG = """
[[containers]]
type = "aws"
env = ["Quiet"]

[env.quiet]
{assignments}
"""


def verdicts(machine: Machine, variables: Mapping[str, str]) -> tuple[Consent, Consent]:
    """Give the verdict on the command line and on the container."""
    machine.variables = dict(variables)
    cli, container = consent.evaluate(machine.environment(), ["lstk"])
    return cli, container


def codes(found: Consent) -> list[str]:
    """List the codes of a verdict's warnings."""
    return [caution.code for caution in found.cautions]


def configure(machine: Machine, assignments: str) -> None:
    """Write a configuration whose container takes one section of variables."""
    file = machine.home / ".config" / "lstk" / "config.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(CONFIG.format(assignments=assignments))


@pytest.mark.parametrize(
    ("value", "cli_says", "container_says"),
    [
        ("1", "off", "off"),
        ("true", "on", "off"),
        ("TRUE", "on", "off"),
        (" 1", "on", "off"),
        ("1 ", "on", "off"),
        ("1\n", "on", "on"),
        ("1\r", "on", "on"),
        ("yes", "on", "on"),
        ("0", "on", "on"),
        ("", "on", "on"),
        ("01", "on", "on"),
    ],
)
def test_the_variable(machine: Machine, value: str, cli_says: str, container_says: str) -> None:
    """The command line takes exactly `1`; the container what Python takes, if it is one line."""
    cli, container = verdicts(machine, {NAME: value})
    assert (cli.telemetry, container.telemetry) == (cli_says, container_says)
    assert cli.decided_by.name == NAME
    is_forwarded = "\n" not in value and "\r" not in value
    assert container.decided_by.source == ("environment" if is_forwarded else "default")


@pytest.mark.parametrize("value", ["true", "TRUE", " 1", "yes", "on", "2"])
def test_a_value_that_lstk_ignores(machine: Machine, value: str) -> None:
    """What a person means as a Yes and lstk does not take is named, with what it takes."""
    cli, _ = verdicts(machine, {NAME: value})
    assert codes(cli) == ["value-ignored"]
    assert cli.cautions[0].hint == "export LOCALSTACK_DISABLE_EVENTS=1"


@pytest.mark.parametrize("value", ["", "0", "false", "no", "off"])
def test_a_false_value_is_no_mistake(machine: Machine, value: str) -> None:
    """A value that asks for events is obeyed without a warning."""
    assert codes(verdicts(machine, {NAME: value})[0]) == []


def test_the_plain_name_is_not_read(machine: Machine) -> None:
    """DISABLE_EVENTS reaches neither lstk nor its container; only the first can be warned of."""
    cli, container = verdicts(machine, {"DISABLE_EVENTS": "1"})
    assert (cli.telemetry, container.telemetry) == ("on", "on")
    assert codes(cli) == ["plain-name-not-read"]
    for found in (cli, container):
        assert found.decided_by.source == "default"
        assert [switch.name for switch in found.overridden] == ["DISABLE_EVENTS"]


def test_do_not_track_is_not_read(machine: Machine) -> None:
    """DO_NOT_TRACK changes nothing and is warned of."""
    cli, _ = verdicts(machine, {"DO_NOT_TRACK": "1"})
    assert (cli.telemetry, codes(cli)) == ("on", ["do-not-track-ignored"])


def test_no_warning_while_off(machine: Machine) -> None:
    """Once lstk is off, names that it ignores are no matter."""
    cli, _ = verdicts(machine, {NAME: "1", "DISABLE_EVENTS": "1", "DO_NOT_TRACK": "1"})
    assert (cli.telemetry, codes(cli)) == ("off", [])


def test_localstacks_profile_is_not_read(machine: Machine) -> None:
    """A LocalStack profile says nothing to lstk."""
    machine.default_profile.parent.mkdir()
    machine.default_profile.write_text(f"DISABLE_EVENTS=1\n{NAME}=1\n")
    assert [found.telemetry for found in verdicts(machine, {})] == ["on", "on"]


@pytest.mark.parametrize(
    ("assignments", "variables", "expected"),
    [
        ('DISABLE_EVENTS = "1"', {}, "off"),
        ('disable_events = "true"', {}, "off"),
        ("DISABLE_EVENTS = 1", {}, "off"),
        ('DISABLE_EVENTS = "yes"', {}, "on"),
        (f'{NAME} = "1"', {}, "off"),
        (f'{NAME} = "0"\nDISABLE_EVENTS = "1"', {}, "on"),
        (f'{NAME} = "1"', {NAME: "0"}, "on"),
        ('DISABLE_EVENTS = "1"', {NAME: "0"}, "on"),
        ('DISABLE_EVENTS = "0"', {NAME: "1"}, "off"),
        (f'{NAME} = "1"', {NAME: "0\n"}, "off"),
        ('OTHER = "1"', {}, "on"),
    ],
)
def test_sections_reach_the_container_alone(
    machine: Machine, assignments: str, variables: dict[str, str], expected: str
) -> None:
    """A section that a container names is set there; the host's prefixed variable comes later."""
    configure(machine, assignments)
    cli, container = verdicts(machine, variables)
    assert cli.telemetry == ("off" if variables.get(NAME) == "1" else "on")
    assert container.telemetry == expected


def test_a_section_is_named_with_its_file(machine: Machine) -> None:
    """What a section decides has the configuration file as its origin."""
    configure(machine, 'DISABLE_EVENTS = "1"')
    _, container = verdicts(machine, {})
    assert container.decided_by.source == "profile"
    assert container.decided_by.origin.endswith("/.config/lstk/config.toml")


def test_a_section_that_no_container_names_is_nothing(machine: Machine) -> None:
    """A section alone sets nothing."""
    configure(machine, 'DISABLE_EVENTS = "1"')
    file = machine.home / ".config" / "lstk" / "config.toml"
    file.write_text(file.read_text().replace('"Quiet"', '"other"'))
    assert verdicts(machine, {})[1].telemetry == "on"


def test_the_project_configuration_comes_first(machine: Machine) -> None:
    """`./.lstk/config.toml` hides the user's."""
    configure(machine, 'DISABLE_EVENTS = "1"')
    own = machine.cwd / ".lstk" / "config.toml"
    own.parent.mkdir()
    own.write_text("")
    assert verdicts(machine, {})[1].telemetry == "on"


@pytest.mark.parametrize(
    "text",
    ["\0", "= 1", "containers = 1\nenv = 2", "[env]\na = 1\n[[containers]]\nenv = [[1], 'a']"],
)
def test_a_configuration_that_is_not_understood(machine: Machine, text: str) -> None:
    """What is no TOML, or of another shape, sets nothing and raises nothing."""
    configure(machine, "")
    (machine.home / ".config" / "lstk" / "config.toml").write_text(text)
    assert verdicts(machine, {})[1].telemetry == "on"


def test_a_pipe_in_the_configurations_place(machine: Machine) -> None:
    """A pipe does not hang."""
    configure(machine, "")
    file = machine.home / ".config" / "lstk" / "config.toml"
    file.unlink()
    os.mkfifo(file)
    assert verdicts(machine, {})[1].telemetry == "on"


def test_lstk_counts_only_where_it_is_installed(machine: Machine) -> None:
    """Without lstk on PATH an expectation does not look at it."""
    assert not any(found.counts for found in verdicts(machine, {}))
    machine.install_program("lstk")
    assert all(found.counts for found in verdicts(machine, {}))


def test_endpoints(machine: Machine) -> None:
    """The endpoint of lstk is one whole URL of its own; that of its container the prefixed base."""
    cli, container = verdicts(machine, {"ANALYTICS_API": "http://x"})
    assert cli.endpoint == "https://analytics.localstack.cloud/v1/events"
    assert container.endpoint == "https://analytics.localstack.cloud/v1"
    variables = {"LSTK_ANALYTICS_ENDPOINT": "http://y/e", "LOCALSTACK_ANALYTICS_API": "http://z/"}
    cli, container = verdicts(machine, variables)
    assert (cli.endpoint, container.endpoint) == ("http://y/e", "http://z")
