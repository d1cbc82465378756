"""The background thread, exit and fork handling that all trackers of a process share.

The first record starts the thread, so a program whose telemetry is off has none. It
alone writes what was recorded. Whoever needs something written now waits for it, though
not for long: the disk may hang, and telemetry is never in the way.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from contextlib import suppress
from functools import cache
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakSet

from usagectl.machine.environment import is_rehearsed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from usagectl.emitting.clients import Client

PATIENCE_SECONDS = 2.0
"""How long a `close`, or the end of a process, waits at most for the disk."""

FLUSH_SECONDS = 10.0
"""How long a `flush` waits at most: who calls it wants everything to be written."""

_FORK_PATIENCE_SECONDS = 1.0

_LAST = -1000
"""After everything else that ends with a process of multiprocessing: that may record too."""


class _Errand(NamedTuple):
    deeds: Sequence[Callable[[], object]]
    done: threading.Event

    def run(self) -> None:
        for deed in self.deeds:
            with suppress(Exception):
                deed()
        self.done.set()


class Process:
    """Trackers of this process and their thread.

    The queue is a `SimpleQueue`, since the handler of a signal may put something into it
    while its own thread does: a `threading.Event` would wait for itself.
    """

    def __init__(self) -> None:
        self._known: WeakSet[Client] = WeakSet()
        self._begin()

    def _begin(self) -> None:
        """Forget clients and thread: in a forked child they are the parent's."""
        # Of all that is rare: who is served, the opening and closing of a tracker. No other
        # thread forks while it is held: a child would wait for ever for an import under way.
        self.lock = threading.RLock()
        self.has_ended = False  # Whether the process has written for the last time, by itself.
        self._clients: list[Client] = []
        self._errands: SimpleQueue[_Errand | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._is_watched = False
        self._working = threading.Lock()  # Held by the thread while it works; before `lock`.
        self._held_for_fork: dict[int, list[Any]] = {}

    def know(self, client: Client) -> None:
        """Let a client know of every fork from now on."""
        with self.lock:
            self._known.add(client)
        _watch_forks()

    @property
    def known(self) -> list[Client]:
        """The clients of this process, also those that are not served."""
        with self.lock:
            return list(self._known)

    def serve(self, client: Client) -> None:
        """Give a client turns from now on, the next one when it is due."""
        with self.lock:
            if client not in self._clients:
                self._clients.append(client)
                self._watch_for_the_end()
            self._start_thread()
        self._errands.put(None)

    def leave(self, client: Client) -> None:
        """Give a client no more turns."""
        with self.lock, suppress(ValueError):
            self._clients.remove(client)

    def do(self, *deeds: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
        """Run deeds on the thread, or here where none can run, and wait for so long at most."""
        errand = _Errand(deeds, threading.Event())
        if self._start_thread():
            self._errands.put(errand)
            if self._thread is not threading.current_thread():  # It would wait for itself.
                errand.done.wait(seconds)
        elif self._working.acquire(timeout=seconds):
            try:
                errand.run()
            finally:
                self._working.release()

    def _start_thread(self) -> bool:
        """Start the thread unless it runs; False where none can run."""
        if is_rehearsed():
            return False
        with self.lock:
            if self._thread is None and not sys.is_finalizing():
                self._thread = threading.Thread(target=self._run, name="usagectl", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError:  # There are too many, or the interpreter is shutting down.
                    self._thread = None
        return self._thread is not None and not sys.is_finalizing()

    def _run(self) -> None:
        """Serve the clients until none is left."""
        pause = 0.0
        while True:
            errand = None
            with suppress(Empty):
                errand = self._errands.get(timeout=pause)
            with self._working:
                if errand is not None:
                    errand.run()
                now = time.monotonic()
                for client in [each for each in self._clients if each.due <= now]:
                    client.take_turn()
            with self.lock:
                if not self._clients and self._errands.empty():
                    self._thread = None
                    return
                due = min((each.due for each in self._clients), default=0.0)
            pause = max(due - time.monotonic(), 0.0)

    def _watch_for_the_end(self) -> None:
        """Register `_end` for the end of this process, unless it ends already.

        A process of multiprocessing ends without `atexit`, and begins by forgetting the
        finalizers that it inherited: its first record comes after that.
        """
        if self._is_watched:
            return
        self._is_watched = True
        self.has_ended = not threading.main_thread().is_alive()
        atexit.unregister(self._end)
        atexit.register(self._end)
        util: Any = sys.modules.get("multiprocessing.util")
        if util is not None:
            util.Finalize(None, self._end, exitpriority=_LAST)

    def _end(self) -> None:
        """Have everything written and sent; one deadline holds for all clients."""
        self.has_ended = True
        recorders = [each.recorder for each in self._clients if each.recorder]
        if self._thread is not None or recorders:
            self.do(*(each.flush for each in recorders))
        for recorder in recorders:
            with suppress(Exception):
                recorder.deliver()

    def wait_before_fork(self) -> None:
        """Let other threads finish: no connection to the store may live on in a child.

        A daemon may record, fork and leave its parent at once: the session that the child goes
        on in is written first.
        """
        new = [each for each in self._clients if each.is_new]
        if new:
            self.do(*(each.take_turn for each in new), seconds=_FORK_PATIENCE_SECONDS)
        locks: list[Any] = [self._working, self.lock]
        self._held_for_fork[threading.get_ident()] = [
            each for each in locks if each.acquire(timeout=_FORK_PATIENCE_SECONDS)
        ]

    def continue_in_parent(self) -> None:
        """Let other threads go on."""
        for each in self._held_for_fork.pop(threading.get_ident(), ()):
            each.release()

    def continue_in_child(self) -> None:
        """Begin anew, and have each client do so."""
        self._begin()
        for client in list(self._known):
            client.continue_in_child()


process = Process()


@cache
def _watch_forks() -> None:
    """Register for forks, once the store has: who registers later is asked earlier.

    The store would hold back what the thread is to write before the fork.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=process.wait_before_fork,
            after_in_parent=process.continue_in_parent,
            after_in_child=process.continue_in_child,
        )
