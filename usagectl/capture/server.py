"""The capture endpoint: whom it refuses, what it records, its answer, and its server.

A thread serves it with uvicorn, on loopback unless another address is asked for. The body
is stored before the answer: real clients are killed half a second after they began (facts,
part 1). The number of connections is bounded by the system alone: whoever was turned away
for it could not be recorded, and the silence of the rest would prove nothing.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import unquote, urlsplit

from usagectl.capture import refusals
from usagectl.capture.records import Request
from usagectl.errors import UsagectlError
from usagectl.machine.files import reason_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from usagectl.capture.file import CaptureFile

    Scope = Mapping[str, Any]
    Receive = Callable[[], Awaitable[Mapping[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]
    IsMeant = Callable[[str, str], bool]  # By host and path.

LOOPBACK = "127.0.0.1"

_BACKLOG = 1024

_GONE = "the client went away before its body was whole"
_ENDED = "the capture ended before its body was whole"


def every_host(_host: str, _path: str) -> bool:
    """Say that a request gets the answer of a `Behaviour`, whatever it was for."""
    return True


class Behaviour(NamedTuple):
    """Behaviour of the endpoint: its answer and its limits."""

    # `on` and `off`: `track_events` true or false; `error`: status 500; `hang`: no answer at all;
    # `slow`: an answer after `slow_seconds`; `refuse`: nothing listens.
    answer: str = "on"
    is_meant: IsMeant = every_host  # Whether a request gets that answer; any other gets `on`.
    slow_seconds: float = 2.0
    body_seconds: float = 30.0  # How long a client may take to send its body.
    max_body_bytes: int = 8 * 1024 * 1024
    max_waiting_bytes: int = 64 * 1024 * 1024  # Of all bodies that are coming in at once.


class _BodyError(Exception):
    """The reason why a body was not taken, and the status that says so."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class CaptureApp:
    """ASGI application that records every request and answers as an analytics endpoint."""

    def __init__(
        self, file: CaptureFile, behaviour: Behaviour, *, host: str, secret: str = ""
    ) -> None:
        self._file = file
        self._behaviour = behaviour
        self._host = host
        self._secret = f"/{secret}" if secret else ""
        self._waiting_bytes = 0
        self.open_requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request of a program that was led to this endpoint."""
        if scope["type"] != "http":
            return
        refusal = refusals.of_request(
            scope["method"], _path_of(scope), _headers_of(scope), own_host=self._host
        )
        if refusal is not None:
            self._file.refuse(refusal)
            await _answer(send, 403, {"error": "only programs on this machine may post here"})
            return
        path = _path_of(scope)
        await self.serve(
            Request(
                method=scope["method"],
                path=path.replace(self._secret, "", 1) or "/",
                query=scope["query_string"].decode("latin-1"),
                headers=_headers_of(scope),
                body=b"",
                is_foreign=self._secret not in path,
            ),
            receive,
            send,
        )

    async def serve_destination(
        self, scope: Scope, receive: Receive, send: Send, *, host: str, port: int
    ) -> None:
        """Serve one request that was to go to another machine; its `Host` header may lie."""
        path, headers = _path_of(scope), _headers_of(scope)
        if "://" in path:  # To a proxy, the target is a whole URL (RFC 9112, 3.2.2).
            authority, _, below = path.partition("://")[2].partition("/")
            host, port = split_authority(authority, port)
            path = f"/{below}"
        request = Request(
            method=scope["method"],
            path=path,
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
            body=b"",
            host=host,
            port=port,
            scheme=scope["scheme"],
        )
        await self.serve(request, receive, send)

    async def serve(self, request: Request, receive: Receive, send: Send) -> None:
        """Record a request with its body, and answer."""
        self.open_requests += 1
        try:
            await self._serve(request, receive, send)
        finally:
            self.open_requests -= 1

    async def _serve(self, request: Request, receive: Receive, send: Send) -> None:
        body = bytearray()
        problem, status = "", 200
        try:
            async with asyncio.timeout(self._behaviour.body_seconds):
                await self._read(receive, body)
        except _BodyError as error:
            problem, status = str(error), error.status
        except TimeoutError:
            problem, status = "its body took too long", 408
        except asyncio.CancelledError:
            problem = _ENDED
        finally:
            self._waiting_bytes -= len(body)
        self._file.store(request._replace(body=bytes(body), problem=problem))
        if problem in (_GONE, _ENDED):
            return
        if status != 200:  # noqa: PLR2004
            await _answer(send, status, {"error": problem}, closes=True)
        else:
            await self._reply(request, receive, send)

    async def _read(self, receive: Receive, body: bytearray) -> None:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _BodyError(400, _GONE)
            chunk = message.get("body", b"")
            body += chunk
            self._waiting_bytes += len(chunk)
            if len(body) > self._behaviour.max_body_bytes:
                raise _BodyError(413, f"larger than {self._behaviour.max_body_bytes} bytes")
            if self._waiting_bytes > self._behaviour.max_waiting_bytes:
                raise _BodyError(503, "too many bodies at once")
            if not message.get("more_body", False):
                return

    async def _reply(self, request: Request, receive: Receive, send: Send) -> None:
        is_meant = self._behaviour.is_meant(request.host, request.path)
        answer = self._behaviour.answer if is_meant else "on"
        if answer == "hang":
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        if answer == "slow":
            await asyncio.sleep(self._behaviour.slow_seconds)
        if answer == "error":
            await _answer(send, 500, {"error": "as asked for with --answer error"})
        else:
            await _answer(send, 200, {"track_events": answer != "off"})


def split_authority(authority: str, port: int) -> tuple[str, int]:
    """Split `host:port`, where the port may be missing; both as far as they can be read."""
    try:
        parts = urlsplit(f"//{authority.rpartition('@')[2]}")
        host, given = parts.hostname or "", parts.port
    except ValueError:
        return authority, port
    return host, given or port


def _headers_of(scope: Scope) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def _path_of(scope: Scope) -> str:
    raw = scope.get("raw_path")
    path = raw.decode("latin-1") if raw else scope["path"]
    return path if unquote(path).isprintable() else ascii(path)[1:-1]


async def _answer(
    send: Send, status: int, document: Mapping[str, object], *, closes: bool = False
) -> None:
    body = json.dumps(document).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *([(b"connection", b"close")] if closes else []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class AddressUnavailableError(UsagectlError):
    """The capture endpoint cannot listen where it should."""

    code = "address-unavailable"
    exit_status = 3

    def __init__(self, address: str, port: int, *, reason: str, is_taken: bool = False) -> None:
        where = f"{address}, port {port}" if port else address
        super().__init__(
            f"Nothing can listen on {where}: {reason}.",
            hint="usagectl capture --port 0" if is_taken else "usagectl capture --bind 127.0.0.1",
        )


class CaptureServer:
    """A capture endpoint that is served in a thread, from `with` to its end.

    It closes the capture file. Port 0 takes a free one. Requests without the `secret` as a step
    of their path are recorded as foreign.

    Raises:
        AddressUnavailableError: nothing can listen there.
    """

    def __init__(
        self,
        file: CaptureFile,
        *,
        behaviour: Behaviour = Behaviour(),  # noqa: B008  (a frozen value)
        address: str = LOOPBACK,
        port: int = 0,
        secret: str = "",
    ) -> None:
        from usagectl.capture.http1 import build_server

        self._file = file
        self._behaviour = behaviour
        self.secret = secret
        self._app = CaptureApp(file, behaviour, host=address, secret=secret)
        # Two sockets that may use it again share a port as long as none of them listens.
        self._socket = bind(address, port, again=behaviour.answer != "refuse")
        self._server = build_server(self._app, file.refuse)
        self._thread = threading.Thread(target=self._serve, name="usagectl-capture", daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._socket.getsockname()[1])

    @property
    def is_busy(self) -> bool:
        """True while a request is under way."""
        return self._app.open_requests > 0

    def __enter__(self) -> Self:
        """Begin to serve; return once a client can connect."""
        if self._behaviour.answer != "refuse":  # Bound all the same: nobody else takes the port.
            self._socket.listen(_BACKLOG)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop serving."""
        self.stop()

    def stop(self) -> None:
        """Stop serving, and store each request whose body has come; stopping twice is fine."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        self._socket.close()
        self._file.close()

    @property
    def is_stopped(self) -> bool:
        """True once it has stopped serving."""
        return self._socket.fileno() < 0

    @contextmanager
    def stop_and_keep(self) -> Iterator[int]:
        """Stop serving, and keep the port by the descriptor that is given, up to the end."""
        kept = os.dup(self._socket.fileno())
        try:
            self.stop()
            yield kept
        finally:
            os.close(kept)

    def _serve(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))


def bind(address: str, port: int, *, again: bool = True) -> socket.socket:
    """Make a socket that is bound to an address, and does not listen yet.

    Raises:
        AddressUnavailableError: nothing can listen there.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        made = socket.socket(family, socket.SOCK_STREAM)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(again))
            made.bind((address, port))
        except OSError:
            made.close()
            raise
    except OSError as error:
        is_taken = error.errno == errno.EADDRINUSE
        reason = "another program listens there" if is_taken else reason_of(error)
        raise AddressUnavailableError(address, port, reason=reason, is_taken=is_taken) from error
    return made


def can_bind(address: str) -> bool:
    """True if an address is one of this machine's."""
    try:
        bind(address, 0).close()
    except AddressUnavailableError:
        return False
    return True
