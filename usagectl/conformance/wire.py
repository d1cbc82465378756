"""Own the wire between a command and the capture: it counts connections and keeps their bytes.

A capture tells of requests; a connection that says nothing is seen here alone. The
wire can also let an answer drip, refuse, or drop what comes as a firewall does.
It speaks no HTTP: the capture behind it does.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from contextlib import suppress
from typing import Self

LOOPBACK = "127.0.0.1"
_DRIP_SECONDS = 0.05
_SETTLE_SECONDS = 5.0
_MOST_BYTES = 16 * 1024 * 1024
_MOST_FILLERS = 8
_CHUNK_BYTES = 65536


class Wire:
    """Be the address that a command sends to, from `with` to its end.

    Args:
        target: the port of what answers; 0 where nothing does.
        drips: whether an answer comes byte by byte.
        drops: whether not even a connection comes about, instead of one that is refused.

    Attributes:
        port: where a command connects to.
        connections: how many came about.
    """

    def __init__(self, target: int = 0, *, drips: bool = False, drops: bool = False) -> None:
        self.connections = 0
        self._target = target
        self._drips = drips
        self._drops = drops
        self._lock = threading.Lock()
        self._heard: list[bytearray] = []
        self._drains: dict[int, threading.Event] = {}
        self._relays: list[threading.Thread] = []
        self._fillers: list[socket.socket] = []
        self._is_ended = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._socket = socket.socket()
        self._socket.bind((LOOPBACK, 0))
        self.port = int(self._socket.getsockname()[1])

    @property
    def heard(self) -> tuple[bytes, ...]:
        """Give the bytes of each connection, as they came."""
        with self._lock:
            return tuple(bytes(each) for each in self._heard)

    def __enter__(self) -> Self:
        """Begin; a port that refuses is taken all the same, so nobody else gets it."""
        if self._target:
            self._socket.listen(128)
            self._thread.start()
        elif self._drops:
            self._socket.listen(0)
            self._fill()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        if self._target:
            self._is_ended = True
            self._knock()
            self._thread.join(_SETTLE_SECONDS)
        for each in (self._socket, *self._fillers):
            each.close()

    def settle(self) -> bool:
        """Wait until all that was sent so far is with the capture; the senders have ended."""
        if not self._target:
            return True
        end = time.monotonic() + _SETTLE_SECONDS
        # Connections are accepted in order: after this one none of a sender's is waiting.
        is_here = self._knock()
        for relay in list(self._relays):
            relay.join(max(0.0, end - time.monotonic()))
        return is_here and not any(relay.is_alive() for relay in self._relays)

    def _knock(self) -> bool:
        with socket.socket() as drain:
            drain.bind((LOOPBACK, 0))
            accepted = threading.Event()
            self._drains[drain.getsockname()[1]] = accepted
            drain.connect((LOOPBACK, self.port))
            return accepted.wait(_SETTLE_SECONDS)

    def _fill(self) -> None:
        """Fill the queue of a listener that accepts nobody: who comes next waits for ever."""
        for _ in range(_MOST_FILLERS):
            filler = socket.socket()
            filler.settimeout(0)
            with suppress(BlockingIOError):
                filler.connect((LOOPBACK, self.port))
            self._fillers.append(filler)

    def _accept(self) -> None:
        while not self._is_ended:
            try:
                client, peer = self._socket.accept()
            except OSError:
                return
            drain = self._drains.pop(peer[1], None)
            if drain is not None:
                client.close()
                drain.set()
                continue
            heard = bytearray()
            with self._lock:
                self.connections += 1
                self._heard.append(heard)
            relay = threading.Thread(target=self._relay, args=(client, heard), daemon=True)
            self._relays.append(relay)
            relay.start()

    def _relay(self, client: socket.socket, heard: bytearray) -> None:
        with client, socket.socket() as upstream, suppress(OSError):
            first = client.recv(_CHUNK_BYTES)
            if not first:
                return
            upstream.connect((LOOPBACK, self._target))
            back = threading.Thread(target=self._bring_back, args=(upstream, client), daemon=True)
            back.start()
            self._carry(first, client, upstream, heard)
            back.join(_SETTLE_SECONDS)

    def _carry(
        self, first: bytes, client: socket.socket, upstream: socket.socket, heard: bytearray
    ) -> None:
        chunk = first
        with suppress(OSError):
            while chunk:
                with self._lock:
                    heard += chunk[: max(0, _MOST_BYTES - len(heard))]
                upstream.sendall(chunk)
                chunk = client.recv(_CHUNK_BYTES)
        with suppress(OSError):
            upstream.shutdown(socket.SHUT_WR)

    def _bring_back(self, upstream: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while chunk := upstream.recv(_CHUNK_BYTES):
                if not self._drips:
                    client.sendall(chunk)
                    continue
                for place in range(len(chunk)):
                    client.sendall(chunk[place : place + 1])
                    time.sleep(_DRIP_SECONDS)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


def can_drop() -> bool:
    """Tell whether a full queue drops what comes, as it does on Linux alone."""
    return sys.platform == "linux"
