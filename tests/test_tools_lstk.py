"""Tests of lstk: its command line takes exactly `1`, its container what Python takes for a Yes.

lstk was not run for this; the expectations are facts, part 5, from reading its source.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.support.machine import Machine, codes
from usagectl import consent
from usagectl.identity import cautions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

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


def configure(machine: Machine, assignments: str) -> Path:
    """Write a configuration whose container takes one section of variables."""
    file = machine.home / ".config" / "lstk" / "config.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(CONFIG.format(assignments=assignments))
    return file


VALUES = {
    "1": ("off", "off", []),
    **dict.fromkeys(("true", "TRUE", " 1", "1 "), ("on", "off", ["value-ignored"])),
    **dict.fromkeys(("1\n", "1\r", "yes", "on", "2", "01"), ("on", "on", ["value-ignored"])),
    **dict.fromkeys(("", "0", "false", "no", "off"), ("on", "on", [])),
}


def test_the_variable(machine: Machine) -> None:
    """The command line takes exactly `1`; the container what Python takes, if it is one line.

    A value that a person means as a Yes is warned of, with what lstk takes; a false one is not.
    """
    wrong = []
    for value, expected in VALUES.items():
        cli, container = verdicts(machine, {NAME: value})
        source = "default" if value in ("1\n", "1\r") else "environment"
        found = (cli.telemetry, container.telemetry, codes(cli))
        if (*found, container.decided_by.source) != (*expected, source):
            wrong.append((value, *found, container.decided_by.source))
        assert cli.decided_by.name == NAME
        assert all(each.hint == "export LOCALSTACK_DISABLE_EVENTS=1" for each in cli.cautions)
    assert wrong == []


def test_names_that_are_not_read(machine: Machine) -> None:
    """DISABLE_EVENTS and DO_NOT_TRACK reach neither part; the warning ends once lstk is off.

    A LocalStack profile says nothing to lstk.
    """
    cli, container = verdicts(machine, {"DISABLE_EVENTS": "1"})
    assert codes(cli) == ["plain-name-not-read"]
    for found in (cli, container):
        assert (found.telemetry, found.decided_by.source) == ("on", "default")
        assert [switch.name for switch in found.overridden] == ["DISABLE_EVENTS"]
    cli, _ = verdicts(machine, {"DO_NOT_TRACK": "1"})
    assert (cli.telemetry, codes(cli)) == ("on", ["do-not-track-ignored"])
    cli, _ = verdicts(machine, {NAME: "1", "DISABLE_EVENTS": "1", "DO_NOT_TRACK": "1"})
    assert (cli.telemetry, codes(cli)) == ("off", [])
    machine.default_profile.parent.mkdir()
    machine.default_profile.write_text(f"DISABLE_EVENTS=1\n{NAME}=1\n")
    assert [found.telemetry for found in verdicts(machine, {})] == ["on", "on"]


SECTIONS: tuple[tuple[str, dict[str, str], str], ...] = (
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
)


def test_sections_reach_the_container_alone(machine: Machine) -> None:
    """A section that a container names is set there; the host's prefixed variable comes later."""
    wrong = []
    for assignments, variables, expected in SECTIONS:
        configure(machine, assignments)
        cli, container = verdicts(machine, variables)
        alone = "off" if variables.get(NAME) == "1" else "on"
        if (cli.telemetry, container.telemetry) != (alone, expected):
            wrong.append((assignments, variables, cli.telemetry, container.telemetry))
    assert wrong == []


def test_which_section_counts(machine: Machine) -> None:
    """A section is named with its file; it counts only where a container names it.

    Of several container blocks, one that is not opted out is enough to be loud.
    """
    file = configure(machine, 'DISABLE_EVENTS = "1"')
    _, container = verdicts(machine, {})
    assert (container.decided_by.source, container.decided_by.origin) == ("profile", str(file))
    file.write_text(file.read_text().replace('"Quiet"', '"other"'))
    assert verdicts(machine, {})[1].telemetry == "on"
    file = configure(machine, 'DISABLE_EVENTS = "1"')
    file.write_text(f'{file.read_text()}[[containers]]\ntype = "aws"\n')
    assert verdicts(machine, {})[1].telemetry == "on"
    configure(machine, 'DISABLE_EVENTS = "1"')
    own = machine.cwd / ".lstk" / "config.toml"
    own.parent.mkdir()
    own.write_text("")
    assert verdicts(machine, {})[1].telemetry == "on", "the project's file hides the user's"


def test_a_configuration_that_is_not_understood(machine: Machine) -> None:
    """Invalid TOML, another shape or a pipe sets nothing, raises nothing and does not hang."""
    file = configure(machine, "")
    odd = "[env]\na = 1\n[[containers]]\nenv = [[1], 'a']"
    for text in ("\0", "= 1", "containers = 1\nenv = 2", odd):
        file.write_text(text)
        assert verdicts(machine, {})[1].telemetry == "on", text
    file.unlink()
    os.mkfifo(file)
    assert verdicts(machine, {})[1].telemetry == "on"


def test_endpoints(machine: Machine) -> None:
    """The endpoint of lstk is one whole URL of its own; that of its container the prefixed base."""
    cli, container = verdicts(machine, {"ANALYTICS_API": "http://x"})
    assert cli.endpoint == "https://analytics.localstack.cloud/v1/events"
    assert container.endpoint == "https://analytics.localstack.cloud/v1"
    variables = {"LSTK_ANALYTICS_ENDPOINT": "http://y/e", "LOCALSTACK_ANALYTICS_API": "http://z/"}
    cli, container = verdicts(machine, variables)
    assert (cli.endpoint, container.endpoint) == ("http://y/e", "http://z")


def test_an_id_that_lstk_derives_anyway_is_warned_of(tmp_path: Path) -> None:
    """With Docker or a system ID lstk passes its file by; without lstk that is no matter."""
    for number, (programs, system_id, expected) in enumerate(
        (
            ((), "0123\n", []),
            (("lstk",), None, []),
            (("lstk",), " \n", []),
            (("lstk",), "0123\n", ["lstk"]),
            (("lstk", "docker"), None, ["lstk"]),
        )
    ):
        machine = Machine(tmp_path / str(number))
        for program in programs:
            machine.install_program(program)
        if system_id is not None:
            (machine.root / "etc").mkdir()
            (machine.root / "etc" / "machine-id").write_text(system_id)
        found = cautions(machine.environment())
        assert [name for name, _ in found] == expected, (programs, system_id)
        assert all(caution.code == "derived-anyway" for _, caution in found)
