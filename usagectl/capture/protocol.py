"""Own the bounds of each connection to the capture endpoint; loaded once one is served.

uvicorn speaks HTTP with h11. What it leaves open is closed here: how many
connections there are, and how long one may take until its request has begun.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol  # noqa: TID253  (loaded on demand)

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_CONNECTIONS = 512
HEADER_SECONDS = 10.0
IDLE_SECONDS = 75


class Connections:
    """Know the connections of one server, those that are idle longest first."""

    def __init__(self, on_garbage: Callable[[], None]) -> None:
        self.on_garbage = on_garbage
        self.idle: OrderedDict[BoundedProtocol, None] = OrderedDict()
        self.count = 0

    def make_room(self) -> None:
        """End the connection that is idle longest, where there are too many."""
        if self.count > MOST_CONNECTIONS and self.idle:
            next(iter(self.idle)).end()


class BoundedProtocol(H11Protocol):
    """Be one connection; the one that is idle longest makes room for a new one."""

    of: ClassVar[Connections]
    _is_torn = False

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401
        """Begin: the request has to follow soon."""
        super().connection_made(transport)
        self.of.count += 1
        self.of.idle[self] = None
        self._limit = self.loop.call_later(HEADER_SECONDS, self.end)
        self.of.make_room()

    def data_received(self, data: bytes) -> None:
        """Take bytes in; with the head of a request the wait for it is over."""
        self.of.idle.pop(self, None)
        super().data_received(data)
        self._is_torn = self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])
        if self.conn.their_state is h11.IDLE:
            self.of.idle[self] = None
        else:
            self._limit.cancel()

    def send_400_response(self, msg: str) -> None:
        """Turn away what is no HTTP, or too large a head."""
        self.of.on_garbage()
        super().send_400_response(msg)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._limit.cancel()
        self.of.idle[self] = None
        self._limit = self.loop.call_later(IDLE_SECONDS, self.end)

    def connection_lost(self, exc: Exception | None) -> None:
        """End; half the head of a request is counted as what is turned away."""
        if self._is_torn:
            self.of.on_garbage()
        self.of.count -= 1
        self.of.idle.pop(self, None)
        self._limit.cancel()
        super().connection_lost(exc)

    def end(self) -> None:
        """Break the connection off."""
        self.of.idle.pop(self, None)
        if not self.transport.is_closing():
            self.transport.abort()


def bounded(on_garbage: Callable[[], None]) -> type[BoundedProtocol]:
    """Make the protocol of one server.

    Args:
        on_garbage: is called for each connection that speaks no HTTP, or too much of it.
    """
    return type("ServerProtocol", (BoundedProtocol,), {"of": Connections(on_garbage)})
