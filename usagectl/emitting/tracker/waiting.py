"""Own what was recorded in full in this process and is not in the spool yet."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from usagectl.emitting.ledger import Backlog

_LONGEST_REMEMBERED = 1024


class Waiting:
    """Add events to backlogs from many threads, one backlog after another.

    The lock may be taken again by the thread that has it, since the handler of a signal
    may record too; what it cannot add here meanwhile it has to write by itself.

    Attributes:
        lock: guards the others.
        busy_thread: which thread is in the midst of a change, 0 for none.
    """

    __slots__ = (
        "_backlog",
        "_clock",
        "_full",
        "_known",
        "_lacks_place",
        "_make",
        "_texts",
        "busy_thread",
        "lock",
    )

    def __init__(self, make: Callable[[], Backlog | None], clock: Callable[[], float]) -> None:
        self._make = make
        self._clock = clock
        self.lock = threading.RLock()
        self.busy_thread = 0
        self._full: list[Backlog] = []
        self._begin()

    def _begin(self) -> None:
        self._lacks_place = False
        self._backlog: Backlog | None = None
        self._known: dict[tuple[object, ...], int] = {}
        self._texts: dict[bytes, int] = {}

    @property
    def full(self) -> int:
        """Count the backlogs that are full."""
        return len(self._full)

    def add(self, values: tuple[object, ...]) -> bool:
        """Add an event like one before it, now; False where `enter` has to."""
        instant = self._clock()
        with self.lock:
            # Nothing is called from here on, so that no handler comes in between.
            backlog = self._backlog
            if backlog is None:
                return False
            try:
                text = self._known[values]
                at = backlog.added
                backlog.instants[at] = instant
            except Exception:  # noqa: BLE001  (it is new, fits nothing, or has no room)
                return False
            backlog.tails[at] = text
            backlog.added = backlog.state[0] = at + 1
            return True

    def enter(self, values: tuple[object, ...], tail: bytes) -> bool:
        """Add an event that may be new, now; False where it has to be written at once."""
        with self.lock:
            if self.busy_thread:
                return False
            self.busy_thread = threading.get_ident()
            try:
                return self._enter(values, tail)
            finally:
                self.busy_thread = 0

    def close(self) -> int:
        """Let what follows go to another backlog; count those that wait."""
        with self.lock:
            if not self.busy_thread and self._backlog is not None:
                self._full.append(self._backlog)
                self._begin()
            return len(self._full)

    def take(self) -> Backlog | None:
        """Give the oldest backlog that nothing is added to any more."""
        with self.lock:
            return self._full.pop(0) if self._full else None

    def abandon(self) -> None:
        """Let go of what waits: after a fork it is the parent's, and so may be the lock."""
        for each in (*self._full, self._backlog):
            if each is not None:
                each.abandon()

    def _enter(self, values: tuple[object, ...], tail: bytes) -> bool:
        if self._backlog is not None and self._backlog.is_full:
            self._full.append(self._backlog)
            self._begin()
        if self._backlog is None:
            if self._lacks_place:
                return False
            self._backlog = self._make()
            if self._backlog is None:
                self._lacks_place = True
                return False
        text = self._texts.get(tail)
        if text is None:
            text = self._backlog.enter(tail)
            if text is None:
                return False
            self._texts[tail] = text
        if sum(len(each) for each in values if isinstance(each, str)) <= _LONGEST_REMEMBERED:
            self._known[values] = text
        instant = self._clock()
        return self._backlog.put(instant, text)
