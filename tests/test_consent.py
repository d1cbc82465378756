"""Tests of the verdict itself: which switch decides, which were overridden, what counts."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.machine import REPOSITORY
from usagectl import consent, tools
from usagectl.errors import UnknownToolError
from usagectl.tools.base import Installation, PartReading, Source, Switch, Telemetry, is_no

if TYPE_CHECKING:
    from tests.support.machine import Machine
    from usagectl.consent import Consent

DEFAULT_ON = Switch("default", "no switch", None, "", "on")
DEFAULT_LOCAL = Switch("default", "no switch", None, "", "local")
RANK = {"off": 0, "local": 1, "on": 2}


def switch(source: Source, says: Telemetry | None, name: str = "X") -> Switch:
    """Make a switch that says something."""
    return Switch(source, name, "v", "o", says)


def decide(*switches: Switch, any_no_wins: bool = False) -> Consent:
    """Give the verdict on a part with these switches."""
    reading = PartReading("t", "p", "http://e", switches, any_no_wins=any_no_wins)
    return consent.decide(reading, Installation(installed=False), counts=True)


def test_the_first_that_speaks_decides() -> None:
    """Of a client's switches the first that it heeds decides, whatever the later ones say."""
    ignored, first = switch("environment", None), switch("profile", "on", "A")
    later, same = switch("profile", "off", "B"), switch("profile", "on", "C")
    found = decide(ignored, first, later, same, DEFAULT_ON)
    assert (found.telemetry, found.decided_by) == ("on", first)
    assert found.overridden == (ignored, later)
    assert found.considered == (ignored, first, later, same, DEFAULT_ON)


def test_the_default_decides_last() -> None:
    """Where nothing else speaks the default decides; it is never listed as overridden."""
    ignored = switch("environment", None)
    found = decide(DEFAULT_ON, ignored)
    assert (found.decided_by, found.overridden) == (DEFAULT_ON, (ignored,))
    assert decide(switch("profile", "off"), DEFAULT_ON).overridden == ()


@pytest.mark.parametrize(
    ("switches", "expected", "source"),
    [
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
    ],
)
def test_any_no_wins(
    switches: list[tuple[Source, Telemetry | None]], expected: str, source: str
) -> None:
    """With `any_no_wins` a No decides from any place; policy and project hold the choice down."""
    found = decide(*(switch(*one) for one in switches), DEFAULT_LOCAL, any_no_wins=True)
    assert (found.telemetry, found.decided_by.source) == (expected, source)


SOURCES: tuple[Source, ...] = ("environment", "policy", "project", "setting")
SAYS: tuple[Telemetry | None, ...] = ("off", "local", "on", None)
switch_lists = st.lists(
    st.builds(switch, st.sampled_from(SOURCES), st.sampled_from(SAYS)), max_size=6
)


@settings(database=None)
@given(switch_lists, switch_lists, st.sampled_from(SOURCES))
def test_a_no_among_any_switches(before: list[Switch], after: list[Switch], source: Source) -> None:
    """Whatever stands before and after it, a No makes it off."""
    found = decide(*before, switch(source, "off"), *after, DEFAULT_LOCAL, any_no_wins=True)
    assert found.telemetry == "off"
    assert found.decided_by.says == "off"


@settings(database=None)
@given(switch_lists, switch_lists, st.sampled_from(SOURCES[1:3]), st.sampled_from(SAYS))
def test_a_restricting_file_never_raises(
    before: list[Switch], after: list[Switch], source: Source, says: Telemetry | None
) -> None:
    """Whatever a policy or project file says, the verdict is no louder than without it."""
    without = decide(*before, *after, DEFAULT_LOCAL, any_no_wins=True).telemetry
    added = switch(source, says)
    found = decide(*before, added, *after, DEFAULT_LOCAL, any_no_wins=True).telemetry
    assert RANK[found] <= RANK[without]


@settings(database=None)
@given(switch_lists, st.booleans())
def test_the_decider_and_the_overridden(switches: list[Switch], any_no_wins: bool) -> None:  # noqa: FBT001
    """The decider says the verdict; every overridden switch says something else."""
    found = decide(*switches, DEFAULT_LOCAL, any_no_wins=any_no_wins)
    assert found.decided_by.says == found.telemetry
    assert all(one.says != found.telemetry for one in found.overridden)
    assert found.considered == (*switches, DEFAULT_LOCAL)


def test_every_part_of_every_tool(machine: Machine) -> None:
    """One verdict a part, in the tools' own order, whatever the order of the names."""
    found = consent.evaluate(machine.environment())
    assert [one.name for one in found] == [
        "localstack cli",
        "localstack container",
        "lstk cli",
        "lstk container",
        "usagectl",
    ]
    chosen = consent.evaluate(machine.environment(), ["usagectl", "lstk"])
    assert [one.name for one in chosen] == ["lstk cli", "lstk container", "usagectl"]


def test_an_unknown_tool(machine: Machine) -> None:
    """A name that is none of a tool is an error that lists those that are."""
    with pytest.raises(UnknownToolError, match="localstack, lstk, usagectl"):
        consent.evaluate(machine.environment(), ["docker"])


def test_evaluating_writes_nothing(machine: Machine) -> None:
    """A verdict makes no file and no folder."""
    before = sorted(machine.folder.rglob("*"))
    consent.evaluate(machine.environment())
    assert sorted(machine.folder.rglob("*")) == before


def test_the_opt_out_variables_silence_every_part(machine: Machine) -> None:
    """What `env` and `run` set leaves no part of any tool other than off."""
    machine.install_program("lstk")
    machine.variables = dict(tools.OPT_OUT_VARIABLES)
    assert {one.telemetry for one in consent.evaluate(machine.environment())} == {"off"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *[(text, True) for text in ("1", "true", "yes", "on", "x", " 1 ", "00", "nope")],
        *[(text, False) for text in ("", " ", "0", "false", "no", "off", "OFF", " No ", None)],
    ],
)
def test_what_is_a_no(value: str | None, *, expected: bool) -> None:
    """A variable says No when it is set to anything but a word for false."""
    assert is_no(value) == expected


# Gives the verdicts once to load every module, then as one who may enter no folder of the machine.
LOCKED_OUT = """
import os, sys
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
