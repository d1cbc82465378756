"""Own what is counted in this process: one ledger after another, each for one period."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from usagectl.emitting.ledger import LedgerFullError

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable

    from usagectl.emitting.ledger import Form, Ledger


class Counts:
    """Count combinations from many threads.

    Counting one that was counted before in the period takes the lock and a look at
    `slots`, which the caller does itself; all else is done here. A signal may come
    at any time, and its handler may count too: the lock may be taken again by the
    thread that has it, and what a handler adds while its own thread does is added after.

    Attributes:
        lock: guards the others.
        slots: the counter of each combination.
        cells: the counters.
        busy_thread: which thread is in the midst of a change, 0 for none.
    """

    __slots__ = ("_late", "_ledger", "_make", "_texts", "busy_thread", "cells", "lock", "slots")

    def __init__(self, make: Callable[[], Ledger]) -> None:
        self._make = make
        self.lock = threading.RLock()
        self.busy_thread = 0
        self._late: list[tuple[object, Form, str]] = []
        self._begin()

    def _begin(self) -> None:
        self._ledger: Ledger | None = None
        self.cells: array[int] | memoryview[int] = memoryview(b"")
        self.slots: dict[object, int] = {}
        self._texts: dict[tuple[Form, str], int] = {}

    def add(self, key: object, form: Form, item: str) -> list[Ledger]:
        """Count a combination that may be new; give the ledgers that are full."""
        with self.lock:
            self._late.append((key, form, item))
            if self.busy_thread:
                return []
            self.busy_thread = threading.get_ident()
            try:
                return self._add_late()
            finally:
                self.busy_thread = 0

    def take(self) -> list[Ledger]:
        """Give the ledgers of what was counted, if anything was; the rest is counted anew."""
        with self.lock:
            if self.busy_thread:
                return []
            self.busy_thread = threading.get_ident()
            try:
                return [*self._add_late(), *self._change()]
            finally:
                self.busy_thread = 0

    @property
    def is_kept(self) -> bool:
        """Tell whether whatever was counted outlives the process."""
        return not self._late and (self._ledger is None or self._ledger.is_kept)

    def abandon(self) -> None:
        """Let go of what was counted: after a fork it is the parent's."""
        if self._ledger is not None:
            self._ledger.abandon()

    def _change(self) -> list[Ledger]:
        ledger = self._ledger
        self._begin()
        return [ledger] if ledger else []

    def _add_late(self) -> list[Ledger]:
        full: list[Ledger] = []
        while self._late:
            each = self._late.pop(0)
            try:
                self._add(*each)
            except LedgerFullError:
                full += self._change()
                self._add(*each)
        return full

    def _add(self, key: object, form: Form, item: str) -> None:
        if self._ledger is None:
            self._ledger = self._make()
        slot = self._texts.get((form, item))  # 200 and 200.0 are two keys of one combination.
        if slot is None:
            slot = self._texts[form, item] = self._ledger.enter(form, item)
            self.cells = self._ledger.cells
        self.cells[slot] += 1
        self.slots[key] = slot
