"""A recorder of all that comes to some sockets: HTTP/1.1, HTTP/2 and TLS, on any port.

Whatever a program meant to reach, it is recorded and answered here. What comes is told by its
first byte: a TLS greeting, a request to a proxy, a look-up over TCP, else HTTP in clear.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol, Self

from usagectl.capture.connections import Choice, Destination, Protocols, cancel
from usagectl.capture.http2 import PROTOCOLS
from usagectl.capture.observations import Observation
from usagectl.capture.refusals import server_name
from usagectl.capture.server import CaptureApp, split_authority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from usagectl.capture.certificates import Authority
    from usagectl.capture.file import CaptureFile
    from usagectl.capture.forwarding import Forwarder
    from usagectl.capture.server import Behaviour

_TLS_HANDSHAKE = 0x16
_NAMES_PORT = 53
_HANDSHAKE_SECONDS = 30.0
_HEAD_SECONDS = 30.0
_GREETING_SECONDS = 1.0
_STEP_SECONDS = 0.01
_QUIET_SECONDS = 0.03
_REST_SECONDS = 3.0
_STOP_SECONDS = 10.0
_MOST_HEAD_BYTES = 16 * 1024
_CONNECT = b"CONNECT "
_HTTP2 = b"PRI * HT"
_END_OF_HEAD = b"\r\n\r\n"


ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Attached(Protocol):
    """Something else that the recorder's loop serves."""

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin."""

    def detach(self) -> None:
        """End."""


class Recorder:
    """A recorder that serves listening sockets in a thread, from `with` to its end.

    The host of a request is that of the TLS greeting, else the name that its address was given
    out for, else the address: what the program looked up, not what its `Host` header says.
    """

    def __init__(  # noqa: PLR0913  (each is something that is served, or serves)
        self,
        file: CaptureFile,
        sockets: Sequence[socket.socket],
        *,
        authority: Authority,
        behaviour: Behaviour,
        destination: Callable[[socket.socket], Destination],
        answer_name: Callable[[bytes], bytes] = lambda _query: b"",
        attached: Sequence[Attached] = (),
        forwarder: Forwarder | None = None,
    ) -> None:
        self.secret = ""  # Whatever comes is recorded, by whichever path.
        self._file = file
        self._sockets = sockets
        self._authority = authority
        self._destination = destination
        self._answer_name = answer_name
        self._attached = attached
        self._forwarder = forwarder
        self._app = CaptureApp(file, behaviour, host="")
        self._protocols = Protocols(self._app, file, forwarder)
        self._opening = 0  # Connections of which nobody knows yet what they speak.
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._serve, name="usagectl-recorder", daemon=True)

    @property
    def port(self) -> int:
        """The port of its first socket."""
        return int(self._sockets[0].getsockname()[1])

    @property
    def is_stopped(self) -> bool:
        """True once it has stopped serving."""
        return self._sockets[0].fileno() < 0

    @contextmanager
    def stop_and_keep(self) -> Iterator[int]:
        """Stop serving, and keep the first port by the descriptor that is given, up to the end."""
        kept = os.dup(self._sockets[0].fileno())
        try:
            self.stop()
            yield kept
        finally:
            os.close(kept)

    @property
    def is_busy(self) -> bool:
        """True while a connection is being opened, or a request is under way."""
        return self._opening > 0 or self._app.open_requests > 0

    def __enter__(self) -> Self:
        """Begin to serve."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop serving."""
        self.stop()

    def stop(self) -> None:
        """Stop serving, and close the sockets; stopping twice is fine."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_STOP_SECONDS)
        for each in self._sockets:
            each.close()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        for listening in self._sockets:
            listening.setblocking(False)  # noqa: FBT003  (its only parameter)
            self._listening.add(self._loop.create_task(self._accept(listening)))
        for each in self._attached:
            each.attach(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._end())
        self._loop.close()

    async def _end(self) -> None:
        await self._take_in_the_rest()
        for each in self._attached:
            each.detach()
        await cancel(self._listening | self._tasks)
        await self._protocols.close()
        if self._forwarder:
            await self._forwarder.close()

    async def _take_in_the_rest(self) -> None:
        """Take in what clients sent before their end: until nothing new comes of it."""
        before: tuple[int, ...] = ()
        with suppress(TimeoutError):
            async with asyncio.timeout(_REST_SECONDS):
                while before != (before := self._progress()):  # noqa: ASYNC110  (it is polled)
                    await asyncio.sleep(_QUIET_SECONDS)

    def _progress(self) -> tuple[int, ...]:
        sums = self._file.sums
        seen = (sums.requests, sums.observed.count())
        return (*seen, len(self._tasks), self._opening, self._app.open_requests)

    def _keep(self, work: Any) -> None:  # noqa: ANN401  (a coroutine)
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                client, _ = await self._loop.sock_accept(listening)
            except OSError:  # No descriptor is left, or the client has gone.
                await asyncio.sleep(_STEP_SECONDS)
                continue
            self._keep(self._take(client))

    async def _take(self, client: socket.socket) -> None:
        """Serve a connection; one that fails half-way was seen all the same."""
        client.setblocking(False)  # noqa: FBT003
        destination = self._destination(client)
        try:
            await self._open(client, destination)
        except (OSError, asyncio.CancelledError):
            client.close()
        except Exception:  # A bug of ours must not look like silence.
            self._observe(destination, "unknown")
            client.close()
            raise

    async def _open(self, client: socket.socket, to: Destination) -> None:
        """Find out what a client speaks, and hand it to what serves that."""
        try:
            first = await self._peek(client)
        except (OSError, asyncio.CancelledError):  # It was reset, or the capture has ended.
            self._observe(to, "silent")
            raise
        self._opening += 1
        try:
            if not first:
                self._observe(to, "silent")
                client.close()
            elif first.startswith(_CONNECT):
                await self._tunnel(client, to)
            elif first[0] == _TLS_HANDSHAKE:
                await self._open_tls(client, to)
            elif to.port == _NAMES_PORT:
                await self._look_up(client)
            else:
                await self._hand_over(client, to, None, is_http2=first.startswith(_HTTP2))
        finally:
            self._opening -= 1

    async def _peek(self, client: socket.socket) -> bytes:
        """Wait for the first bytes of a client, and leave them there; empty at its end."""
        found = b""
        for _ in range(round(_GREETING_SECONDS / _STEP_SECONDS)):
            await _readable(self._loop, client)
            found = client.recv(len(_CONNECT), socket.MSG_PEEK)
            if len(found) in (0, len(_CONNECT)) or not _CONNECT.startswith(found):
                break
            await asyncio.sleep(_STEP_SECONDS)
        return found

    async def _tunnel(self, client: socket.socket, to: Destination) -> None:
        """Answer a request to a proxy for a tunnel (RFC 9110, 9.3.6), and take what is in it."""
        try:
            async with asyncio.timeout(_HEAD_SECONDS):
                head = await _read_head(self._loop, client)
        except (OSError, asyncio.CancelledError):
            self._observe(to, "unknown")
            raise
        target = head.split(b" ", 2)[1].decode("latin-1")
        host, port = split_authority(target, to.port)
        to = Destination(host, to.address, port)
        if self._forwarder and self._forwarder.passes(to.host):
            await self._forwarder.tunnel(client, to.host, to.port)
            return
        await self._loop.sock_sendall(client, ESTABLISHED)
        await self._open(client, to)

    async def _open_tls(self, client: socket.socket, to: Destination) -> None:
        named = to
        try:
            name = server_name(await self._greeting(client)) or to.host
            named = to._replace(host=name)
            await self._hand_over(client, named, self._authority.context(name))
        except (OSError, ssl.SSLError) as error:
            reason = getattr(error, "reason", None) or "closed in the greeting"
            seen = Observation("tls-refused", *named, str(reason).lower().replace("_", " "))
            self._file.observe(seen)
            client.close()
        except asyncio.CancelledError:
            self._observe(named, "tls")
            raise

    async def _greeting(self, client: socket.socket) -> bytes:
        """Look at a whole TLS greeting, as far as it comes in time, and leave it there."""
        found = client.recv(_MOST_HEAD_BYTES, socket.MSG_PEEK)
        with suppress(TimeoutError):
            async with asyncio.timeout(_GREETING_SECONDS):
                while len(found) < min(5 + int.from_bytes(found[3:5]), _MOST_HEAD_BYTES):
                    await asyncio.sleep(_STEP_SECONDS)
                    found = client.recv(_MOST_HEAD_BYTES, socket.MSG_PEEK)
        return found

    async def _hand_over(
        self,
        client: socket.socket,
        to: Destination,
        context: ssl.SSLContext | None,
        *,
        is_http2: bool = False,
    ) -> None:
        """Let a protocol serve a client from now on; that of HTTP/2 if it began so in clear."""
        await self._loop.connect_accepted_socket(
            lambda: Choice(self._protocols, to, is_http2=is_http2 and "h2" in PROTOCOLS),
            client,
            ssl=context,
            ssl_handshake_timeout=_HANDSHAKE_SECONDS if context else None,
        )

    async def _look_up(self, client: socket.socket) -> None:
        """Answer look-ups over TCP: each with its length in two bytes before it (RFC 1035)."""
        with client:
            while query := await self._read_query(client):
                answer = self._answer_name(query)
                await self._loop.sock_sendall(client, len(answer).to_bytes(2) + answer)

    async def _read_query(self, client: socket.socket) -> bytes:
        size = int.from_bytes(await self._exactly(client, 2))
        return await self._exactly(client, size)

    async def _exactly(self, client: socket.socket, size: int) -> bytes:
        found = b""
        async with asyncio.timeout(_HEAD_SECONDS):
            while len(found) < size:
                chunk = await self._loop.sock_recv(client, size - len(found))
                if not chunk:
                    return b""
                found += chunk
        return found

    def _observe(self, to: Destination, detail: str) -> None:
        if to.host:  # A client of a proxy names its host with each request.
            self._file.observe(Observation("connection", *to, detail))


async def _readable(loop: asyncio.AbstractEventLoop, client: socket.socket) -> None:
    """Wait until a socket has something to read, or its end."""
    ready = asyncio.Event()
    loop.add_reader(client, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(client)


async def _read_head(loop: asyncio.AbstractEventLoop, client: socket.socket) -> bytes:
    """Read the head of a request, and no byte of what follows.

    Raises:
        ConnectionResetError: the client ended, or its head is too long.
    """
    head = b""
    while not head.endswith(_END_OF_HEAD):
        chunk = await loop.sock_recv(client, 1)
        if not chunk or len(head) >= _MOST_HEAD_BYTES:
            raise ConnectionResetError
        head += chunk
    return head
