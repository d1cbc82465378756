"""Own the tracker: the object through which a program records its events.

Nothing here raises into the program for telemetry's reasons, prints, or waits for
a network. While telemetry is off there is no thread, no file and no socket.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Self

from usagectl.emitting import permission
from usagectl.emitting.tracker.recorder import CALLS
from usagectl.emitting.tracker.standing import Options, Standing
from usagectl.errors import InvalidValueError, UnknownEventError, UsagectlError
from usagectl.events import kinds, schemas
from usagectl.events.encoding import CLI_CMD
from usagectl.tools.registry import validate_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from usagectl.emitting.tracker.recorder import Recorder
    from usagectl.events.kinds import Kind
    from usagectl.machine.environment import Environment

PERIOD = timedelta(seconds=15)
"""How often counts become an event, and the switches are read anew."""

SHORTEST_PERIOD, LONGEST_PERIOD = timedelta(milliseconds=10), timedelta(days=1)
"""A shorter period is taken for the one, which keeps no processor busy, a longer for the other."""

_DUMMY_ACCOUNT = "000000000000"
_DEFAULT_REGION = "us-east-1"
_CLIENT_ERRORS = range(400, 500)
_INTERNAL_ERROR = 500
_MISFITS = (schemas.EventShapeError, UnknownEventError, kinds.InvalidKindError)


class Tracker(Standing):
    """Record the events of a program, if its user lets it.

    The first record asks the user's switches, begins the session and starts one
    thread for all trackers of the process. A tracker may be used by any number of
    threads and in forked processes, which go on in the same session; a process
    that is spawned makes its own.

    What does not fit the notice is dropped and counted in `dropped`.

    Args:
        name: the tool's name, as a person types it.
        version: its version.
        endpoint: the base URL that its author declares; empty: nothing is sent by itself.
        token: goes into the session event, readable; None: there is none.
        is_debug: whether the stack traces of internal errors are recorded.
        aggregate: count API calls by service, operation and status instead of recording each.
        kinds: the event kinds that it declares.
        period: how often counts become an event, from ten milliseconds to a day.
        environment: what it runs on; None: the process's own, taken anew each period.
        is_testing: whether this is a test run of the program itself.
        strict: raise what does not fit, for the tests of the program.

    Raises:
        InvalidValueError: the name is none of a tool, or the period is not positive.
        InvalidKindError: a kind cannot be declared.
    """

    def __init__(  # noqa: PLR0913  (each is an option)
        self,
        name: str,
        *,
        version: str = "",
        endpoint: str = "",
        token: str | None = None,
        is_debug: bool = False,
        aggregate: bool = False,
        kinds: Sequence[Kind] = (),
        period: timedelta = PERIOD,
        environment: Environment | None = None,
        is_testing: bool = False,
        strict: bool = False,
    ) -> None:
        if period <= timedelta():
            raise InvalidValueError("period", str(period), wanted="it has to be positive")
        _check_kinds(name, declared=kinds)
        emitter = permission.Emitter(
            validate_name(name), version, endpoint, tuple(kinds), permission.program()
        )
        seconds = min(max(period, SHORTEST_PERIOD), LONGEST_PERIOD).total_seconds()
        super().__init__(
            Options(emitter, seconds, token, environment, is_testing, does_aggregate=aggregate)
        )
        self._kinds = emitter.kinds
        self._is_debug = is_debug
        self._does_aggregate = aggregate
        self._is_strict = strict
        self.dropped = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def aws_request(  # noqa: PLR0913  (each is a field of the notice)
        self,
        *,
        service: str,
        operation: str,
        status_code: int,
        err_type: str | None = None,
        err_msg: str | None = None,
        stack_trace: str | None = None,
        is_internal: bool = False,
        region: str = _DEFAULT_REGION,
        account_id: str = _DUMMY_ACCOUNT,
        user_agent: str = "",
    ) -> None:
        """Record one call of an AWS API that was answered.

        Aggregated, it is counted by service, operation and status alone. Else the error's
        type and message are recorded for 400 to 499, the stack trace for 500 while debugging
        is on; both are scrubbed.
        """
        if self._is_off:
            return
        counts = self._calls
        if counts is not None:
            try:
                with counts.lock:
                    counts.cells[counts.slots[service, operation, status_code]] += 1
            except Exception:  # noqa: BLE001, S110  (new in this period, or nothing that fits)
                pass
            else:
                return
        if self._does_aggregate:
            labels = {"service": service, "operation": operation, "status_code": status_code}
            key = (service, operation, status_code)
            self._attempt(
                lambda recorder: recorder.count(
                    key, schemas.of(CALLS), labels, list_name="api_calls"
                )
            )
            return
        try:
            if status_code not in _CLIENT_ERRORS:
                err_type = err_msg = None
            if status_code != _INTERNAL_ERROR or not self._is_debug:
                stack_trace = None
        except Exception:  # noqa: BLE001  (the argument's own)
            self._count_dropped()
            return
        values = (
            service,
            operation,
            status_code,
            err_type,
            err_msg,
            stack_trace,
            is_internal,
            region,
            account_id,
            user_agent,
        )
        quick = self._quick
        if quick is None or not quick.add(values):
            self._attempt(lambda recorder: recorder.call(values))

    def run_init(self, *, stage: str, scripts: int, duration: float) -> None:
        """Record that init scripts of one stage were executed, in how many milliseconds."""
        self._record("run_init", {"stage": stage, "scripts": scripts, "duration": duration})

    def cli_cmd(self, *, cmd: str, params: Sequence[str] = ()) -> None:
        """Record that a command was invoked: its path and the names of the parameters typed.

        The notice connects it to no session and no machine.
        """
        self._record(CLI_CMD, {"cmd": cmd, "params": params})

    def record(self, kind: Kind, /, **values: object) -> None:
        """Record an event of a declared kind."""
        if not self._is_off:
            self._attempt(
                lambda recorder: recorder.record(schemas.of(kind.name, self._kinds), values)
            )

    def count(self, kind: Kind, /, **labels: object) -> None:
        """Count an event of a declared kind that is a counter, by its labels."""
        if self._is_off:
            return
        key = (getattr(kind, "name", None), *labels.items())
        counts = self._counts
        if counts is not None:
            try:
                with counts.lock:
                    counts.cells[counts.slots[key]] += 1
            except Exception:  # noqa: BLE001, S110  (new in this period, or nothing that fits)
                pass
            else:
                return
        self._attempt(
            lambda recorder: recorder.count(
                key, schemas.of(kind.name, self._kinds), labels, list_name="counts"
            )
        )

    def _record(self, name: str, values: Mapping[str, object]) -> None:
        if not self._is_off:
            self._attempt(lambda recorder: recorder.record(schemas.of(name, self._kinds), values))

    def _attempt(self, deed: Callable[[Recorder], None]) -> None:
        try:
            recorder = self._ready()
            if recorder is not None:
                deed(recorder)
        except _MISFITS:
            self._count_dropped()
            if self._is_strict:
                raise
        except (UsagectlError, OSError):
            pass  # Telemetry is never in the way.
        except Exception:  # noqa: BLE001  (an argument's own, or ours)
            self._count_dropped()

    def _count_dropped(self) -> None:
        with self._lock:
            self.dropped += 1


def _check_kinds(name: str, *, declared: Sequence[Kind]) -> None:
    if declared:
        kinds.declare(name, declared)
