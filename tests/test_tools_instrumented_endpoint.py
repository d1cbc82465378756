"""Tests of consent that is bound to an endpoint: another one is asked for again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tests.support.commands import run_inside
from tests.support.delivering import event, numbers, put, register
from tests.support.endpoint import Endpoint
from tests.support.machine import NOW, codes
from usagectl import consent, settings
from usagectl.delivery import sender
from usagectl.emitting import permission
from usagectl.emitting.permission import Emitter

if TYPE_CHECKING:
    from tests.support.machine import Machine
    from usagectl.consent import Consent

FIRST, SECOND = "https://one.example/v1", "https://two.example/v1"


def verdict(machine: Machine, tool: str = "mytool") -> Consent:
    """Decide on a tool."""
    (found,) = consent.evaluate(machine.environment(), [tool])
    return found


def stored(machine: Machine, tool: str = "mytool") -> settings.ToolSettings:
    """Read the settings of a tool."""
    return settings.load(machine.environment()).of_tool(tool)


def test_another_endpoint_is_asked_for_again(machine: Machine) -> None:
    """A program that takes the name over is local, and status says so, until it is enabled."""
    environment = machine.environment()
    register(machine, mytool=FIRST)
    assert f"mytool sends to {FIRST}." in run_inside(environment, "enable", "mytool").stdout
    assert (verdict(machine).telemetry, codes(verdict(machine))) == ("on", [])
    for endpoint, telemetry in ((f"{FIRST}/", "on"), ("", "on"), (SECOND, "local")):
        permit = permission.permit(environment, Emitter("mytool", endpoint=endpoint))
        assert permit is not None
        assert (permit.verdict.telemetry, bool(permit.consent)) == (telemetry, telemetry == "on")
    assert codes(verdict(machine)) == ["endpoint-changed"]
    shown = run_inside(environment, "status").stdout
    assert f"mytool was enabled for {FIRST} and now names {SECOND}; nothing is sent" in shown
    assert "try: usagectl enable mytool" in shown
    assert run_inside(environment, "status", "--expect", "off").status == 1
    assert run_inside(environment, "enable", "mytool").status == 0
    assert (verdict(machine).telemetry, stored(machine).mode_endpoint) == ("on", SECOND)
    permit = permission.permit(environment, Emitter("mytool", endpoint=FIRST))
    assert permit is not None
    assert permit.verdict.telemetry == "local"


def test_what_waited_under_the_old_consent_reaches_no_other_endpoint(machine: Machine) -> None:
    """Neither before the second consent nor after it."""
    later = machine.environment(now=lambda: NOW + timedelta(minutes=1))
    with Endpoint() as first, Endpoint() as second:
        register(machine, mytool=first.base)
        run_inside(machine.environment(), "enable", "mytool")
        put(machine, event(1), tool="mytool", consent=consent_of(machine))
        register(machine, mytool=second.base)
        sender.send(later)
        run_inside(later, "enable", "mytool")
        sender.send(later)
        assert (numbers(first), numbers(second)) == ([], [])
        put(machine, event(2), tool="mytool", consent=consent_of(machine))
        sender.send(later)
        assert (numbers(first), numbers(second)) == ([], [2])


def consent_of(machine: Machine) -> str:
    """Name the consent under which the tool's events may leave."""
    return consent.sending_consent(machine.environment(), verdict(machine))


def test_which_consent_is_bound(machine: Machine) -> None:
    """That of `enable` and of `settings set`; none by hand, or to an address of one's own."""
    register(machine, mytool=FIRST)
    run_inside(machine.environment(), "settings", "set", "tools.mytool.mode", "on")
    assert stored(machine).mode_endpoint == FIRST
    register(machine, mytool=SECOND)
    assert verdict(machine).telemetry == "local"
    for name, own in (("ANALYTICS_API", "http://127.0.0.1:9/v1"), ("MYTOOL_TELEMETRY", "on")):
        machine.variables = {name: own}
        assert (verdict(machine).telemetry, codes(verdict(machine))) == ("on", [])
    machine.variables = {}
    run_inside(machine.environment(), "settings", "set", "tools.mytool.endpoint", FIRST)
    assert verdict(machine).telemetry == "on"
    run_inside(machine.environment(), "settings", "unset", "tools.mytool.endpoint")
    for mode in ("local", "off"):
        run_inside(machine.environment(), "settings", "set", "tools.mytool.mode", mode)
        assert (stored(machine).mode_endpoint, codes(verdict(machine))) == (None, [])
    settings.save(machine.environment(), {"mode": "on"}, tool="mytool")
    assert verdict(machine).telemetry == "on"
    run_inside(machine.environment(), "enable", "usagectl")
    assert verdict(machine, "usagectl").telemetry == "on"
    settings.save(machine.environment(), {"mode_endpoint": FIRST})
    assert verdict(machine, "usagectl").telemetry == "local"
    assert codes(verdict(machine, "usagectl")) == ["endpoint-changed"]
