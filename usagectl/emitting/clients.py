"""The share of one tracker in the thread of its process: its switches, its recorder, its turns."""

from __future__ import annotations

import math
import time
from contextlib import nullcontext, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from usagectl.delivery import sender
from usagectl.emitting import background, permission
from usagectl.emitting.background import process
from usagectl.emitting.recorder import Recorder, build_payload
from usagectl.emitting.remarks import Announcer, teller
from usagectl.events import schemas
from usagectl.machine import environment as surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from usagectl.emitting.permission import Emitter, Permit
    from usagectl.emitting.recorder import Session
    from usagectl.events.kinds import Kind
    from usagectl.events.schemas import Shape
    from usagectl.machine.environment import Environment

SHORTEST_PERIOD, LONGEST_PERIOD = timedelta(milliseconds=10), timedelta(days=1)
"""A shorter period would keep a processor busy; no thread can wait for much longer ones."""

WRITE_SECONDS = 1.0
"""How long a single event waits in memory at most, unless the disk is slow."""


class Client:
    """One tracker's share in the thread of its process: its switches, recorder and turns."""

    def __init__(
        self,
        emitter: Emitter,
        *,
        period: timedelta,
        environment: Environment | None,
        begin: Callable[[Environment, Session], bytes],
        announcer: Announcer,
    ) -> None:
        self._emitter = emitter
        self._period = min(max(period, SHORTEST_PERIOD), LONGEST_PERIOD).total_seconds()
        self._environment = environment
        self._build_session_event = begin
        self._announcer = announcer
        self.recorder: Recorder | None = None  # Also None after `close` and while it is off.
        self.is_off = False  # Whether it records nothing more.
        self.is_closed = False
        self._begin_process()
        process.know(self)

    def _begin_process(self) -> None:
        self._is_opening = False
        self._is_served = False
        self._next_period = 0.0
        self.is_new = True  # Whether it has not had its first turn in this process.
        self.due = math.inf  # When it wants the next one, in seconds of the monotonic clock.

    @property
    def tool(self) -> str:
        """The name of the tool whose events it records."""
        return self._emitter.name

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds that it declares."""
        return self._emitter.kinds

    def continue_in_child(self) -> None:
        """Leave to the parent what it recorded, and go on in the same session."""
        self._begin_process()
        if self.recorder is not None:
            self.recorder.forget()

    def set_aside(self) -> tuple[Recorder | None, bool, bool]:
        """Begin anew, as one that has not asked the switches; return what `take_up` takes."""
        with process.lock:
            held = self.recorder, self.is_off, self._is_served
            process.leave(self)
            self.recorder, self.is_off = None, self.is_closed
            self._begin_process()
        return held

    def take_up(self, recorder: Recorder | None, is_off: bool, was_served: bool) -> None:  # noqa: FBT001
        """Go on with what was set aside."""
        self.set_aside()
        self.recorder, self.is_off = recorder, is_off or self.is_closed
        if was_served and recorder is not None:
            self._expect(recorder, 0.0)

    def record(self, name: str, values: Mapping[str, object], *, list_name: str) -> None:
        """Record an event, or count it in a list, and have that written in time.

        Raises:
            EventShapeError: the values do not fit.
            UnknownEventError: there is no event of this name.
        """
        if self.is_off:
            return
        with nullcontext() if self._is_served else process.lock:
            recorder = self.recorder or self._open()
            if recorder is None:
                return
            recorder.record(self._shape_of(name), values, list_name=list_name)
            self._expect(recorder, self._period if list_name else WRITE_SECONDS)
        if process.has_ended:  # Nobody will write what follows.
            process.do(recorder.flush)

    def check(self, name: str, values: Mapping[str, object], *, list_name: str) -> None:
        """Hold an event against its shape, as `record` does while telemetry is not off.

        Raises:
            EventShapeError: the values do not fit.
            UnknownEventError: there is no event of this name.
        """
        build_payload(self._shape_of(name), values, list_name=list_name)

    def _shape_of(self, name: str) -> Shape:
        return schemas.of(name, self._emitter.kinds)

    def flush(self) -> None:
        """Write everything."""
        recorder = self.recorder
        if recorder is not None and self._is_served:
            process.do(recorder.flush, seconds=background.FLUSH_SECONDS)

    def close(self) -> None:
        """Write everything, have it sent, and record nothing from now on."""
        recorder, was_served = self.recorder, self._is_served
        self.is_closed = True
        self._stop()
        if recorder is not None and was_served:
            process.do(recorder.flush)
            process.do(recorder.deliver, seconds=0)

    def _open(self) -> Recorder | None:
        """Ask the switches, once, and return what records; None when telemetry is off."""
        # A signal's handler may come here while its own thread opens the recorder.
        if not (self.is_off or self._is_opening):
            self._is_opening = True
            try:
                environment = self._present_environment()
                permit = permission.permit(environment, self._emitter)
                self.recorder = self._new_recorder(environment, permit) if permit else None
            finally:
                self._is_opening = False
                self.is_off = self.recorder is None
        return self.recorder

    def _present_environment(self) -> Environment:
        return self._environment or surroundings.from_process()

    def _new_recorder(self, environment: Environment, permit: Permit) -> Recorder:
        def announce(event: str, members: Mapping[str, object]) -> None:
            announcer = self._announcer
            announcer.announce(environment, permit, event, tell=teller(), members=members)

        begin = self._build_session_event
        return Recorder(environment, self._emitter.name, permit, begin=begin, announce=announce)

    def _expect(self, recorder: Recorder, seconds: float) -> None:
        """Schedule the next write for so many seconds from now, the first one for now."""
        if not self._is_served or recorder.is_crowded:
            seconds = 0.0
        due = time.monotonic() + seconds
        if due >= self.due:
            return
        with process.lock:
            if self.is_off:  # Another thread closed it meanwhile.
                return
            if not self._is_served:
                self._is_served = True
                self._next_period = due + self._period
            self.due = due
            process.serve(self)

    def take_turn(self) -> None:
        """Write what is due; at the end of a period follow the switches first. Never raises."""
        recorder, now = self.recorder, time.monotonic()
        is_period = now >= self._next_period
        if is_period:
            self._next_period = now + self._period
        self.due = self._next_period
        if recorder is None:
            return
        with suppress(Exception):
            if is_period:
                self._follow_switches(recorder)
                recorder.flush()
            else:
                recorder.write()
            if is_period or self.is_new:
                recorder.deliver()
            self.is_new = False

    def _follow_switches(self, recorder: Recorder) -> None:
        """Stop if telemetry is off by now, and go on in a new session under another consent.

        What was recorded under one consent is not sent under another.
        """
        environment = self._present_environment()
        permit = permission.permit(environment, self._emitter)
        if permit is None:
            self._stop()
            recorder.forget()
        elif permit.consent != recorder.permit.consent:
            with process.lock:
                if not self.is_off:
                    self.recorder = self._new_recorder(environment, permit)
        elif self._is_refused(environment, recorder):
            self._stop()

    def _stop(self) -> None:
        """Record nothing more in this process."""
        with process.lock:
            self.is_off, self._is_served = True, False
            self.recorder = None
        process.leave(self)

    def _is_refused(self, environment: Environment, recorder: Recorder) -> bool:
        """True if the endpoint refused to track events since this session began."""
        pause = sender.read_pause(environment, self._emitter.name)
        if pause is None or pause.reason != "tracking-refused" or recorder.session is None:
            return False
        return pause.since >= recorder.session.started
