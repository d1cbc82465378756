"""HTTP/2 by the library h2, where that is installed; a recorder offers it only then."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from http import HTTPStatus
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from usagectl.capture.http1 import Application

PROTOCOLS = ("h2", "http/1.1") if find_spec("h2") else ("http/1.1",)
"""What is offered in a TLS greeting."""

_MOST_WINDOW_BYTES = 1024 * 1024
_EMPTY_MESSAGE = bytes(5)  # Of gRPC: not compressed, of no length.


def http2_protocol(app: Application, connections: set[Any]) -> asyncio.Protocol:
    """Build the protocol of one connection, whose requests `app` serves.

    It is one of the `connections` as long as it is open, and has a `transport`.
    """
    return _Http2(app, connections)


class _Stream:
    """One request: what comes is put into a queue, as ASGI hands it on."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def put(self, body: bytes, *, more: bool) -> None:
        self.messages.put_nowait({"type": "http.request", "body": body, "more_body": more})

    def end(self) -> None:
        self.messages.put_nowait({"type": "http.disconnect"})


class _Http2(asyncio.Protocol):
    def __init__(self, app: Application, connections: set[Any]) -> None:
        from h2.config import H2Configuration
        from h2.connection import H2Connection

        self._app = app
        self._connections = connections
        self._streams: dict[int, _Stream] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._connection = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  (for the type)
        self.transport = transport
        self._connections.add(self)
        self._connection.initiate_connection()
        self._connection.increment_flow_control_window(_MOST_WINDOW_BYTES)
        self._flush()

    def data_received(self, data: bytes) -> None:
        from h2.exceptions import ProtocolError

        try:
            events = self._connection.receive_data(data)
        except ProtocolError:
            self._flush()
            self.transport.close()
            return
        for event in events:
            self._take(event)
        self._flush()

    def _take(self, event: Any) -> None:  # noqa: ANN401  (h2 has no base class of its events)
        kind = type(event).__name__
        if kind == "RequestReceived":
            self._begin(event)
        if kind == "DataReceived":  # For a request that was answered too.
            self._connection.acknowledge_received_data(
                event.flow_controlled_length, event.stream_id
            )
        stream = self._streams.get(getattr(event, "stream_id", 0))
        if stream is None:
            return
        if kind == "DataReceived":
            stream.put(event.data, more=True)
        elif kind == "StreamEnded":
            stream.put(b"", more=False)
        elif kind == "StreamReset":
            stream.end()

    def _begin(self, event: Any) -> None:  # noqa: ANN401
        """Begin to serve a request (RFC 9113, 8.3: its pseudo-headers are its target)."""
        stream = self._streams[event.stream_id] = _Stream()
        pseudo = {name: value for name, value in event.headers if name.startswith(b":")}
        headers = [each for each in event.headers if not each[0].startswith(b":")]
        if b":authority" in pseudo:
            headers.append((b"host", pseudo[b":authority"]))
        path, _, query = pseudo.get(b":path", b"/").partition(b"?")
        scope = {
            "type": "http",
            "method": pseudo.get(b":method", b"").decode("latin-1"),
            "scheme": "https" if self.transport.get_extra_info("ssl_object") else "http",
            "path": path.decode("latin-1"),
            "raw_path": path,
            "query_string": query,
            "headers": headers,
        }
        task = asyncio.ensure_future(self._serve(event.stream_id, stream, scope))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, number: int, stream: _Stream, scope: dict[str, Any]) -> None:
        from h2.exceptions import H2Error

        kind = dict(scope["headers"]).get(b"content-type", b"")
        is_grpc = kind.partition(b";")[0].partition(b"+")[0] == b"application/grpc"
        is_answered = False

        async def send(message: dict[str, Any]) -> None:
            nonlocal is_answered
            if message.get("status") == HTTPStatus.OK and is_grpc:
                is_answered = True
                self._answer_grpc(number, kind)
            elif message["type"] == "http.response.start":
                headers = [(name, value) for name, value in message["headers"]]
                status = (b":status", str(message["status"]).encode())
                kept = [each for each in headers if each[0] != b"connection"]
                self._connection.send_headers(number, [status, *kept])
            elif not is_answered:  # Each answer is smaller than the smallest window.
                body = b"" if scope["method"] == "HEAD" else message["body"]
                self._connection.send_data(number, body, end_stream=True)
            self._flush()

        with suppress(H2Error):  # The client has taken the request back.
            await self._app(scope, stream.messages.get, send)
        self._streams.pop(number, None)

    def _answer_grpc(self, number: int, kind: bytes) -> None:
        """Answer a call with an empty message and its status as a trailer: JSON would be none."""
        self._connection.send_headers(number, [(b":status", b"200"), (b"content-type", kind)])
        self._connection.send_data(number, _EMPTY_MESSAGE)
        self._connection.send_headers(number, [(b"grpc-status", b"0")], end_stream=True)

    def _flush(self) -> None:
        self.transport.write(self._connection.data_to_send())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (of the interface)
        self._connections.discard(self)
        for stream in self._streams.values():
            stream.end()
