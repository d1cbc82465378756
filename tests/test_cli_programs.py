"""Tests of `env --tool` and `explain` with the name of a program that records through usagectl."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from usagectl.events.kinds import Field, Kind
from usagectl.terms import Terms
from usagectl.tools import instrumented
from usagectl.tools.instrumented import Registration

if TYPE_CHECKING:
    from tests.support.machine import Machine

BUILT = Kind(
    "my_tool_built",
    description="A build ended.",
    fields=(Field("seconds", "number", "How long it took."),),
)
ENDPOINT = "https://example.org/v1"


@pytest.fixture
def owner(machine: Machine) -> Machine:
    """Make a machine on which my-tool has recorded, and one named as an event is."""
    schemas = (BUILT.schema("my-tool"),)
    for found in (
        Registration("my-tool", "1.2.0", ENDPOINT, schemas=schemas),
        Registration("session", "1.0.0"),
    ):
        instrumented.register(machine.environment(), found)
    return machine


def test_env_gives_the_variable_of_a_program(owner: Machine) -> None:
    """Its own one, beside those of other tools that are named; what it gives switches it off."""
    text = owner.run("env", "--tool", "my-tool", "--tool", "next").stdout
    assert text == "export NEXT_TELEMETRY_DISABLED=1\nexport MY_TOOL_TELEMETRY=off\n"
    assert owner.run("env", "--tool", "my-tool").stdout == "export MY_TOOL_TELEMETRY=off\n"
    off = owner.run("status", "my-tool", "--json", variables={"MY_TOOL_TELEMETRY": "off"})
    (tool,) = off.data["tools"]
    assert (tool["telemetry"], tool["decided_by"]["name"]) == ("off", "MY_TOOL_TELEMETRY")
    assert "Did you mean my-tool?" in owner.run("env", "--tool", "my-tol").stderr
    assert "MY_TOOL_TELEMETRY" not in owner.run("env").stdout


def test_the_variables_of_all_silence_a_program_too(owner: Machine) -> None:
    """Without a name it has none of its own: it heeds usagectl's."""
    variables = owner.run("env", "--json").data["variables"]
    (tool,) = owner.run("status", "my-tool", "--json", variables=variables).data["tools"]
    assert tool["telemetry"] == "off"


def test_explain_tells_what_a_program_says_of_itself(owner: Machine) -> None:
    """What it declares, where it sends to and what it heeds; in JSON under the usual keys."""
    shown = owner.run("explain", "my-tool").stdout
    for text in ("my_tool_built", BUILT.description, ENDPOINT, "MY_TOOL_TELEMETRY"):
        assert text in shown
    data = owner.run("explain", "my-tool", "--json").data
    assert (data["events"], data["not_covered"]) == (["my_tool_built"], [])
    assert data["tool"] == {
        "name": "my-tool",
        "version": "1.2.0",
        "endpoint": ENDPOINT,
        "program": "",
        "problem": "",
        "delivers": True,
        "members": [],
        **Terms()._asdict(),
        "opt_out": {"MY_TOOL_TELEMETRY": "off"},
    }
    assert "Did you mean my-tool?" in owner.run("explain", "my-tol").stderr


def test_an_event_stays_an_event(owner: Machine) -> None:
    """A program that bears an event's name takes nothing from the notice."""
    assert owner.run("explain", "session", "--json").data["name"] == "session"


def test_a_registration_that_cannot_be_understood_is_explained(owner: Machine) -> None:
    """What is wrong with it is said; without an endpoint it sends nothing."""
    (owner.state_dir / "tools" / "my-tool.json").write_text("[")
    shown = " ".join(owner.run("explain", "my-tool").stdout.split())
    assert "my-tool.json cannot be understood" in shown
    assert "it sends nothing by itself" in shown
