"""HTTP/1.1 by uvicorn, with a report of what it turns away itself."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from usagectl.capture import refusals
from usagectl.errors import LibraryMissingError

try:
    import h11
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol
    from uvicorn.server import ServerState
except ModuleNotFoundError as error:
    raise LibraryMissingError("uvicorn") from error

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from uvicorn.protocols.http.h11_impl import RequestResponseCycle

    from usagectl.capture.refusals import Refusal

    Application = Callable[[Any, Any, Any], Awaitable[None]]

__all__ = ["HttpConnection", "ServerState", "build_config", "build_server"]

_MAX_HEADER_BYTES = 64 * 1024
_IDLE_SECONDS = 75


def build_config(app: Application, protocol: type[asyncio.Protocol]) -> uvicorn.Config:
    """Build what uvicorn goes by: no log, no header of its own, bounded heads."""
    return uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level=logging.CRITICAL + 1,  # stderr is the command's, and the answer's
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=_MAX_HEADER_BYTES,
    )


def build_server(app: Application, on_refusal: Callable[[Refusal], None]) -> uvicorn.Server:
    """Build uvicorn's server, with a report of what it turns away itself."""
    return uvicorn.Server(build_config(app, counting_protocol(on_refusal)))


def counting_protocol(on_refusal: Callable[[Refusal], None]) -> type[HttpConnection]:
    """Build the protocol of a server that reports what it turns away."""
    return type("CountingProtocol", (HttpConnection,), {"on_refusal": staticmethod(on_refusal)})


class HttpConnection(H11Protocol):
    """A connection that reports once what is not HTTP, half the head of a request, or neither."""

    on_refusal: Callable[[Refusal], None] = staticmethod(lambda _refusal: None)
    on_unused: Callable[[], None] = staticmethod(lambda: None)  # At its end, without a byte.

    _begun = b""
    _is_refused = False

    def data_received(self, data: bytes) -> None:
        """Take bytes in."""
        is_idle = self.conn.their_state is h11.IDLE
        self._begun = (self._begun + data)[:_MAX_HEADER_BYTES] if is_idle else b""
        if self._begun.startswith(refusals.HTTP2):  # To h11 it begins with a request.
            self._refuse()
            self.transport.close()
        else:
            super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            self._refuse()  # Else a request is under way, and is recorded as broken.
        super().send_400_response(msg)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end of it."""
        cycle: RequestResponseCycle | None = self.cycle
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._refuse(is_ended=True)
        elif cycle is None and not self._is_refused:
            self.on_unused()
        super().connection_lost(exc)

    def _refuse(self, *, is_ended: bool = False) -> None:
        if not self._is_refused:
            self._is_refused = True
            self.on_refusal(refusals.of_bytes(self._begun, is_ended=is_ended))
