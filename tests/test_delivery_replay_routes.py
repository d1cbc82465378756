"""Tests of where events go: each tool's to its own endpoint, under its own consent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support.delivering import event, put, register, set_mode, states
from usagectl.delivery import replay
from usagectl.errors import UsagectlError
from usagectl.spool import Selection

if TYPE_CHECKING:
    from tests.support.machine import Machine

HERE = "http://127.0.0.1:9/v1"
THERE = "https://example.org/v1"
OURS = "https://analytics.localstack.cloud/v1"


def test_whose_events_go_along(machine: Machine) -> None:
    """Each tool's go to its own address, or all to one that is named, unless that tool is off."""
    register(machine, one=THERE, two="", three=THERE, off=THERE)
    set_mode(machine, "off", "off")
    table: list[tuple[tuple[str, ...], str | None, str | None, tuple[object, ...]]] = [
        # The tools that were chosen, --to, ANALYTICS_API; who is left out, or the error.
        ((), None, None, ("off", "one", "three", "two")),
        ((), None, HERE, ("off",)),
        ((), THERE, None, ("off",)),
        ((), HERE, None, ()),  # Nothing leaves the machine: always allowed.
        (("off",), HERE, None, ()),
        (("off",), None, None, ("telemetry-off", True)),
        (("usagectl", "off"), THERE, None, ("telemetry-off", True)),
        (("one", "three"), None, None, ()),
        (("usagectl", "one"), None, None, ("endpoints-differ", True)),
        (("two",), None, None, ("endpoint-missing", True)),
    ]
    found: list[object] = []
    for tools, to, address, _ in table:
        machine.variables = {"ANALYTICS_API": address} if address else {}
        try:
            route = replay.find_route(machine.environment(), Selection(tools=tools), to=to)
            found.append(route.selection.without)
            assert route.base == (to or address or (THERE if tools else OURS))
        except UsagectlError as error:
            found.append((error.code, tools[-1] in error.message))
    assert found == [expected for *_, expected in table]


def test_disable_of_all_purges_what_waits_of_anybody(machine: Machine) -> None:
    """Nothing that would still be sent lies here, not even of a tool that is not registered."""
    register(machine, one=THERE)
    for tool in ("usagectl", "one", "stranger"):
        put(machine, event(1), tool=tool)
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
