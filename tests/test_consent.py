"""Tests of the verdict itself: which switch decides, which were overridden, what counts."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.machine import REPOSITORY, codes
from usagectl import consent
from usagectl.tools import opt_outs
from usagectl.tools.base import Installation, PartReading, Source, Switch, Telemetry
from usagectl.tools.instrumented import TOOL as OURS
from usagectl.tools.registry import built_in

if TYPE_CHECKING:
    from tests.support.machine import Machine
    from usagectl.consent import Consent

LSTK = next(tool for tool in built_in() if tool.name == "lstk")
DEFAULT_ON = Switch("default", "no switch", None, "", "on")
DEFAULT_LOCAL = Switch("default", "no switch", None, "", "local")


def switch(source: Source, says: Telemetry | None, name: str = "X") -> Switch:
    """Make a switch that says something."""
    return Switch(source, name, "v", "o", says)


def decide(*switches: Switch, any_no_wins: bool = False) -> Consent:
    """Give the verdict on a part with these switches."""
    tool = OURS if any_no_wins else LSTK
    absent = Installation(installed=False)
    return consent.decide(tool, PartReading("p", "http://e", switches), absent, counts=True)


def test_the_first_that_speaks_decides() -> None:
    """The first of a client's switches that it heeds decides, whatever the later ones say.

    The default decides where nothing else speaks, and is never listed as overridden.
    """
    ignored, first = switch("environment", None), switch("profile", "on", "A")
    later, same = switch("profile", "off", "B"), switch("profile", "on", "C")
    found = decide(ignored, first, later, same, DEFAULT_ON)
    assert (found.telemetry, found.decided_by) == ("on", first)
    assert found.overridden == (ignored, later)
    assert found.considered == (ignored, first, later, same, DEFAULT_ON)
    found = decide(DEFAULT_ON, ignored)
    assert (found.decided_by, found.overridden) == (DEFAULT_ON, (ignored,))
    assert decide(switch("profile", "off"), DEFAULT_ON).overridden == ()


ANY_NO: list[tuple[list[tuple[Source, Telemetry | None]], str, str]] = [
    ([], "local", "default"),
    ([("environment", "on")], "on", "environment"),
    ([("setting", "on")], "on", "setting"),
    ([("environment", "local"), ("setting", "on")], "local", "environment"),
    ([("environment", "on"), ("setting", "local")], "on", "environment"),
    ([("environment", "on"), ("setting", "off")], "off", "setting"),
    ([("environment", "on"), ("policy", "local")], "local", "policy"),
    ([("environment", "on"), ("project", "off"), ("policy", "local")], "off", "project"),
    ([("policy", None), ("setting", "on")], "on", "setting"),
    ([("policy", "local")], "local", "policy"),
    ([("policy", "off"), ("setting", "off")], "off", "policy"),
]


def test_any_no_wins() -> None:
    """With `any_no_wins` a No decides from any place; policy and project hold the choice down."""
    wrong = []
    for switches, expected, source in ANY_NO:
        found = decide(*(switch(*one) for one in switches), DEFAULT_LOCAL, any_no_wins=True)
        if (found.telemetry, found.decided_by.source) != (expected, source):
            wrong.append((switches, found.telemetry, found.decided_by.source))
    assert wrong == []


def test_every_part_of_every_tool(machine: Machine) -> None:
    """There is one verdict a part, in the tools' own order; looking makes no file or folder."""
    before = sorted(machine.folder.rglob("*"))
    found = consent.evaluate(machine.environment())
    labels = ["localstack cli", "localstack container", "lstk cli", "lstk container", "usagectl"]
    assert [one.name for one in found] == labels
    chosen = consent.evaluate(machine.environment(), ["usagectl", "lstk"])
    assert [one.name for one in chosen] == labels[2:]
    assert sorted(machine.folder.rglob("*")) == before


def test_what_a_file_can_reach(machine: Machine) -> None:
    """A variable, and a tool that reads no file, cannot be switched off by writing one."""
    reach = [not one.is_out_of_reach for one in consent.evaluate(machine.environment())]
    assert reach == [True, True, False, False, True]
    machine.variables = {"DISABLE_EVENTS": "0"}
    reach = [not one.is_out_of_reach for one in consent.evaluate(machine.environment())]
    assert reach == [False, False, False, False, True]


