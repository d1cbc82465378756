"""Forwarding of what a proxy does not keep: tunnels, and single requests in clear."""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from usagectl.capture.observations import Observation
from usagectl.capture.server import split_authority

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_REFUSED = b"HTTP/1.1 502 Bad Gateway\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_END = b"\r\n\r\n"
_MOST_HEAD_BYTES = 64 * 1024
_CHUNK_BYTES = 64 * 1024
_CONNECT_SECONDS = 30.0
_STEP_SECONDS = 0.01
_HOP_BY_HOP = (b"connection", b"proxy-connection", b"proxy-authorization", b"keep-alive")


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

    def request(self, host: str, port: int) -> bytes:
        """Build the request for a tunnel."""
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if self.user:
            coded = base64.b64encode(self.user.encode()).decode()
            lines.append(f"Proxy-Authorization: Basic {coded}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


class Forwarder:
    """Passes on what goes to hosts that `passes`, byte by byte, and notes each host."""

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

    async def forwards(self, client: socket.socket) -> bool:
        """True if a client begins a request that a proxy is to pass on; it is left there."""
        return self.passes(_target(await _peek_head(client))[0])

    async def forward(self, client: socket.socket) -> None:
        """Pass one request in clear on, and its answer back; the next one asks anew."""
        head = await read_head(asyncio.get_running_loop(), client)
        host, port = _target(head)
        await self._relay(client, host, port, first=_for_origin(head))

    async def tunnel(self, client: socket.socket, host: str, port: int) -> None:
        """Pass all on that a client says, and back, until both have ended."""
        await self._relay(client, host, port, answer=ESTABLISHED)

    async def _relay(
        self,
        client: socket.socket,
        host: str,
        port: int,
        *,
        first: bytes = b"",
        answer: bytes = b"",
    ) -> None:
        self._on_observed(Observation("connection", host, host, port, "passed on"))
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                reader, writer = await self._connect(host, port)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            with suppress(OSError):
                await loop.sock_sendall(client, _REFUSED)
            client.close()
            return
        await loop.sock_sendall(client, answer)
        own_reader, own_writer = await asyncio.open_connection(sock=client)
        writer.write(first)
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


async def read_head(loop: asyncio.AbstractEventLoop, client: socket.socket) -> bytes:
    """Read the head of a request, and no byte of what follows.

    Raises:
        ConnectionResetError: the client ended, or its head is too long.
    """
    head = b""
    while not head.endswith(_END):
        chunk = await loop.sock_recv(client, 1)
        if not chunk or len(head) >= _MOST_HEAD_BYTES:
            raise ConnectionResetError
        head += chunk
    return head


async def _peek_head(client: socket.socket) -> bytes:
    """Look at the line of a request, as far as it comes in time."""
    import socket as sockets

    with suppress(TimeoutError):
        async with asyncio.timeout(_CONNECT_SECONDS):
            while True:
                found = client.recv(_MOST_HEAD_BYTES, sockets.MSG_PEEK)
                if b"\n" in found or len(found) in (0, _MOST_HEAD_BYTES):
                    return found
                await asyncio.sleep(_STEP_SECONDS)
    return b""


def _target(head: bytes) -> tuple[str, int]:
    """Return host and port of a request to a proxy; empty for one that names no other host."""
    words = head.partition(b"\n")[0].split()
    target = words[1].decode("latin-1") if len(words) > 1 else ""
    scheme, found, rest = target.partition("://")
    authority = rest.partition("/")[0].partition("?")[0]
    return split_authority(authority, 80) if found and scheme.lower() == "http" else ("", 0)


def _for_origin(head: bytes) -> bytes:
    """Turn a request to a proxy into one to the host itself (RFC 9112, 3.2.1), its only one."""
    line, _, rest = head.partition(b"\r\n")
    method, target, version = line.split(b" ", 2)
    below = target.partition(b"://")[2].partition(b"/")[2]
    kept = [
        each
        for each in rest.removesuffix(_END).split(b"\r\n")
        if each.partition(b":")[0].strip().lower() not in _HOP_BY_HOP
    ]
    return (
        b"\r\n".join([b" ".join([method, b"/" + below, version]), *kept, b"Connection: close"])
        + _END
    )
