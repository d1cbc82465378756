"""Tests of `usagectl settings`: a value that is stored and does not hold is said to be beaten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.commands import run_inside

if TYPE_CHECKING:
    from tests.support.machine import Machine


def test_a_stored_value_that_is_beaten_is_warned_of(machine: Machine) -> None:
    """A policy, a project file, a variable or a general No decides, whatever is stored."""
    policy, project = machine.root / "etc/usagectl/policy.toml", machine.cwd / ".usagectl.toml"
    policy.parent.mkdir(parents=True)
    no_text, local_text = '[telemetry]\nmode = "off"\n', '[telemetry]\nmode = "local"\n'
    address = "http://127.0.0.1:9/v1"
    wrong = []
    for file, text, variables, name, value, told in (
        (policy, no_text, {}, "telemetry.mode", "on", f"stays off: {policy} decides"),
        (policy, no_text, {}, "tools.mytool.mode", "on", f"stays off: {policy} decides"),
        (policy, no_text, {}, "telemetry.mode", "off", ""),
        (project, local_text, {}, "telemetry.mode", "on", f"stays local: {project} decides"),
        (project, "", {"DO_NOT_TRACK": "1"}, "telemetry.mode", "on", "the environment decides"),
        (
            project,
            "",
            {"ANALYTICS_API": "http://127.0.0.1:8/v1"},
            "telemetry.endpoint",
            address,
            "8",
        ),
        (project, "", {}, "telemetry.endpoint", address, ""),
        (project, "", {}, "telemetry.mode", "on", ""),
        (project, "", {}, "spool.max_days", "3", ""),
    ):
        file.write_text(text)
        environment = machine.environment(variables={"HOME": str(machine.home), **variables})
        found = run_inside(environment, "settings", "set", name, value)
        file.unlink()
        if found.status or (told not in found.stderr if told else found.stderr):
            wrong.append((name, value, variables, found))
    assert wrong == []
