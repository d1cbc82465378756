"""Own when a tracker records: from its first record on, as long as its user lets it.

Nothing here raises into the program for telemetry's reasons, or waits for a network.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from usagectl.delivery import sender
from usagectl.emitting import ledger, permission
from usagectl.emitting.tracker import lifecycle
from usagectl.emitting.tracker.recorder import Recorder
from usagectl.machine import environment as surroundings

if TYPE_CHECKING:
    from collections.abc import Callable

    from usagectl.emitting.permission import Emitter
    from usagectl.emitting.tracker.counts import Counts
    from usagectl.emitting.tracker.waiting import Waiting
    from usagectl.machine.environment import Environment


DRAIN_SECONDS = 1.0
"""How long what was recorded in full waits in memory before it is put into the spool."""


class Options(NamedTuple):
    """Hold what a program says about itself and how it wants to record.

    Attributes:
        emitter: what usagectl lists of it.
        period: seconds after which counts become an event.
        token: goes into the session event; None: there is none.
        environment: what it runs on; None: the process's own, taken anew each period.
        is_testing: whether this is a test run of the program itself.
        does_aggregate: whether API calls are counted instead of recorded each.
    """

    emitter: Emitter
    period: float
    token: str | None
    environment: Environment | None
    is_testing: bool
    does_aggregate: bool


class Standing:
    """Begin with the first record, follow the switches each period, and end with the process.

    A record takes the short way through `_calls`, `_counts` or `_quick` where that is
    set, and else the long way through `_ready`.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._recorder: Recorder | None = None
        self._is_off = False
        self.due = 0.0
        self._begin_process()

    def _begin_process(self) -> None:
        self._lock = threading.RLock()
        self._is_starting = False
        self._is_joined = False
        self._is_first_turn = True
        self._next_turn = 0.0
        self._unpoint()

    def _unpoint(self) -> None:
        """Have every record take the long way."""
        self._calls: Counts | None = None
        self._counts: Counts | None = None
        self._quick: Waiting | None = None

    def _point(self, recorder: Recorder) -> None:
        """Record with this from now on, and let records take the short way."""
        self._recorder = recorder
        self._counts = recorder.counts
        if self._options.does_aggregate:
            self._calls = recorder.counts
        else:
            self._quick = recorder.calls.waiting

    def flush(self) -> None:
        """Make events of what was counted, and let a delivery take all that was recorded."""
        recorder = self._recorder
        if recorder is not None:
            with suppress(Exception):
                recorder.flush()

    def close(self) -> None:
        """Flush, and record nothing from now on; the process's end does this by itself."""
        with self._lock:
            recorder, was_joined = self._recorder, self._is_joined
            self._is_off, self._is_joined = True, False
            self._unpoint()
        if recorder is not None and was_joined:
            self._end(recorder)
            lifecycle.leave(self, lambda: self._end_and_deliver(recorder))

    def _ready(self) -> Recorder | None:
        """Give what records in this process; None when telemetry is off."""
        if not self._is_joined:
            with self._lock:
                # The handler of a signal may come by while the same thread is at it.
                if not (self._is_off or self._is_starting or self._is_joined):
                    self._is_starting = True
                    try:
                        self._begin()
                    finally:
                        self._is_starting = False
        return self._recorder if self._is_joined else None

    def _begin(self) -> None:
        """Begin to record in this process, or be off."""
        try:
            recorder = self._recorder or self._open(self._present_environment())
        except Exception:
            self._is_off = True  # It is asked once.
            raise
        if recorder is None:
            self._is_off = True
            return
        self.due = 0.0
        self._point(recorder)
        self._is_joined = True
        lifecycle.join(self)

    def _present_environment(self) -> Environment:
        return self._options.environment or surroundings.from_process()

    def _open(self, environment: Environment) -> Recorder | None:
        options = self._options
        permit = permission.permit(environment, options.emitter)
        if permit is None:
            return None
        return Recorder(
            environment,
            options.emitter,
            permit,
            token=options.token,
            is_testing=options.is_testing,
            # The process's own clock, without the detour of an instant as an object.
            clock=time.time if options.environment is None else _clock_of(environment),
            on_news=self._hurry,
        )

    def _hurry(self, *, is_urgent: bool) -> None:
        """Have the thread put what waits into the spool soon, or at once."""
        due = time.monotonic() + (0.0 if is_urgent else DRAIN_SECONDS)
        if due < self.due:
            self.due = due
            lifecycle.wake()

    def tick(self) -> None:
        """Take a turn of the thread; never raises."""
        now = time.monotonic()
        is_turn = now >= self._next_turn
        if is_turn:
            self._next_turn = now + self._options.period
        self.due = self._next_turn
        with suppress(Exception):
            if is_turn:
                self._take_turn()
            elif self._recorder is not None:
                self._recorder.drain()

    def _take_turn(self) -> None:
        recorder = self._recorder
        if recorder is None or not self._is_joined:
            return
        environment = self._present_environment()
        if self._is_first_turn:
            self._is_first_turn = False
            # One look at what others left serves all trackers of this process.
            if lifecycle.is_first(("recover", environment.state_dir)):
                ledger.recover(environment)
        else:
            permit = permission.permit(environment, self._options.emitter)
            if permit is None:
                self._stop()
                recorder.discard()
                return
            if permit.consent != recorder.permit.consent:
                self._change_to(self._open(environment), recorder)
            elif self._is_refused(environment, recorder):
                self._stop()
            recorder.flush()
        self.deliver()

    def _stop(self) -> None:
        """Record nothing more in this process."""
        with self._lock:
            self._is_off, self._is_joined = True, False
            self._unpoint()
        lifecycle.leave(self)

    def _change_to(self, successor: Recorder | None, recorder: Recorder) -> None:
        """Go on in a new session: what was recorded under one consent is not sent under another."""
        with self._lock:
            # A thread may be about to record with it.
            recorder.is_ending = recorder.calls.is_direct = True
            if successor is not None and self._is_joined:
                self._point(successor)

    def _is_refused(self, environment: Environment, recorder: Recorder) -> bool:
        """Tell whether the endpoint answered this session that it tracks no events."""
        pause = sender.read_pause(environment, self._options.emitter.name)
        if pause is None or pause.reason != "tracking-refused" or recorder.session is None:
            return False
        return pause.since is not None and pause.since >= recorder.session.started

    @property
    def tool(self) -> str:
        """Name whose events it records."""
        return self._options.emitter.name

    @property
    def has_news(self) -> bool:
        """Tell whether a sender is to be started for what it recorded."""
        recorder = self._recorder
        return recorder is not None and recorder.has_news and bool(recorder.permit.consent)

    def deliver(self) -> None:
        """Have what was recorded sent; never raises or waits."""
        if self._recorder is not None:
            self._deliver(self._recorder)

    def _deliver(self, recorder: Recorder) -> None:
        if recorder.has_news and recorder.permit.consent:
            recorder.has_news = False
            with suppress(Exception):
                permission.deliver(recorder.environment, recorder.permit)

    def end(self, deadline: float) -> None:
        """Let nothing be lost, since the process ends; never raises or waits for long."""
        self._unpoint()
        if self._recorder is not None:
            self._end(self._recorder, deadline)

    def _end(self, recorder: Recorder, deadline: float | None = None) -> None:
        with suppress(Exception):
            recorder.end(deadline or time.monotonic() + lifecycle.PATIENCE_SECONDS)

    def _end_and_deliver(self, recorder: Recorder) -> None:
        self._end(recorder)
        self._deliver(recorder)

    def go_on_in_child(self) -> None:
        """Leave to the parent what it counted, and go on in the same session."""
        self._begin_process()
        if self._recorder is not None:
            self._recorder.go_on_in_child()


def _clock_of(environment: Environment) -> Callable[[], float]:
    return lambda: environment.now().timestamp()
