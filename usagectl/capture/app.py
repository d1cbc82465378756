"""The capture endpoint as an ASGI application: whom it refuses, what it records, its answer.

The body is stored before the answer: real clients are killed half a second after they
began (facts, part 1).
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from usagectl.capture.records import Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from usagectl.capture.file import CaptureFile

    Scope = Mapping[str, Any]
    Receive = Callable[[], Awaitable[Mapping[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]

_GONE = "the client went away before its body was whole"
_ENDED = "the capture ended before its body was whole"
_NAMES_OF_HOST = frozenset(
    {"localhost", "host.docker.internal", "host.containers.internal", "gateway.docker.internal"}
)
# Not Sec-Fetch-Mode: the fetch that is built into Node sends it too.
_BROWSER_HEADERS = ("origin", "sec-fetch-site")


class Behaviour(NamedTuple):
    """Behaviour of the endpoint: its answer and its limits.

    Attributes:
        answer: `on` and `off`: `track_events` true or false; `error`: status 500; `hang`: no
            answer at all; `slow`: an answer after `slow_seconds`; `refuse`: nothing listens.
        slow_seconds: see `answer`.
        body_seconds: how long a client may take to send its body.
        max_body_bytes: the size of the largest body.
        max_waiting_bytes: the size of all bodies that are coming in at once.
        host: an address besides loopback that clients may use, empty without one.
    """

    answer: str = "on"
    slow_seconds: float = 2.0
    body_seconds: float = 30.0
    max_body_bytes: int = 8 * 1024 * 1024
    max_waiting_bytes: int = 64 * 1024 * 1024
    host: str = ""


class _BodyError(Exception):
    """The reason why a body was not taken, and the status that says so."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class CaptureApp:
    """ASGI application that records every request and answers as an analytics endpoint."""

    def __init__(self, file: CaptureFile, behaviour: Behaviour) -> None:
        self._file = file
        self._behaviour = behaviour
        self._waiting_bytes = 0
        self.open_requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        headers = _headers_of(scope)
        if not self._is_welcome(scope["method"], headers):
            self._file.refuse()
            await _answer(send, 403, {"error": "only programs on this machine may post here"})
            return
        self.open_requests += 1
        try:
            await self._serve(scope, headers, receive, send)
        finally:
            self.open_requests -= 1

    async def _serve(
        self, scope: Scope, headers: Mapping[str, str], receive: Receive, send: Send
    ) -> None:
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
        self._file.store(
            Request(
                method=scope["method"],
                path=_path_of(scope),
                query=scope["query_string"].decode("latin-1"),
                headers=headers,
                body=bytes(body),
                problem=problem,
            )
        )
        if problem in (_GONE, _ENDED):
            return
        if status != 200:  # noqa: PLR2004
            await _answer(send, status, {"error": problem}, closes=True)
        else:
            await self._reply(receive, send)

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

    async def _reply(self, receive: Receive, send: Send) -> None:
        answer = self._behaviour.answer
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

    def _is_welcome(self, method: str, headers: Mapping[str, str]) -> bool:
        """True for a program, false for a page in a browser: anyone on the web may write one."""
        if any(name in headers for name in _BROWSER_HEADERS):
            return False
        if "host" not in headers:  # HTTP/1.0: every browser names a host.
            return True
        host = headers["host"]
        # Asking for an image under another name than loopback's, a page does not say what it is.
        if method != "POST" and not is_own_host(host, names=("localhost",)):
            return False
        return is_own_host(host, self._behaviour.host)


def is_own_host(host: str, also: str = "", *, names: Collection[str] = _NAMES_OF_HOST) -> bool:
    """True if a Host header names this machine: loopback, or the address that was bound.

    A page whose name was made to resolve to this machine (DNS rebinding) names its own host.
    """
    if "@" in host or "\\" in host:
        return False
    try:
        parts = urlsplit(f"//{host}")
        name, _ = (parts.hostname or "").lower(), parts.port  # Reading the port checks it.
    except ValueError:
        return False
    if name in names or (also and name == also.lower()):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    # Bound to all addresses, any of them may be used; a page has a name.
    return address.is_loopback or also in ("0.0.0.0", "::")  # noqa: S104


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
