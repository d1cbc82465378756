"""Own what happens to trackers by itself: a thread's rounds, the end of the process, forks.

One thread serves all trackers of a process. It is started by the first record, so a
program whose telemetry is off has none. It must not know what a tracker does in its turn.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_LAST = -1000
"""After what else ends with a process that multiprocessing started: that may record too."""

PATIENCE_SECONDS = 0.1
"""How long the end of a process takes at most for all of them together, where nothing is lost."""


class Member(Protocol):
    """Be served by the thread.

    Attributes:
        due: the next turn, in seconds of the monotonic clock.
    """

    due: float

    @property
    def tool(self) -> str:
        """Name whose events it records."""

    @property
    def has_news(self) -> bool:
        """Tell whether a sender is to be started for what it recorded."""

    def tick(self) -> None:
        """Take a turn; never raises."""

    def end(self, deadline: float) -> None:
        """Let nothing be lost: the process ends; never raises or waits for long."""

    def deliver(self) -> None:
        """Have what was recorded sent; never raises or waits."""

    def go_on_in_child(self) -> None:
        """Leave to the parent what is the parent's."""


class _Process:
    """Hold the members of this process, their thread, and what is still to be done once."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.is_ending = False
        self.done: set[object] = set()
        self.members: list[Member] = []
        self.errands: list[Callable[[], object]] = []
        self.wake = threading.Event()
        self.thread: threading.Thread | None = None

    def start_thread(self) -> None:
        """Start the thread unless it runs; where none can be started, the end does its work."""
        if self.thread is None:
            self.thread = threading.Thread(target=self.run, name="usagectl", daemon=True)
            try:
                self.thread.start()
            except RuntimeError:
                self.thread = None
        self.wake.set()

    def run(self) -> None:
        """Serve until nobody is left to be served."""
        while True:
            self.wake.clear()
            self.run_errands()
            now = time.monotonic()
            for member in list(self.members):
                if member.due <= now and not self.is_ending:
                    member.tick()
            with self.lock:
                if not self.members and not self.errands:
                    self.thread = None
                    return
                due = min((member.due for member in self.members), default=now)
            # The end of the process does the rest, and needs the interpreter for itself.
            pause = PATIENCE_SECONDS if self.is_ending else max(due - time.monotonic(), 0.0)
            self.wake.wait(pause)

    def run_errands(self) -> None:
        """Do each errand once."""
        while self.errands:
            with suppress(IndexError):  # The end of the process may have been faster.
                self.errands.pop(0)()


_process = _Process()


def join(member: Member) -> None:
    """Have a member served from now on, at once for the first time."""
    process = _process
    with process.lock:
        if member not in process.members:
            process.members.append(member)
        _arm()
        process.start_thread()


def wake() -> None:
    """Have the thread look who is due: that changed."""
    _process.wake.set()


def is_first(deed: object) -> bool:
    """Tell whether nobody asked this before in this process."""
    process = _process
    with process.lock:
        is_new = deed not in process.done
        process.done.add(deed)
    return is_new


def leave(member: Member, errand: Callable[[], object] | None = None) -> None:
    """Serve a member no more; do something last, off the caller's thread."""
    process = _process
    with process.lock:
        if member in process.members:
            process.members.remove(member)
        if errand is not None:
            process.errands.append(errand)
        process.start_thread()


def _arm() -> None:
    """Have the end of this process noticed.

    A process that multiprocessing started ends without `atexit`, and begins by
    forgetting the finalizers that it inherited: its first record comes after that.
    """
    atexit.unregister(_end)
    atexit.register(_end)
    util: Any = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.Finalize(None, _end, exitpriority=_LAST)


def _end() -> None:
    process = _process
    process.is_ending = True
    deadline = time.monotonic() + PATIENCE_SECONDS
    members = list(process.members)
    for member in members:
        member.end(deadline)
    process.run_errands()
    for member in {each.tool: each for each in members if each.has_news}.values():
        member.deliver()
    process.is_ending = False


def _go_on_in_child() -> None:
    global _process
    members, _process = _process.members, _Process()
    for member in members:
        member.go_on_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_go_on_in_child)
