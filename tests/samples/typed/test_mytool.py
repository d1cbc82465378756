"""Unit tests of the tool, with the fixture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mytool
import pytest
from typer.testing import CliRunner

import usagectl

if TYPE_CHECKING:
    from usagectl_pytest import UsageCapture, UsageEvent, UsageEvents


def test_a_build_is_recorded(usagectl_events: UsageEvents) -> None:
    """The command, and what its tracker tells."""
    assert CliRunner().invoke(mytool.app, ["build"]).stdout == "0\n"
    *_, found, last = usagectl_events.events
    event: UsageEvent = last
    assert (found.payload, event.name, event.tool) == (
        {"counts": [{"is_hit": False, "count": 1}]},
        "cli_cmd",
        "mytool",
    )
    assert usagectl_events.bodies[-1] == event.body
    assert usagectl_events.names[:2] == ["session", "mytool_built"]
    usagectl_events.clear()
    assert usagectl_events.names == []


def test_it_is_switched(usagectl_events: UsageEvents) -> None:
    """A switch of the test's own settings, which the next run obeys."""
    CliRunner().invoke(mytool.app, ["build"])
    assert mytool.switch(off=True) == ["off", "off"]
    CliRunner().invoke(mytool.app, ["build"])
    assert usagectl_events.names == []  # Switching off forgets what waits, too.
    assert mytool.switch(off=False) == ["on", "on"]


def test_a_slip_is_told() -> None:
    """By a code that stays."""
    with usagectl.Tracker("mytool", kinds=mytool.KINDS, strict=True) as tracker:
        assert mytool.problem_of(tracker).startswith("event-shape: mytool_built: target must be")
    assert mytool.problem_of(tracker) == "tracker-closed"
    with pytest.raises(usagectl.InvalidValueError):
        usagectl.Tracker("mytool", endpoint="http://events.example.org")


def help_is_silent(usagectl_capture: UsageCapture) -> None:
    """Show that the other fixture has a type as well."""
    assert usagectl_capture.run(["mytool", "--help"]).returncode == 0
    usagectl_capture.assert_silent()
