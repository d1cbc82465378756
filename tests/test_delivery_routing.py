"""Tests of where events go: each tool's to its own endpoint, under its own consent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.delivering import event, numbers, put, register, set_mode, states
from tests.support.endpoint import Endpoint
from usagectl.delivery import routing
from usagectl.spool import Selection

if TYPE_CHECKING:
    from tests.support.machine import Machine

HERE = "http://127.0.0.1:9/v1"
THERE = "https://example.org/v1"


def test_other_endpoints_are_left_out(machine: Machine) -> None:
    """A replay takes nobody's events to an address that is another's."""
    register(machine, one=THERE, two="")
    found = routing.find(machine.environment(), Selection(), to=None)
    assert found.selection.without == ("one", "two")
    assert found.selection.without == ("one", "two")


def test_one_address_for_all_takes_all(machine: Machine) -> None:
    """Where ANALYTICS_API or --to names the address, everybody's events go there."""
    register(machine, one=THERE, two="")
    machine.variables["ANALYTICS_API"] = HERE
    assert routing.find(machine.environment(), Selection(), to=None).selection.without == ()
    del machine.variables["ANALYTICS_API"]
    assert routing.find(machine.environment(), Selection(), to=THERE).selection.without == ()


def test_who_is_off_is_left_out(machine: Machine) -> None:
    """An opt-out of one tool keeps its events from a replay of the others'."""
    register(machine, one=THERE)
    set_mode(machine, "one", "off")
    assert routing.find(machine.environment(), Selection(), to=THERE).selection.without == ("one",)
    with pytest.raises(routing.TelemetryOffError, match="one's"):
        routing.find(machine.environment(), Selection(tools=("one",)), to=None)
    with pytest.raises(routing.TelemetryOffError, match="one's"):
        routing.find(machine.environment(), Selection(tools=("usagectl", "one")), to=THERE)
    # Nothing leaves the machine: always allowed.
    assert (
        routing.find(machine.environment(), Selection(tools=("one",)), to=HERE).selection.without
        == ()
    )


def test_a_chosen_tool_has_its_own_address(machine: Machine) -> None:
    """`--tool` takes that tool's endpoint; without one, or with two, it is an error."""
    register(machine, one=THERE, two="", three=THERE)
    environment = machine.environment()
    assert routing.find(environment, Selection(tools=("one",)), to=None).base == THERE
    assert (
        routing.find(environment, Selection(tools=("one", "three")), to=None).selection.without
        == ()
    )
    with pytest.raises(routing.EndpointMissingError, match="two"):
        routing.find(environment, Selection(tools=("two",)), to=None)
    with pytest.raises(routing.EndpointsDifferError, match="usagectl, one"):
        routing.find(environment, Selection(tools=("usagectl", "one")), to=None)


def test_replay_says_what_stays(machine: Machine) -> None:
    """The notice names whose events stay here, and the command that sends them."""
    register(machine, one=THERE)
    put(machine, event(1), tool="one")
    put(machine, event(2))
    done = machine.run("replay", "--dry-run", "--json")
    assert done.data["planned"] == 1
    assert "usagectl replay --tool one" in done.stderr
    with Endpoint() as endpoint:
        assert machine.run("replay", "--to", endpoint.base).status == 0
    assert numbers(endpoint) == [1, 2]


def test_disable_of_one_tool_purges_its_events_alone(machine: Machine) -> None:
    """What waits of another tool stays; `disable` of all removes all."""
    register(machine, one=THERE)
    put(machine, event(1), tool="one")
    put(machine, event(2))
    done = machine.run("disable", "one", "--json")
    assert done.status == 0
    assert event(2) in states(machine)["pending"]
    assert event(1) not in states(machine)["pending"]
    put(machine, event(3), tool="one")
    machine.run("disable", "--json", variables={"LOCALSTACK_DISABLE_EVENTS": "1"})
    assert states(machine)["pending"] == []


def test_enable_by_name_switches_sending_of_that_tool_on(machine: Machine) -> None:
    """`enable mytool` is consent to send that tool's events, and says where that stands."""
    register(machine, one=THERE)
    done = machine.run("enable", "one", "--json")
    assert done.status == 0, done.stdout
    (change,) = done.data["changes"]
    assert (change["name"], change["value"]) == ("tools.one.mode", "on")
    parts = {part["name"]: part for part in machine.run("status", "--json").data["tools"]}
    assert parts["one"]["telemetry"] == "on"
    assert parts["usagectl"]["telemetry"] == "local"
    machine.run("disable", "usagectl")
    again = machine.run("enable", "one", "--json")
    assert again.status == 1
    assert "telemetry.mode" in json.dumps(again.envelope["errors"])


def test_a_tools_settings_are_shown_and_set(machine: Machine) -> None:
    """`settings` lists mode and endpoint of each tool, and sets them in a table of its own."""
    register(machine, one=THERE)
    done = machine.run("settings", "set", "tools.one.endpoint", "https://example.net/v1")
    assert done.status == 0, done.stderr
    assert machine.run("settings", "set", "tools.one.mode", "on").status == 0
    rows = {row["name"]: row for row in machine.run("settings", "--json").data["settings"]}
    assert rows["tools.one.mode"]["value"] == "on"
    assert rows["tools.one.endpoint"]["value"] == "https://example.net/v1"
    assert machine.run("settings", "unset", "tools.one.endpoint").status == 0
    rows = {row["name"]: row for row in machine.run("settings", "--json").data["settings"]}
    assert (rows["tools.one.endpoint"]["value"], rows["tools.one.endpoint"]["source"]) == (
        THERE,
        "default",
    )
    for name in ("tools.lstk.mode", "tools.one.since", "tools.One.mode", "tools.one"):
        assert machine.run("settings", "set", name, "on").status == 2
