"""Forwarding of what a proxy does not keep: tunnels, and single requests in clear."""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

import httpx  # noqa: TID253  (forwards what a proxy does not keep)

from usagectl.capture.observations import Observation
from usagectl.capture.recorder import ESTABLISHED

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable

    from usagectl.capture.server import Receive, Scope, Send

_REFUSED = b"HTTP/1.1 502 Bad Gateway\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_END = b"\r\n\r\n"
_CHUNK_BYTES = 64 * 1024
_CONNECT_SECONDS = 30.0
_FORWARD_SECONDS = 300.0
_PORT = 80
_HOP_BY_HOP = (
    *(b"connection", b"proxy-connection", b"proxy-authorization", b"keep-alive", b"upgrade"),
    *(b"te", b"trailer", b"transfer-encoding", b"proxy-authenticate"),
)
"""Headers between two neighbours alone (RFC 9110, 7.6.1)."""

_OF_BODIES = (b"content-length", b"transfer-encoding")


class Upstream(NamedTuple):
    """The proxy that the user goes through, as `HTTPS_PROXY` names it."""

    host: str
    port: int
    user: str = ""  # `name:password`

    @classmethod
    def from_url(cls, url: str) -> Upstream | None:
        """Read the URL of a proxy; None for one that is no HTTP proxy's."""
        parts = urlsplit(url if "://" in url else f"http://{url}")
        with suppress(ValueError):
            if parts.scheme == "http" and parts.hostname:
                user, _, _ = parts.netloc.rpartition("@")
                return cls(parts.hostname, parts.port or 80, unquote(user))
        return None

    @property
    def url(self) -> str:
        """Its URL, without the user."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def credentials(self) -> tuple[str, str] | None:
        """Name and password, as far as there are any."""
        name, _, password = self.user.partition(":")
        return (name, password) if self.user else None

    def request(self, host: str, port: int) -> bytes:
        """Build the request for a tunnel."""
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if self.user:
            coded = base64.b64encode(self.user.encode()).decode()
            lines.append(f"Proxy-Authorization: Basic {coded}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


class Forwarder:
    """Passes on what goes to hosts that `passes`, and notes each host."""

    def __init__(
        self,
        passes: Callable[[str], bool],
        on_observed: Callable[[Observation], None],
        *,
        upstream: Upstream | None = None,
    ) -> None:
        self.passes = passes
        self._on_observed = on_observed
        self._upstream = upstream
        proxy = httpx.Proxy(upstream.url, auth=upstream.credentials) if upstream else None
        self._client = httpx.AsyncClient(trust_env=False, proxy=proxy, timeout=_FORWARD_SECONDS)

    async def close(self) -> None:
        """Close the connections that are kept for further requests."""
        await self._client.aclose()

    def is_forwarded(self, scope: Scope) -> bool:
        """True if a request is to be passed on."""
        return self.passes(target_of(scope).host)

    async def forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request in clear on to the URL that is its target, and its answer back."""
        url = target_of(scope)
        self._note(url.host, url.port or _PORT)
        kept = [each for each in scope["headers"] if each[0] not in _HOP_BY_HOP]
        has_body = any(name in _OF_BODIES for name, _ in scope["headers"])
        content = _body(receive) if has_body else None
        request = httpx.Request(scope["method"], url, headers=kept, content=content)
        try:
            response = await self._client.send(request, stream=True)
        except httpx.HTTPError:
            await send({"type": "http.response.start", "status": 502, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        headers = [(n.lower(), v) for n, v in response.headers.raw if n.lower() not in _HOP_BY_HOP]
        start = {"status": response.status_code, "headers": headers}
        await send({"type": "http.response.start", **start})
        async for chunk in response.aiter_raw():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def _note(self, host: str, port: int) -> None:
        self._on_observed(Observation("connection", host, host, port, "passed on"))

    async def tunnel(self, client: socket.socket, host: str, port: int) -> None:
        """Pass all on that a client says, and back, until both have ended."""
        self._note(host, port)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                reader, writer = await self._connect(host, port)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            with suppress(OSError):
                await loop.sock_sendall(client, _REFUSED)
            client.close()
            return
        await loop.sock_sendall(client, ESTABLISHED)
        own_reader, own_writer = await asyncio.open_connection(sock=client)
        try:
            await asyncio.gather(_copy(own_reader, writer), _copy(reader, own_writer))
        finally:
            writer.close()
            own_writer.close()

    async def _connect(
        self, host: str, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._upstream is None:
            return await asyncio.open_connection(host, port)
        reader, writer = await asyncio.open_connection(self._upstream.host, self._upstream.port)
        writer.write(self._upstream.request(host, port))
        head = await reader.readuntil(_END)
        if head.split(b" ", 2)[1:2] != [b"200"]:
            writer.close()
            raise ConnectionRefusedError
        return reader, writer


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy to the end of one side, and end the other side's half too."""
    with suppress(OSError):
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


def target_of(scope: Scope) -> httpx.URL:
    """Return the URL that a request to a proxy is for; an empty one for any other request."""
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    with suppress(httpx.InvalidURL, UnicodeDecodeError):
        url = httpx.URL(target.decode("ascii"))
        if url.scheme == "http" and url.host:
            return url
    return httpx.URL("")


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    """Yield the body of a request as it comes."""
    while True:
        message = await receive()
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return
