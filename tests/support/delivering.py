"""Deliveries for tests: numbered events, a replay of them, and where they are afterwards."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tests.support.machine import NOW
from tests.support.spooling import lay, make_record
from usagectl import settings, spool
from usagectl.delivery import replay
from usagectl.tools import instrumented
from usagectl.tools.instrumented import Registration

if TYPE_CHECKING:
    from tests.support.endpoint import Endpoint
    from tests.support.machine import Machine
    from usagectl.delivery.replay import ReplayResult

PATIENCE = timedelta(seconds=3)


def event(number: int) -> bytes:
    """Build an event that is told from its like by a number."""
    return b'{"name":"e","metadata":{},"payload":{"n":%d}}' % number


def put(machine: Machine, body: bytes, **labels: str) -> None:
    """Put one event into the spool."""
    lay(machine, make_record(body, **{"kind": "e", **labels}))


def register(machine: Machine, **endpoints: str) -> None:
    """Register tools with the endpoints that their authors declare."""
    for name, endpoint in endpoints.items():
        instrumented.register(machine.environment(), Registration(name, endpoint=endpoint))


def set_mode(machine: Machine, tool: str, mode: str) -> None:
    """Set a tool's mode."""
    values = {"mode": mode, "mode_since": NOW}
    settings.save(machine.environment(), values, tool=tool)  # type: ignore[arg-type]


def fill(machine: Machine, count: int, *, tool: str = "usagectl") -> list[bytes]:
    """Put numbered events into the spool, and return their bytes."""
    bodies = [event(number) for number in range(count)]
    lay(machine, *(make_record(body, tool=tool, kind="e") for body in bodies))
    return bodies


def send(machine: Machine, base: str, **options: object) -> ReplayResult:
    """Replay everything that waits to an address."""
    chosen = replay.Options(to=base, patience=PATIENCE, **options)  # type: ignore[arg-type]
    environment = machine.environment()
    with spool.open_spool(environment) as store:
        return replay.run(environment, chosen, base=base, store=store)


def states(machine: Machine) -> dict[str, list[bytes]]:
    """Return the events' bytes by state."""
    with spool.open_spool(machine.environment()) as store:
        return {state: [each.body for each in store.entries((state,))] for state in spool.STATES}


def numbers(there: Endpoint) -> list[int]:
    """List the numbers of the events that came, in their order."""
    found = [each for request in there.received for each in request.events]
    return [each["payload"]["n"] for each in found if each["name"] == "e"]
