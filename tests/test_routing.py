"""Tests of where events go: each tool's to its own endpoint, under its own consent."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.endpoint import Endpoint, always, hang
from tests.support.machine import NOW
from tests.support.spooling import number, put, read
from usagectl import settings, spool
from usagectl.delivery import routing, sender
from usagectl.spool.lines import Selection
from usagectl.tools import registry
from usagectl.tools.registry import Registration

if TYPE_CHECKING:
    from tests.support.machine import Machine

HERE = "http://127.0.0.1:9/v1"
THERE = "https://example.org/v1"


def register(machine: Machine, **endpoints: str) -> None:
    """Register tools with the endpoints that their authors declare."""
    for name, endpoint in endpoints.items():
        registry.register(machine.environment(), Registration(name, endpoint=endpoint))


def allow(machine: Machine, tool: str, mode: str = "on") -> None:
    """Set a tool's mode."""
    values = {"mode": mode, "mode_since": NOW}
    settings.save(machine.environment(), values, tool=tool)  # type: ignore[arg-type]


def test_other_endpoints_are_left_out(machine: Machine) -> None:
    """A replay takes nobody's events to an address that is another's."""
    register(machine, one=THERE, two="")
    found = routing.find(machine.environment(), Selection(), to=None)
    assert found.left_out == ("one", "two")
    assert found.selection.without == ("one", "two")


def test_one_address_for_all_takes_all(machine: Machine) -> None:
    """Where ANALYTICS_API or --to names the address, everybody's events go there."""
    register(machine, one=THERE, two="")
    machine.variables["ANALYTICS_API"] = HERE
    assert routing.find(machine.environment(), Selection(), to=None).left_out == ()
    del machine.variables["ANALYTICS_API"]
    assert routing.find(machine.environment(), Selection(), to=THERE).left_out == ()


def test_who_is_off_is_left_out(machine: Machine) -> None:
    """An opt-out of one tool keeps its events from a replay of the others'."""
    register(machine, one=THERE)
    allow(machine, "one", "off")
    assert routing.find(machine.environment(), Selection(), to=THERE).left_out == ("one",)
    with pytest.raises(routing.TelemetryOffError, match="one's"):
        routing.find(machine.environment(), Selection(tools=("one",)), to=None)
    with pytest.raises(routing.TelemetryOffError, match="one's"):
        routing.find(machine.environment(), Selection(tools=("usagectl", "one")), to=THERE)
    # Nothing leaves the machine: always allowed.
    assert routing.find(machine.environment(), Selection(tools=("one",)), to=HERE).left_out == ()


def test_a_chosen_tool_has_its_own_address(machine: Machine) -> None:
    """`--tool` takes that tool's endpoint; without one, or with two, it is an error."""
    register(machine, one=THERE, two="", three=THERE)
    environment = machine.environment()
    assert routing.find(environment, Selection(tools=("one",)), to=None).base == THERE
    assert routing.find(environment, Selection(tools=("one", "three")), to=None).left_out == ()
    with pytest.raises(routing.EndpointMissingError, match="two"):
        routing.find(environment, Selection(tools=("two",)), to=None)
    with pytest.raises(routing.EndpointsDifferError, match="usagectl, one"):
        routing.find(environment, Selection(tools=("usagectl", "one")), to=None)


def test_replay_says_what_stays(machine: Machine) -> None:
    """The notice names whose events stay here, and the command that sends them."""
    register(machine, one=THERE)
    put(machine, number(1), tool="one")
    put(machine, number(2))
    done = machine.run("replay", "--dry-run", "--json")
    assert done.data["planned"] == 1
    assert "usagectl replay --tool one" in done.stderr
    with Endpoint() as endpoint:
        assert machine.run("replay", "--to", endpoint.base).status == 0
        bodies = b"".join(endpoint.bodies)
    assert number(1) in bodies
    assert number(2) in bodies
    assert read(machine)[:-1] == []


