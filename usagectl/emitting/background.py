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

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from usagectl.emitting.tracker import Tracker

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


class _Process:
    """Trackers of this process and their thread.

    The queue is a `SimpleQueue`, since the handler of a signal may put something into it
    while its own thread does: a `threading.Event` would wait for itself.

    Attributes:
        lock: of all that is rare: who is served, the opening and closing of a tracker.
        working: held by the thread while it works; taken before `lock`, never after it.
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget trackers and thread: in a forked child they are the parent's."""
        self.lock = threading.RLock()
        self.trackers: list[Tracker] = []
        self.errands: SimpleQueue[_Errand | None] = SimpleQueue()
        self.thread: threading.Thread | None = None
        self.is_watched = False
        self.has_ended = False
        self.working = threading.Lock()
        self.held_for_fork: dict[int, list[Any]] = {}

    def start_thread(self) -> bool:
        """Start the thread unless it runs; False where none can run."""
        with self.lock:
            if self.thread is None and not sys.is_finalizing():
                self.thread = threading.Thread(target=self._run, name="usagectl", daemon=True)
                try:
                    self.thread.start()
                except RuntimeError:  # There are too many, or the interpreter is shutting down.
                    self.thread = None
        return self.thread is not None and not sys.is_finalizing()

    def _run(self) -> None:
        """Serve the trackers until none is left."""
        pause = 0.0
        while True:
            errand = self._next_errand(pause)
            with self.working:
                if errand is not None:
                    _do(errand)
                now = time.monotonic()
                for tracker in [each for each in self.trackers if each.due <= now]:
                    tracker.take_turn()
            with self.lock:
                if not self.trackers and self.errands.empty():
                    self.thread = None
                    return
                due = min((each.due for each in self.trackers), default=0.0)
            pause = max(due - time.monotonic(), 0.0)

    def _next_errand(self, pause: float) -> _Errand | None:
        try:
            return self.errands.get(timeout=pause)
        except Empty:
            return None

    def do(self, deeds: Sequence[Callable[[], object]], seconds: float) -> None:
        """Have the thread do some things; do them here where there is no thread."""
        errand = _Errand(deeds, threading.Event())
        if self.start_thread():
            self.errands.put(errand)
            if self.thread is not threading.current_thread():  # It would wait for itself.
                errand.done.wait(seconds)
        elif self.working.acquire(timeout=seconds):
            try:
                _do(errand)
            finally:
                self.working.release()


def _do(errand: _Errand) -> None:
    for deed in errand.deeds:
        with suppress(Exception):
            deed()
    errand.done.set()


_process = _Process()
_known: WeakSet[Tracker] = WeakSet()


def know(tracker: Tracker) -> None:
    """Tell a tracker of every fork from now on."""
    _known.add(tracker)
    _watch_forks()


def lock() -> threading.RLock:
    """Return the lock for what is rare; no other thread forks while it is held.

    A child would wait for ever for the import that a thread of its parent was amid.
    """
    return _process.lock


def serve(tracker: Tracker) -> None:
    """Give a tracker turns from now on, the next one when it is due."""
    process = _process
    with process.lock:
        if tracker not in process.trackers:
            process.trackers.append(tracker)
            _watch_for_the_end(process)
        process.start_thread()
    process.errands.put(None)


def leave(tracker: Tracker) -> None:
    """Give a tracker no more turns."""
    with _process.lock, suppress(ValueError):
        _process.trackers.remove(tracker)


def do(deed: Callable[[], object], *, seconds: float = PATIENCE_SECONDS) -> None:
    """Have the thread do something, and wait for it so long at most."""
    _process.do([deed], seconds)


def has_ended() -> bool:
    """True if this process has written for the last time: nobody will write what follows."""
    return _process.has_ended


def _watch_for_the_end(process: _Process) -> None:
    """Have `_end` called at the end of this process, unless it ends already.

    A process of multiprocessing ends without `atexit`, and begins by forgetting the
    finalizers that it inherited: its first record comes after that.
    """
    if not process.is_watched:
        process.is_watched = True
        process.has_ended = not threading.main_thread().is_alive()
        atexit.unregister(_end)
        atexit.register(_end)
        util: Any = sys.modules.get("multiprocessing.util")
        if util is not None:
            util.Finalize(None, _end, exitpriority=_LAST)


def _end() -> None:
    """Have everything written and sent; one deadline holds for all trackers."""
    process = _process
    process.has_ended = True
    recorders = [each.recorder for each in process.trackers if each.recorder]
    if process.thread is not None or recorders:
        process.do([each.flush for each in recorders], PATIENCE_SECONDS)
    for recorder in {each.tool: each for each in recorders if each.has_news}.values():
        with suppress(Exception):
            recorder.deliver()


def _wait_before_fork() -> None:
    """Let other threads finish: no connection to the store may live on in a child.

    A daemon may record, fork and leave its parent at once: the session that the child goes
    on in is written first.
    """
    process, seconds = _process, _FORK_PATIENCE_SECONDS
    new = [each for each in process.trackers if each.is_new]
    if new:
        process.do([each.take_turn for each in new], seconds)
    locks: list[Any] = [process.working, process.lock]
    held = [each for each in locks if each.acquire(timeout=seconds)]
    process.held_for_fork[threading.get_ident()] = held


def _continue_in_parent() -> None:
    for each in _process.held_for_fork.pop(threading.get_ident(), ()):
        each.release()


def _continue_in_child() -> None:
    _process.begin()
    for tracker in list(_known):
        tracker.continue_in_child()


@cache
def _watch_forks() -> None:
    """Register for forks, once the store has: who registers later is asked earlier.

    The store would hold back what the thread is to write before the fork.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=_wait_before_fork,
            after_in_parent=_continue_in_parent,
            after_in_child=_continue_in_child,
        )