def test_the_opt_out_variables_silence_every_part(machine: Machine) -> None:
    """What `env` and `run` set leaves every part of every tool off."""
    machine.install_program("lstk")
    machine.variables = opt_outs.opt_out_variables()
    assert {one.telemetry for one in consent.evaluate(machine.environment())} == {"off"}


# Gives the verdicts once to load every module, then as one who may enter no folder of the machine.
# What a hint loads late is loaded first: the interpreter may lie in root's own home.
LOCKED_OUT = """
import os, shlex, sys
from pathlib import Path
from tests.support.machine import Machine
from usagectl import consent
machine = Machine(Path(sys.argv[1]))
consent.evaluate(machine.environment())
if os.getuid() == 0:
    machine.folder.chmod(0o700)
    os.setgid(65534)
    os.setuid(65534)
else:
    machine.folder.chmod(0)
print([found.telemetry for found in consent.evaluate(machine.environment())])
"""


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="folders are not closed like that there")
def test_a_home_that_may_not_be_entered(machine: Machine) -> None:
    """Where no folder of the home can be entered there is still a verdict on every part.

    LocalStack looks with `os.path.exists`, so to it nothing is there; usagectl's own
    setting cannot be read, which is off.
    """
    done = subprocess.run(
        [sys.executable, "-c", LOCKED_OUT, str(machine.folder)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        cwd="/",
        capture_output=True,
        timeout=60,
        check=False,
    )
    machine.folder.chmod(0o700)
    assert done.stderr == b""
    assert done.stdout == b"['on', 'on', 'on', 'on', 'off']\n"


def policy(machine: Machine, text: str) -> str:
    """Write the machine's policy; return its name."""
    file = machine.root / "etc/usagectl/policy.toml"
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    file.write_text(text)
    return str(file)


def test_a_policy_that_a_tool_does_not_read_is_a_wish(machine: Machine) -> None:
    """The verdict stays; the wish is among the switches, and what would grant it is said."""
    machine.install_program("lstk")
    machine.install_program("next")
    tools_named = ("localstack", "lstk", "next")
    before = consent.evaluate(machine.environment(), tools_named)
    text = "".join(f'[tools.{name}]\nmode = "off"\n' for name in tools_named)
    file = policy(machine, text)
    after = consent.evaluate(machine.environment(), tools_named)
    assert [each.telemetry for each in after] == [each.telemetry for each in before]
    assert {each.telemetry for each in after} == {"on"}
    wishes = {Switch("policy", f"tools.{name}.mode", "off", file, None) for name in tools_named}
    assert {each.considered[-1] for each in after} == wishes
    assert {each.overridden[-1] for each in after} == wishes
    said = {each.tool: caution for each in after for caution in each.cautions[-1:]}
    assert {caution.code for caution in said.values()} == {"policy-not-obeyed"}
    assert {name: caution.hint for name, caution in said.items()} == {
        "localstack": "export DISABLE_EVENTS=1 LOCALSTACK_DISABLE_EVENTS=1",
        "lstk": "export LOCALSTACK_DISABLE_EVENTS=1",
        "next": "export NEXT_TELEMETRY_DISABLED=1",
    }
    assert "`usagectl disable next` or `usagectl disable --system`" in said["next"].message
    assert "`usagectl disable lstk`" not in said["lstk"].message  # It reads no file.


def test_a_policy_that_is_met_is_no_warning(machine: Machine) -> None:
    """Where the tool is off, the policy is a switch that was looked at, and no more."""
    policy(
        machine,
        '[tools.next]\nmode = "off"\n[tools.lstk]\nmode = "on"\n[tools.other]\nmode = "off"\n',
    )
    machine.variables = {"NEXT_TELEMETRY_DISABLED": "1"}
    found, lstk, *_ = consent.evaluate(machine.environment(), ["next", "lstk"])[::-1]
    assert (found.telemetry, found.considered[-1].source) == ("off", "policy")
    assert (codes(found), codes(lstk)) == ([], [])
    assert "policy" not in {each.source for each in lstk.considered}
    machine.variables = {}
    hidden = next(
        c for c in consent.evaluate(machine.environment(), everything=True) if c.tool == "next"
    )
    assert (hidden.counts, codes(hidden)) == (False, [])