def test_each_tool_is_sent_to_its_own(machine: Machine) -> None:
    """The child delivers each tool's events to that tool's endpoint, under that tool's consent."""
    with Endpoint() as first, Endpoint() as second:
        register(machine, one=first.base, two=second.base, three=second.base)
        for tool in ("one", "two"):
            allow(machine, tool)
            put(machine, number(1 if tool == "one" else 2), tool=tool, consent=NOW.isoformat())
        put(machine, number(3), tool="three", consent=NOW.isoformat())
        put(machine, number(4), tool="two")
        put(machine, number(5))
        sender.send(machine.environment(), jitter=lambda: 0.5)
        assert first.bodies == [b'{"events":[' + number(1) + b"]}"]
        assert second.bodies == [b'{"events":[' + number(2) + b"]}"]
    assert sorted(read(machine)) == [number(3), number(4), number(5)]


def send_what_is_held(machine: Machine, **options: Any) -> list[bytes]:  # noqa: ANN401
    """Send while a program holds an event, which it lets go before the next turn; what arrived."""
    with Endpoint() as endpoint:
        register(machine, one=endpoint.base)
        allow(machine, "one")
        with spool.Writer(machine.environment()) as writer:
            writer.append(number(1), tool="one", kind="n", consent=NOW.isoformat())
            sender.send(machine.environment(), sleep=lambda _seconds: writer.release(), **options)
        return list(endpoint.bodies)


def test_what_a_program_still_holds_is_waited_for(machine: Machine) -> None:
    """A program that ends while its child is at work can start no other: that one goes on."""
    assert send_what_is_held(machine) == [b'{"events":[' + number(1) + b"]}"]
    assert read(machine) == []


def test_no_turn_begins_with_too_little_time(machine: Machine) -> None:
    """One that has no time to be answered would make a good endpoint look dead."""
    assert send_what_is_held(machine, patience=timedelta(seconds=2)) == []
    assert sender.read_pause(machine.environment(), "one") is None
    assert read(machine) == [number(1)]


def test_a_dead_endpoint_holds_up_its_own_tool_alone(machine: Machine) -> None:
    """A failure is remembered for that tool; the others go on, and take no part of its wait."""
    with Endpoint(hang) as dead, Endpoint() as alive:
        register(machine, one=dead.base, two=alive.base)
        for tool in ("one", "two"):
            allow(machine, tool)
            put(machine, number(1), tool=tool, consent=NOW.isoformat())
        sender.send(machine.environment(), patience=timedelta(seconds=6), jitter=lambda: 0.5)
        assert len(alive.bodies) == 1
    environment = machine.environment()
    found = sender.read_pause(environment, "one")
    assert found is not None
    assert found.since == NOW
    assert sender.read_pause(environment, "two") is None
    assert sender.read_pause(environment) is None
    codes = [
        warning["code"]
        for part in machine.run("status", "--json").data["tools"]
        if part["name"] == "one"
        for warning in part["warnings"]
    ]
    assert codes in (["sending-paused"], [])  # The pause is short, and the clock of a process goes.


def test_a_refusal_of_one_tool_stops_that_tool(machine: Machine) -> None:
    """`track_events: false` of one endpoint says nothing about another tool."""
    with Endpoint(always(200, b'{"track_events": false}')) as refusing, Endpoint() as other:
        register(machine, one=refusing.base, two=other.base)
        for tool in ("one", "two"):
            allow(machine, tool)
            for count in (1, 2):
                put(machine, number(count), tool=tool, consent=NOW.isoformat())
        sender.send(machine.environment(), jitter=lambda: 0.5)
    found = sender.read_pause(machine.environment(), "one")
    assert found is not None
    assert found.reason == "tracking-refused"
    assert sender.read_pause(machine.environment(), "two") is None


def test_disable_of_one_tool_purges_its_events_alone(machine: Machine) -> None:
    """What waits of another tool stays; `disable` of all removes all."""
    register(machine, one=THERE)
    put(machine, number(1), tool="one")
    put(machine, number(2))
    done = machine.run("disable", "one", "--json")
    assert done.status == 0
    assert number(2) in read(machine)
    assert number(1) not in read(machine)
    put(machine, number(3), tool="one")
    machine.run("disable", "--json", variables={"LOCALSTACK_DISABLE_EVENTS": "1"})
    assert read(machine) == []


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
