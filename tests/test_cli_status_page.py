"""Tests of the page that `status` shows: what a person reads of a machine with many tools."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.support.commands import run_inside
from tests.support.terminals import ESCAPE, draw_all, needs_terminal
from usagectl import catalogue
from usagectl.emitting import permission
from usagectl.tools.places import path_of

if TYPE_CHECKING:
    from tests.support.machine import Machine


def shown(machine: Machine, words: str) -> str:
    """Run a command on a machine that is no container; return what a person reads."""
    outcome = run_inside(machine.environment(uid=1000), *words.split())
    return f"{outcome.stdout}{outcome.stderr}"


def lay_folders_for_files(machine: Machine) -> None:
    """Put a folder where each tool that leaves a trace in a home keeps its files."""
    environment = machine.environment(uid=1000)
    for name in catalogue.index().traces:
        for file in catalogue.entry(name).files:
            path = path_of(file, environment)
            if path and machine.home in path.parents:
                path.mkdir(parents=True, exist_ok=True)


def test_a_tool_that_is_not_here_is_called_used_here(machine: Machine) -> None:
    """Its program is gone and the file that tells of it is named; "not found" would contradict."""
    file = machine.home / ".config" / "turborepo" / "telemetry.json"
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    page = shown(machine, "status")
    assert f"  turbo  on  used here: {file}  no switch is set" in page
    assert "not found" not in page
    named = shown(machine, "status turbo")
    assert named.startswith("Telemetry is ON: turbo.\n")
    assert f"used here: {file}" in named


def test_a_switch_that_is_ignored_is_named(machine: Machine) -> None:
    """That no switch is set would not be true, and its author would look for the typing error."""
    machine.install_program("turbo")
    assert "turbo  on    no switch is set  " in shown(machine, "status")
    machine.variables["TURBO_TELEMETRY_DISABLED"] = "yes"
    page = shown(machine, "status")
    assert "turbo  on    TURBO_TELEMETRY_DISABLED=yes (environment) is ignored  " in page
    assert page.startswith("The one tool found here sends: turbo.\n")


def test_the_next_step_helps(machine: Machine) -> None:
    """It names the tool that was asked for, and where one heeds a variable alone, the shells."""
    machine.install_program("turbo")
    assert "Next: usagectl disable turbo switches off" in shown(machine, "status turbo")
    assert "Next: usagectl disable switches off" in shown(machine, "status")
    assert "try: usagectl disable turbo\n" in shown(machine, "status turbo --expect off")
    machine.install_program("storybook")
    assert "Next: usagectl disable --shell switches off" in shown(machine, "status")
    both = shown(machine, "status turbo storybook")
    assert "Next: usagectl disable --shell turbo storybook switches off" in both


def test_a_program_that_records_here_has_no_page_to_explain_it(machine: Machine) -> None:
    """The next step is to look at what it records, which `explain` knows nothing of."""
    emitter = permission.Emitter("mytool", endpoint="https://example.org/v1")
    assert permission.permit(machine.environment(), emitter)
    assert "Next: usagectl preview mytool shows" in shown(machine, "status mytool")
    machine.variables["MYTOOL_TELEMETRY"] = "on"
    assert "; usagectl preview mytool shows what it records." in shown(machine, "status mytool")


def test_dozens_of_warnings_are_not_all_shown(machine: Machine) -> None:
    """The gravest come first; the others are counted, and the tools that have them are named."""
    lay_folders_for_files(machine)
    page = shown(machine, "status")
    warnings = [line for line in page.splitlines() if "cannot be read" in line]
    assert len(warnings) == page.count("    try: ") == 10
    grave = ["stops with an error" in line for line in warnings]
    assert (grave, any(grave)) == (sorted(grave, reverse=True), True)
    found = re.search(r"\n  and (\d+) more: usagectl status (\S+) shows .*\((.*)\)\n", page)
    assert found
    count, name, names = found.groups()
    assert int(count) >= len(names.split(", ")) > 10
    assert f"  {name}: " in (one := shown(machine, f"status {name}"))
    assert " more: " not in one


def test_a_file_that_breaks_a_tool_is_told_of_once(machine: Machine) -> None:
    """Writing a key into it cannot help, so the hint is to look at it."""
    file = machine.home / ".config" / "zenml" / "config.yaml"
    file.mkdir(parents=True)
    warnings = run_inside(machine.environment(uid=1000), "status", "zenml", "--json").data["tools"]
    (told,) = warnings[0]["warnings"]
    assert (told["code"], told["level"]) == ("value-breaks-tool", "error")
    assert told["message"].startswith(f"ZenML stops with an error: {file} cannot be read")
    assert told["hint"] == f"ls -l {file}"


@needs_terminal
def test_a_long_switch_stands_below_its_row(machine: Machine) -> None:
    """A path that does not fit beside the tool is never broken to the edge of the window."""
    machine.install_program("turbo")
    file = machine.home / ".config" / "turborepo" / "telemetry.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"telemetry_enabled": false, "telemetry_id": "a", "telemetry_salt": "b"}')
    drawn = ESCAPE.sub("", draw_all(machine, [("status", 60)])[0])
    _, _, quiet = drawn.partition("\nQuiet\n")
    assert quiet.startswith("  turbo  off\n      telemetry_enabled=false\n      (/")


def test_a_policy_that_nobody_reads_is_told_of_once(machine: Machine) -> None:
    """Two tools are one warning with one command for both; by name it is said in full."""
    for name in ("turbo", "storybook"):
        machine.install_program(name)
    policy = machine.root / "etc" / "usagectl" / "policy.toml"
    policy.parent.mkdir(parents=True)
    policy.write_text('[tools.turbo]\nmode = "off"\n[tools.storybook]\nmode = "off"\n')
    page = shown(machine, "status")
    assert "  storybook, turbo: This machine's policy wants them off, and they do not" in page
    assert page.count("try: ") == 1
    assert f"{policy} wants turbo off" in shown(machine, "status turbo")
