"""Connections to a recorder: what serves each, once it is known what its client speaks."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from usagectl.capture.http1 import HttpConnection, ServerState, build_config
from usagectl.capture.http2 import http2_protocol
from usagectl.capture.observations import Observation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from usagectl.capture.file import CaptureFile
    from usagectl.capture.forwarding import Forwarder
    from usagectl.capture.http1 import Application
    from usagectl.capture.server import CaptureApp

_QUIET_SECONDS = 0.03


class Destination(NamedTuple):
    """Where a connection was to go."""

    host: str  # The name as far as it is known, else the address.
    address: str
    port: int


class Protocols:
    """What serves a connection once it is known what the client speaks."""

    def __init__(self, app: CaptureApp, file: CaptureFile, forwarder: Forwarder | None) -> None:
        self._app = app
        self._file = file
        self._forwarder = forwarder
        self._state = ServerState()
        self._config = build_config(app, HttpConnection)
        self._config.load()
        self._serving: set[asyncio.Task[Any]] = set()

    def speak(
        self, to: Destination, transport: asyncio.BaseTransport, *, is_http2: bool
    ) -> asyncio.Protocol:
        """Build the protocol for a client that has connected."""
        tls = transport.get_extra_info("ssl_object")
        if is_http2 or (tls is not None and tls.selected_alpn_protocol() == "h2"):
            return http2_protocol(self._app_for(to, "h2"), self._state.connections)
        protocol = HttpConnection(self._config, self._state, {})
        protocol.app = self._app_for(to, "http/1.1")
        protocol.on_refusal = lambda refusal: self._observe(
            to, "h2" if refusal.reason == "http2" else "unknown"
        )
        protocol.on_unused = lambda: self._unused(to, is_tls=tls is not None)
        return protocol

    def _app_for(self, to: Destination, spoken: str) -> Application:
        """Return what serves the requests of one connection, which is noted with the first."""
        is_noted = False

        async def serve(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401  (of ASGI)
            nonlocal is_noted
            if self._forwarder and self._forwarder.is_forwarded(scope):
                await self._forwarder.forward(scope, receive, send)
                return
            if not is_noted:
                is_noted = True
                self._observe(to, spoken)
            await self._app.serve_destination(scope, receive, send, host=to.host, port=to.port)

        return self._noted(serve)

    def _noted(self, serve: Application) -> Application:
        """Note the tasks that serve: at the end of the capture they store what has come."""

        async def noting(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
            task = asyncio.current_task()
            assert task is not None  # noqa: S101  (for the type)
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
            await serve(scope, receive, send)

        return noting

    def _unused(self, to: Destination, *, is_tls: bool) -> None:
        """Note a client that left without a request: after a greeting, most often in distrust."""
        if is_tls:
            self._file.observe(Observation("tls-refused", *to, "closed after the greeting"))
        else:
            self._observe(to, "silent")

    def _observe(self, to: Destination, detail: str) -> None:
        if to.host:  # A client of a proxy names its host with each request.
            self._file.observe(Observation("connection", *to, detail))

    async def close(self) -> None:
        """Store what is under way, and close every connection."""
        await cancel(self._serving)
        for connection in [*self._state.connections]:
            connection.transport.abort()
        with suppress(TimeoutError):
            async with asyncio.timeout(_QUIET_SECONDS):
                while self._state.connections:  # noqa: ASYNC110  (uvicorn tells nobody)
                    await asyncio.sleep(0)


class Choice(asyncio.Protocol):
    """The protocol of a connection until it is made, and its greeting is over."""

    def __init__(self, protocols: Protocols, to: Destination, *, is_http2: bool) -> None:
        self._protocols = protocols
        self._to = to
        self._is_http2 = is_http2

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand the connection over to the protocol that the client speaks."""
        protocol = self._protocols.speak(self._to, transport, is_http2=self._is_http2)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)


async def cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks, and wait until they have ended."""
    ending = [*tasks]
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
