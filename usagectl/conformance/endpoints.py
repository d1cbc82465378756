"""Own what a run sends to: a wire, and the capture behind it, where something answers."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, NamedTuple

from usagectl import capture
from usagectl.capture import children
from usagectl.conformance.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from usagectl.machine.environment import Environment

Answer = Literal["on", "error", "hang", "drip", "drop", "refuse"]
_MOST_LINES = 10


class Traffic(NamedTuple):
    """Hold what reached the endpoint.

    Attributes:
        captured: what the capture made of it, with nothing masked.
        connections: how many were made, those that said nothing too.
        requests: how many were recorded.
        refused: how many were none, such as a handshake of TLS.
        heard: the bytes of each connection.
    """

    captured: tuple[capture.Captured, ...]
    connections: int
    requests: int
    refused: int
    heard: tuple[bytes, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """List what arrived, for a person."""
        found = [
            f"{each.method} {each.path.partition('?')[0]} {each.name}" for each in self.captured
        ]
        silent = self.connections - self.requests
        if silent > 0:
            found.append(f"{silent} more connections than requests")
        if len(found) > _MOST_LINES:
            found[_MOST_LINES:] = [f"and {len(found) - _MOST_LINES} more"]
        return tuple(found)


class Endpoint:
    """Be what a step sends to; without a capture behind the wire nothing answers."""

    def __init__(self, wire: Wire, session: capture.Capture | None) -> None:
        self.port = wire.port
        self._wire = wire
        self._session = session

    def finish(self, *, blind: bool, seconds: float) -> Traffic:
        """Wait for what is under way, and tell what came."""
        wire, session = self._wire, self._session
        if session is None:
            return Traffic((), 0, 0, 0, ())
        if blind:  # Where orphans cannot be adopted, they are known by their mark, or by silence.
            children.wait_for_late(
                children.Address(wire.port),
                lambda: False,
                lambda: sum(map(len, wire.heard)),
                seconds=seconds,
            )
        wire.settle()
        session.finish()
        captured = tuple(capture.load(session.file))
        sums = session.sums
        return Traffic(captured, wire.connections, sums.requests, sums.refused, wire.heard)


@contextmanager
def opened(environment: Environment, answer: Answer) -> Iterator[Endpoint]:
    """Open an endpoint that behaves in one way.

    Raises:
        AddressUnavailableError: nothing can listen on loopback.
        FileUnwritableError: no temporary file can be made.
    """
    if answer in ("refuse", "drop"):
        with Wire(drops=answer == "drop") as wire:
            yield Endpoint(wire, None)
        return
    options = capture.Options(answer="on" if answer == "drip" else answer, reveal=True)
    with (
        capture.opened(environment, options) as session,
        Wire(session.address.port, drips=answer == "drip") as wire,
    ):
        yield Endpoint(wire, session)
