"""Own how events get into the spool from within a program of others, whatever interrupts it.

The spool's writer does the work. This one adds what a library needs: the handler of a
signal may record while its own thread does, and a descriptor that the program has closed
is not written to, since it may be another file by now.
"""

from __future__ import annotations

import errno
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from usagectl.errors import UsagectlError
from usagectl.spool import Writer, bounds, losses

if TYPE_CHECKING:
    from datetime import date

    from usagectl.emitting.ledger.timed import TimedLines
    from usagectl.machine.environment import Environment

_FORK_PATIENCE_SECONDS = 1.0


class EventWriter(Writer):
    """Append events of one tool, recorded under one consent; what cannot be kept is counted.

    Args:
        environment: whose spool.
        tool: whose events.
        consent: under which consent to send they are recorded.

    Attributes:
        busy_thread: which thread is in the midst of a write, 0 for none.

    Raises:
        FolderUnknownError: this account has no home.
    """

    def __init__(self, environment: Environment, *, tool: str, consent: str) -> None:
        super().__init__(environment)
        self._tool = tool
        self._consent = consent
        self._turn = threading.RLock()
        self._is_waited_for = False
        self.busy_thread = 0
        self._late: list[tuple[str, bytes]] = []
        self._late_lines: list[bytes] = []
        self._identity = (0, 0)
        self._number = 0

    def add(self, kind: str, event: bytes) -> None:
        """Append one event."""
        with self._turn:
            self._late.append((kind, event))
            self._add_late()

    def add_lines(self, lines: list[bytes]) -> None:
        """Append whole lines with one write; what is lost is counted."""
        with self._turn:
            self._late_lines += lines
            self._add_late()

    def add_timed(self, lines: TimedLines, tail: bytes) -> None:
        """Append one event of a series, at this instant."""
        with self._turn:
            # A handler may come with each call here: it takes the next number, and may have
            # what waits written and another list begun.
            number = self._number = self._number + 1
            line = lines.build(self._environment.now().timestamp(), number, tail)
            self._late_lines.append(line)
            self._add_late()

    def _add_late(self) -> None:
        """Append what waits, that of a handler included that comes meanwhile."""
        if self.busy_thread:
            return
        self.busy_thread = threading.get_ident()
        try:
            while self._late_lines:
                lines, self._late_lines = self._late_lines, []
                try:
                    self.write_lines(lines)
                except (UsagectlError, OSError):
                    losses.add(self._environment, "unwritable", len(lines))
            while self._late:
                kind, event = self._late.pop(0)
                self._forget_what_is_lost()
                with suppress(UsagectlError, OSError):
                    self.append(event, tool=self._tool, kind=kind, consent=self._consent)
        finally:
            self.busy_thread = 0

    def write_lines(self, lines: list[bytes]) -> None:
        """Append whole lines with one write: all of them, or none.

        Raises:
            OSError: none was kept.
        """
        data = lines[0] if len(lines) == 1 else b"".join(lines)
        today = self._environment.now().date()
        descriptor = self._descriptor
        if (
            descriptor is None
            or today != self._day
            or self._size + len(data) > bounds.SEGMENT_BYTES
            or os.lseek(descriptor, 0, os.SEEK_CUR) != self._size
        ):
            self._forget_what_is_lost()
            descriptor = self._room_for(len(data), today)
        written = os.write(descriptor, data)
        if written != len(data):
            os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += len(data)

    def _room_for(self, size: int, day: date) -> int:
        descriptor = super()._room_for(size, day)
        status = os.fstat(descriptor)
        self._identity = (status.st_dev, status.st_ino)
        return descriptor

    def _forget_what_is_lost(self) -> None:
        """Let a descriptor be that is not our segment's any more: the host closed what it had."""
        if self._descriptor is None:
            return
        try:
            status = os.fstat(self._descriptor)
        except OSError:
            self._descriptor = None
            return
        if (status.st_dev, status.st_ino) != self._identity:
            self._descriptor = None

    def _close(self) -> None:
        self._forget_what_is_lost()
        super()._close()

    def release(self) -> None:
        """Let others have what was written so far; the next event begins a new segment."""
        with self._turn:
            self._add_late()
            if not self.busy_thread:
                self.busy_thread = threading.get_ident()
                try:
                    super().release()
                finally:
                    self.busy_thread = 0

    def wait_before_fork(self) -> None:
        """Let an append of another thread end first: the child inherits no half of one."""
        self._is_waited_for = self._turn.acquire(timeout=_FORK_PATIENCE_SECONDS)

    def go_on_in_parent(self) -> None:
        """Let the other threads go on after a fork."""
        if self._is_waited_for:
            self._is_waited_for = False
            self._turn.release()

    def go_on_in_child(self) -> None:
        """Begin anew after a fork, with random digits of its own."""
        self._turn = threading.RLock()
        self._is_waited_for = False
        self.busy_thread = 0
        self._late, self._late_lines = [], []
        super().go_on_in_child()
