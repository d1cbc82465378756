"""A loopback endpoint that answers as a test wants: well, badly, slowly, or not at all."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from tests.support.counting import wait_until

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    Behaviour = Callable[["Connection", "Received"], None]

TRACKED = b'{"track_events": true}'


@dataclass(frozen=True)
class Received:
    """One request as it came over the wire, and when (seconds of the monotonic clock)."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def events(self) -> list[dict[str, Any]]:
        """Parse the events of an `/events` body, or the one of a `/session` body."""
        document = json.loads(self.body)
        found = document.get("events", [document])
        assert isinstance(found, list)
        return found


class Connection:
    """One client's connection."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self._rest = b""

    def read_request(self) -> Received | None:
        """Read a whole request; None when the client has gone."""
        while b"\r\n\r\n" not in self._rest:
            data = self.socket.recv(65536)
            if not data:
                return None
            self._rest += data
        head, _, rest = self._rest.partition(b"\r\n\r\n")
        line, *lines = head.decode("latin-1").split("\r\n")
        headers = {
            name: value.strip() for name, _, value in (each.partition(":") for each in lines)
        }
        length = int(
            {name.lower(): value for name, value in headers.items()}.get("content-length", 0)
        )
        while len(rest) < length:
            data = self.socket.recv(1 << 20)
            if not data:
                return None
            rest += data
        self._rest = rest[length:]
        method, path, _ = line.split(" ", 2)
        return Received(method, path, headers, rest[:length], time.monotonic())

    def answer(self, status: int, body: bytes = TRACKED, **headers: str) -> None:
        """Send a whole answer; `retry_after="1"` becomes the header Retry-After."""
        if status in (204, 304):
            body = b""
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n"
        head += "".join(f"{k.replace('_', '-').title()}: {v}\r\n" for k, v in headers.items())
        self.socket.sendall(head.encode() + b"\r\n" + body)

    def reset(self) -> None:
        """Break the connection off at once."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class Endpoint:
    """A server on a free loopback port, which keeps every request and behaves; with TLS, if any."""

    def __init__(
        self, behave: Behaviour | None = None, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._tls = tls
        self.behave: Behaviour = behave or (lambda connection, _request: connection.answer(200))
        self.received: list[Received] = []
        self.accepted = 0
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._listener.settimeout(0.1)
        self.port: int = self._listener.getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}/v1"
        self._open: list[socket.socket] = []
        self._served: dict[object, threading.Thread] = {}  # By the client's address.
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._listener.close()
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    @property
    def bodies(self) -> list[bytes]:
        """List the bodies of all requests."""
        return [request.body for request in self.received]

    def wait_for(self, count: int, seconds: float = 10.0) -> bool:
        """Wait until so many requests came."""
        return wait_until(lambda: len(self.received) >= count, seconds)

    def settle(self) -> None:
        """Wait until every connection that has reached this machine is read to its end.

        They are accepted in their order: once one of ours is, no other is waiting.
        """
        with socket.create_connection(("127.0.0.1", self.port)) as last:
            while last.getsockname() not in self._served:
                time.sleep(0.01)
        for thread in self._served.values():
            thread.join(10)
        self.accepted -= 1

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                connected, client = self._listener.accept()
            except TimeoutError:
                continue
            connected.settimeout(None)
            self.accepted += 1
            self._open.append(connected)
            thread = threading.Thread(target=self._serve, args=(connected,), daemon=True)
            thread.start()
            self._served[client] = thread

    def _serve(self, connected: socket.socket) -> None:
        with suppress(OSError):
            if self._tls:
                connected = self._tls.wrap_socket(connected, server_side=True)
                self._open.append(connected)
            connection = Connection(connected)
            while (request := connection.read_request()) is not None:
                self.received.append(request)
                self.behave(connection, request)


def always(status: int, body: bytes = TRACKED, **headers: str) -> Behaviour:
    """Answer every request the same."""
    return lambda connection, _request: connection.answer(status, body, **headers)


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """Behave in one way after the other, and then as the last one."""
    left = list(behaviours)

    def behave(connection: Connection, request: Received) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(connection, request)

    return behave


def hang(connection: Connection, _request: Received) -> None:
    """Never answer."""
    with suppress(OSError):
        connection.socket.recv(1)


def garbage(connection: Connection, _request: Received) -> None:
    """Answer what is not HTTP."""
    connection.socket.sendall(b"\x00\xff no http at all\r\n\r\n")


def flood(connection: Connection, _request: Received) -> None:
    """Send answers that announce another one, and never that one."""
    with suppress(OSError):
        for _ in range(10_000):
            connection.socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


def reset(connection: Connection, _request: Received) -> None:
    """Break the connection off instead of answering."""
    connection.reset()


def reset_in_body(connection: Connection, _request: Received) -> None:
    """Break the connection off within the body of a 200."""
    connection.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
    time.sleep(0.05)
    connection.reset()


def drips(text: bytes) -> Behaviour:
    """Send a text, then a byte at a time, and never end."""

    def behave(connection: Connection, _request: Received) -> None:
        with suppress(OSError):
            connection.socket.sendall(text)
            for _ in range(10_000):
                connection.socket.sendall(b"x")
                time.sleep(0.02)

    return behave


drip = drips(b"HTTP/1.1 200 OK\r\nX-A: ")
"""Send the head of an answer a byte at a time, and never end."""

drip_body = drips(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
"""Acknowledge at once, then send the body a byte at a time, and never end."""


def too_large_above(count: int) -> Behaviour:
    """Answer 413 to more than so many events, else 200."""

    def behave(connection: Connection, request: Received) -> None:
        connection.answer(413 if len(request.events) > count else 200)

    return behave
