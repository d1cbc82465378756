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
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PATIENCE_SECONDS = 2.0
"""How long a flush, a `close` or the end of a process waits at most for the disk."""

_FORK_PATIENCE_SECONDS = 1.0

_LAST = -1000
"""After everything else that ends with a process of multiprocessing: that may record too."""


class Member(Protocol):
    """A tracker, as the thread sees it.

    Attributes:
        due: when it wants its next turn, in seconds of the monotonic clock.
        is_new: whether it has not had its first turn in this process.
    """

    due: float
    is_new: bool

    @property
    def tool(self) -> str:
        """Name of the tool whose events it records."""

    @property
    def has_news(self) -> bool:
        """True if a sender should be started for what it wrote."""

    def take_turn(self) -> None:
        """Write what is due; never raises."""

    def write_all(self) -> None:
        """Write everything that was recorded; never raises."""

    def deliver(self) -> None:
        """Start a sender for what it wrote; never raises or waits."""

    def continue_in_child(self) -> None:
        """Leave to the parent what the parent recorded; every known member is told."""


class _Lock(Protocol):
    def acquire(self, *, timeout: float) -> bool: ...

    def release(self) -> None: ...


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
        self.members: list[Member] = []
        self.errands: SimpleQueue[_Errand | None] = SimpleQueue()
        self.thread: threading.Thread | None = None
        self.has_ended = False
        self.working = threading.Lock()
        self.held_for_fork: dict[int, list[_Lock]] = {}

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
        """Serve the members until none is left."""
        pause = 0.0
        while True:
            errand = self._next_errand(pause)
            with self.working:
                if errand is not None:
                    _do(errand)
                now = time.monotonic()
                for member in [each for each in self.members if each.due <= now]:
                    member.take_turn()
            with self.lock:
                if not self.members and self.errands.empty():
                    self.thread = None
                    return
                due = min((each.due for each in self.members), default=0.0)
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
_known: WeakSet[Member] = WeakSet()


def know(member: Member) -> None:
    """Tell a member of every fork from now on."""
    _known.add(member)
    _watch_forks()


def lock() -> threading.RLock:
    """Return the lock for what is rare; no other thread forks while it is held.

    A child would wait for ever for the import that a thread of its parent was amid.
    """
    return _process.lock


def serve(member: Member) -> None:
    """Give a member turns from now on, the next one when it is due."""
    process = _process
    with process.lock:
        if member not in process.members:
            process.members.append(member)
            _notice_the_end()
            if not threading.main_thread().is_alive():  # It ends already: `_end` comes too late.
                process.has_ended = True
        process.start_thread()
    process.errands.put(None)


def leave(member: Member) -> None:
    """Give a member no more turns."""
    with _process.lock, suppress(ValueError):
        _process.members.remove(member)


def do(deed: Callable[[], object], *, seconds: float = PATIENCE_SECONDS) -> None:
    """Have the thread do something, and wait for it so long at most."""
    _process.do([deed], seconds)


def has_ended() -> bool:
    """True if this process has written for the last time: nobody will write what follows."""
    return _process.has_ended


def _notice_the_end() -> None:
    """Register for the end of this process.

    A process of multiprocessing ends without `atexit`, and begins by forgetting the
    finalizers that it inherited: its first record comes after that.
    """
    atexit.unregister(_end)
    atexit.register(_end)
    util: Any = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.Finalize(None, _end, exitpriority=_LAST)


def _end() -> None:
    """Have everything written and sent; one deadline holds for all trackers."""
    process = _process
    process.has_ended = True
    members = list(process.members)
    if members or process.thread is not None:
        process.do([each.write_all for each in members], PATIENCE_SECONDS)
    for member in {each.tool: each for each in members if each.has_news}.values():
        member.deliver()


def _wait_before_fork() -> None:
    """Let other threads finish: no connection to the store may live on in a child.

    A daemon may record, fork and leave its parent at once: the session that the child goes
    on in is written first.
    """
    process, seconds = _process, _FORK_PATIENCE_SECONDS
    new = [each for each in process.members if each.is_new]
    if new:
        process.do([each.take_turn for each in new], seconds)
    locks: tuple[_Lock, ...] = (process.working, process.lock)
    held = [each for each in locks if each.acquire(timeout=seconds)]
    process.held_for_fork[threading.get_ident()] = held


def _continue_in_parent() -> None:
    for each in _process.held_for_fork.pop(threading.get_ident(), ()):
        each.release()


def _continue_in_child() -> None:
    _process.begin()
    for member in list(_known):
        member.continue_in_child()


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
