"""Own the recording of one session in this process: counts, events, and the way to the spool."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from usagectl import spool
from usagectl.emitting.ledger import EventWriter, Ledger
from usagectl.emitting.tracker import lines, session
from usagectl.emitting.tracker.calls import Calls
from usagectl.emitting.tracker.counts import Counts
from usagectl.errors import UsagectlError
from usagectl.events import schemas
from usagectl.events.encoding import CLI_CMD

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from usagectl.emitting.permission import Emitter, Permit
    from usagectl.emitting.tracker.calls import News
    from usagectl.emitting.tracker.lines import Frame
    from usagectl.emitting.tracker.session import Session
    from usagectl.events.schemas import Shape
    from usagectl.machine.environment import Environment

CALL, CALLS = "aws_request", "aws_request_agg"
_HELP_SECONDS = 0.02


class Recorder:
    """Record events of one program under one consent; threads may share it.

    The session begins with the first event, unless that is a command's: the notice
    connects no command to a session.

    Attributes:
        environment: of the time when it was made.
        permit: under which it records.
        counts: what is counted.
        calls: what is recorded in full.
        session: None before it began.
        has_news: whether something was recorded that no sender was started for.
        is_ending: whether nothing will flush it later, so that each event is let go at once.
    """

    def __init__(
        self,
        environment: Environment,
        emitter: Emitter,
        permit: Permit,
        *,
        token: str | None = None,
        is_testing: bool = False,
        clock: Callable[[], float],
        on_news: News,
    ) -> None:
        self.environment = environment
        self.permit = permit
        self.session: Session | None = None
        self.has_news = False
        self.is_ending = False
        self._emitter = emitter
        self._token = token
        self._is_testing = is_testing
        self._writer = EventWriter(environment, tool=emitter.name, consent=permit.consent)
        self._frames: dict[str, Frame] = {}
        names = (emitter.name, permit.consent)
        self.calls = Calls(environment, self._writer, names, clock=clock, on_news=on_news)
        self._begin_process()

    def _begin_process(self) -> None:
        self.counts = Counts(
            lambda: Ledger(self.environment, self._emitter.name, self.permit.consent)
        )
        self._lock = threading.RLock()

    def go_on_in_child(self) -> None:
        """Begin anew after a fork: what was counted is the parent's, the session is the same."""
        self.counts.abandon()
        self.calls.go_on_in_child()
        self.has_news = False
        self._begin_process()

    def call(self, values: tuple[object, ...]) -> None:
        """Record one call in full.

        Args:
            values: of the fields of a call, None for those that are absent.

        Raises:
            EventShapeError: they do not fit the notice.
        """
        if self.calls.record(self._frame(schemas.of(CALL)), values):
            self._try_to(self._drain_one, _HELP_SECONDS)
        if self.is_ending:
            self.has_news = True
            self._writer.release()

    def record(self, shape: Shape, values: Mapping[str, object]) -> None:
        """Record one event.

        Raises:
            EventShapeError: the values do not fit.
        """
        frame = self._frame(shape)
        event = frame.join(self.environment.now(), frame.tail(values))
        self._writer.add(shape.name, event)
        self.has_news = True
        if self.is_ending:
            self._writer.release()

    def count(
        self, key: object, shape: Shape, labels: Mapping[str, object], *, list_name: str
    ) -> None:
        """Count a combination that may be new in this period.

        Raises:
            EventShapeError: the labels do not fit.
        """
        form, item = lines.count_of(self._frame(shape), labels, list_name=list_name)
        for full in self.counts.add(key, form, item):
            self._settle(full)
        if self.is_ending:
            self.flush()

    def flush(self) -> None:
        """Make events of what was counted, and let others have all that was recorded.

        The handler of a signal that comes in the midst of a record cannot: the thread does
        it later, or the end of the process.
        """
        if self._is_interrupted():
            return
        self.drain()
        with self._lock:  # What another thread took is in the spool then.
            for ledger in self.counts.take():
                self._settle(ledger)
            self._writer.release()

    def drain(self) -> None:
        """Put into the spool what was recorded in full until now."""
        for _ in range(self.calls.waiting.close()):
            with self._lock:  # Others may help in between.
                self._drain_one()

    def _drain_one(self) -> None:
        if self.calls.drain():
            self.has_news = True

    def _is_interrupted(self) -> bool:
        """Tell whether this thread is in the midst of a record: it would wait for itself."""
        own = threading.get_ident()
        return own in (
            self.calls.waiting.busy_thread,
            self.counts.busy_thread,
            self._writer.busy_thread,
        )

    def _try_to(self, deed: Callable[[], None], seconds: float) -> None:
        """Do what another thread may be at, on a disk that hangs; do not wait for that long."""
        if self._lock.acquire(timeout=seconds):
            try:
                deed()
            finally:
                self._lock.release()

    def end(self, deadline: float) -> None:
        """Flush for the last time, without waiting for a disk that hangs.

        After the deadline, of the monotonic clock, what outlives the process stays where it
        is, for whoever looks into the spool next.
        """
        self.is_ending = self.calls.is_direct = True
        left = deadline - time.monotonic()
        if left > 0 or not self.counts.is_kept:
            self._try_to(self.flush, max(left, 0.0))

    def discard(self) -> None:
        """Forget what is not in the spool: it was switched off."""
        self.calls.discard()
        for ledger in self.counts.take():
            ledger.remove()
        self._writer.release()

    def _settle(self, ledger: Ledger) -> None:
        for kind, event in ledger.settle(lines.client_time(self.environment.now())):
            self._writer.add(kind, event)
            self.has_news = True
        ledger.remove()

    def _frame(self, shape: Shape) -> Frame:
        """Give what stands around an event's time; all but a command's begin the session."""
        found = self._frames.get(shape.name)
        if found is None:
            if self.session is None and shape.name != CLI_CMD:
                self._begin_session()
            session_id = self.session.session_id if self.session else ""
            found = self._frames[shape.name] = lines.frame(shape, session_id)
        return found

    def _begin_session(self) -> None:
        """Draw the session and put its event where a sender finds it at once.

        Raises:
            EventShapeError: the program's version or token does not fit the notice.
        """
        with self._lock:
            if self.session is not None:
                return
            self.session = session.start(self.environment)
            event = session.build_event(
                self.environment,
                self._emitter,
                self.session,
                token=self._token,
                is_testing=self._is_testing,
            )
            with suppress(UsagectlError, OSError):
                tool, granted = self._emitter.name, self.permit.consent
                spool.append(self.environment, event, tool=tool, kind="session", consent=granted)
                self.has_news = True
