"""The endpoint that a run sends to: a wire that counts connections, and a capture behind it.

A capture sees requests only; the wire also sees a connection that says nothing. It can let
an answer drip, refuse a connection, or drop it as a firewall does. It speaks no HTTP: the
capture behind it does.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from usagectl import capture
from usagectl.capture import children
from usagectl.capture.server import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from usagectl.machine.environment import Environment

Answer = Literal["on", "error", "hang", "drip", "refuse", "drop"]

ANSWERS: tuple[Answer, ...] = ("on", "error", "hang", "drip", "refuse")
if sys.platform == "linux":  # A full queue drops there alone; elsewhere it refuses.
    ANSWERS += ("drop",)
"""How an endpoint may behave on this system."""

_DRIP_SECONDS = 0.05
_SETTLE_SECONDS = 5.0
_MOST_BYTES = 16 * 1024 * 1024
_MOST_FILLERS = 8
_MOST_LINES = 10
_CHUNK_BYTES = 65536


class Wire:
    """The address that a command sends to, from `with` to its end.

    It passes all on to the port `target`; without one it refuses connections, or drops them.
    If it drips, the answer goes back byte by byte.
    """

    def __init__(self, target: int = 0, *, drips: bool = False, drops: bool = False) -> None:
        self._target = target
        self._drips = drips
        self._drops = drops
        self._heard: list[bytearray] = []
        self._relays: list[threading.Thread] = []
        self._fillers: list[socket.socket] = []
        self._last: object = None
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._socket = socket.socket()
        self._socket.bind((LOOPBACK, 0))
        self.port = int(self._socket.getsockname()[1])

    @property
    def heard(self) -> tuple[bytes, ...]:
        """The bytes of each connection, as they came."""
        return tuple(map(bytes, self._heard))

    def __enter__(self) -> Self:
        """Begin; a port that refuses is bound too, so that nobody else takes it."""
        if self._target:
            self._socket.listen(128)
            self._thread.start()
        elif self._drops:
            self._socket.listen(0)
            self._fill()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self.end()
        for each in (self._socket, *self._fillers):
            each.close()

    def end(self) -> None:
        """Wait until the capture has all that was sent so far, and accept no more."""
        if not self._thread.is_alive():
            return
        with socket.socket() as last:
            last.bind((LOOPBACK, 0))
            self._last = last.getsockname()
            # Connections are accepted in order: after this one, no sender's is waiting.
            last.connect((LOOPBACK, self.port))
            self._thread.join(_SETTLE_SECONDS)
        end = time.monotonic() + _SETTLE_SECONDS
        for relay in self._relays:
            relay.join(max(0.0, end - time.monotonic()))

    def _fill(self) -> None:
        """Fill the queue of a listener that accepts nobody: the next client waits for ever."""
        for _ in range(_MOST_FILLERS):
            filler = socket.socket()
            filler.settimeout(0)
            filler.connect_ex((LOOPBACK, self.port))
            self._fillers.append(filler)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, peer = self._socket.accept()
                if peer == self._last:
                    client.close()
                    return
                self._heard.append(bytearray())
                relay = threading.Thread(
                    target=self._relay, args=(client, self._heard[-1]), daemon=True
                )
                self._relays.append(relay)
                relay.start()

    def _relay(self, client: socket.socket, heard: bytearray) -> None:
        with client, socket.socket() as upstream, suppress(OSError):
            chunk = client.recv(_CHUNK_BYTES)
            if not chunk:
                return
            upstream.connect((LOOPBACK, self._target))
            back = threading.Thread(target=self._bring_back, args=(upstream, client), daemon=True)
            back.start()
            with suppress(OSError):
                while chunk:
                    heard += chunk[: max(0, _MOST_BYTES - len(heard))]
                    upstream.sendall(chunk)
                    chunk = client.recv(_CHUNK_BYTES)
            with suppress(OSError):
                upstream.shutdown(socket.SHUT_WR)
            back.join(_SETTLE_SECONDS)

    def _bring_back(self, upstream: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while chunk := upstream.recv(1 if self._drips else _CHUNK_BYTES):
                client.sendall(chunk)
                if self._drips:
                    time.sleep(_DRIP_SECONDS)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


class Traffic(NamedTuple):
    """Everything that reached the endpoint, with nothing masked."""

    captured: tuple[capture.Captured, ...] = ()  # The events, and the requests without one.
    requests: int = 0
    refused: int = 0  # The number of messages that were not HTTP, such as a TLS handshake.
    heard: tuple[bytes, ...] = ()  # The bytes of each connection.

    @property
    def connections(self) -> int:
        """The number of connections, silent ones included."""
        return len(self.heard)

    @property
    def lines(self) -> tuple[str, ...]:
        """What arrived, line by line, for a person."""
        found = [
            f"{each.method} {each.path.partition('?')[0]} {each.name}" for each in self.captured
        ]
        silent = self.connections - self.requests
        if silent > 0:
            found.append(f"{silent} more connections than requests")
        if len(found) > _MOST_LINES:
            found[_MOST_LINES:] = [f"and {len(found) - _MOST_LINES} more"]
        return tuple(found)


class Endpoint(NamedTuple):
    """The endpoint of a step; without a capture behind the wire, nothing answers."""

    wire: Wire
    behind: capture.Capture | None = None

    def finish(self, *, blind: bool, seconds: float) -> Traffic:
        """Wait for what is under way, and return what came."""
        wire, behind = self
        if behind is None:
            return Traffic()
        if blind:  # Orphans that cannot be adopted are known by their mark, or by silence.
            children.wait_for_late(
                lambda: children.has_descendants(wire.port),
                lambda: False,
                lambda: sum(map(len, wire.heard)),
                seconds=seconds,
            )
        wire.end()
        behind.finish()
        captured, sums = tuple(capture.load(behind.file.path)), behind.file.sums
        return Traffic(captured, sums.requests, sums.refused, wire.heard)


@contextmanager
def opened(environment: Environment, answer: Answer) -> Iterator[Endpoint]:
    """Open an endpoint with one behaviour.

    Raises:
        AddressUnavailableError: nothing can listen on loopback.
        FileUnwritableError: no temporary file can be made.
    """
    if answer in ("refuse", "drop"):
        with Wire(drops=answer == "drop") as wire:
            yield Endpoint(wire)
        return
    options = capture.Options(answer="on" if answer == "drip" else answer, reveal=True)
    with (
        capture.opened(environment, options) as behind,
        Wire(behind.address.port, drips=answer == "drip") as wire,
    ):
        yield Endpoint(wire, behind)
