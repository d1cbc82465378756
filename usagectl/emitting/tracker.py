"""The tracker: the object through which a program records its events.

Nothing here raises into the program for telemetry's reasons or waits for a network, and
nothing prints, but the remark on what is recorded. While telemetry is off there is no
thread, no file and no socket.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Self

from usagectl.emitting import permission
from usagectl.emitting.background import process
from usagectl.emitting.clients import Client
from usagectl.emitting.recorder import build_session_event
from usagectl.emitting.remarks import Announcer
from usagectl.errors import InvalidValueError, UnknownEventError, UsagectlError, UsageError
from usagectl.events import kinds as declared_kinds
from usagectl.events import schemas
from usagectl.events.kinds import Kind
from usagectl.events.record import CLI_CMD
from usagectl.events.text_rules import RULES
from usagectl.terms import Terms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from usagectl.machine.environment import Environment
    from usagectl.terms import Default

PERIOD = timedelta(seconds=15)
"""How often counts become an event, and the switches are read anew."""

_DUMMY_ACCOUNT = "000000000000"
_DEFAULT_REGION = "us-east-1"
_CLIENT_ERRORS = range(400, 500)
_INTERNAL_ERROR = 500
_OF_NOTICE = Kind("", "")
"""Stands for the kind of an event that the notice has."""


class TrackerClosedError(UsageError):
    """An event that was to be recorded after its tracker was closed."""

    code = "tracker-closed"

    def __init__(self, tool: str) -> None:
        super().__init__(f"The tracker of {tool} is closed and records nothing more.")


_MISFITS = (
    schemas.EventShapeError,
    UnknownEventError,
    TrackerClosedError,
    declared_kinds.InvalidKindError,
    declared_kinds.UndeclaredKindError,
)


class Tracker:
    """Recording of a program's events, if its user allows it.

    The first record asks the user's switches, begins the session and starts one
    thread for all trackers of the process. A tracker may be used by any number of
    threads and in forked processes, which continue the session; a spawned process
    makes its own.

    Counts become an event each period, single events are written within a second, and
    everything at `flush`, `close` and the end of the program. A program that is killed,
    or ends with `os._exit`, loses what was not written by then.

    What does not fit is dropped, and counted in `dropped`: an event that is not of the notice
    or of a declared kind, one that comes after `close`, a kind that is declared twice or
    otherwise than by another open tracker of the process.

    Args:
        name: the tool's name, as a person types it.
        version: its version.
        endpoint: the base URL to send to when the user lets it; without one nothing is sent.
        token: goes into the session event, readable; None sends no token.
        is_debug: whether the stack traces of internal errors are recorded.
        aggregate: count API calls by service, operation and status instead of recording each.
        kinds: the event kinds that it declares.
        period: how often counts become an event, from ten milliseconds to a day.
        environment: what it runs on; None: the process's own, taken anew each period.
        is_testing: whether this is a test run of the program itself; without it nothing that
            a test runner runs is recorded.
        strict: raise what does not fit, for the tests of the program; also while it is off.
            Then a version or a token is refused too that would be left out.
        default: what holds until its user decides, as `instrument` takes it; None: what that
            was told, else `local`. With `ask` nothing is recorded before `instrument` has asked.
        privacy: what becomes of the events, in a sentence; shown to its user.
        privacy_url: where more is said.

    Raises:
        InvalidValueError: the name, version, endpoint or token is invalid, or the period is not
            positive.
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
        default: Default | None = None,
        privacy: str = "",
        privacy_url: str = "",
    ) -> None:
        if period <= timedelta():
            raise InvalidValueError("period", str(period), wanted="it has to be positive")
        _check_texts(version, token, strict=strict)
        given = declared_kinds.of_author(name, kinds) if kinds != () else ()
        kept = _one_of_each_name(name, given, strict=strict)
        self._declared = {each.name: each for each in kept}
        self._dropped = len(given) - len(kept)
        terms = Terms(default or "", privacy, privacy_url)
        emitter = permission.emitter_here(
            name, version, endpoint, kept, is_testing=is_testing, terms=terms
        )
        begin = partial(build_session_event, emitter=emitter, token=token, is_testing=is_testing)
        announcer = Announcer(emitter, has_token=bool(token and RULES["token"](token)))
        self._client = Client(
            emitter, period=period, environment=environment, begin=begin, announcer=announcer
        )
        self._is_debug = is_debug
        self._does_aggregate = aggregate
        self._is_strict = strict
        self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def dropped(self) -> int:
        """How many events and declarations did not fit, and were dropped."""
        return self._dropped

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
        values: dict[str, object]
        values = {"service": service, "operation": operation, "status_code": status_code}
        if self._does_aggregate:
            self._record("aws_request_agg", values, list_name="api_calls")
            return
        status = values["status_code"]
        status = status if isinstance(status, int) else 0  # Others are refused below.
        is_client_error = status in _CLIENT_ERRORS
        values |= {
            "err_type": err_type if is_client_error else None,
            "err_msg": err_msg if is_client_error else None,
            "stack_trace": stack_trace if self._is_debug and status == _INTERNAL_ERROR else None,
            "is_internal": is_internal,
            "region": region,
            "account_id": account_id,
            "user_agent": user_agent,
        }
        self._record("aws_request", values)

    def run_init(self, *, stage: str, scripts: int, duration: float) -> None:
        """Record that init scripts of one stage were executed, in how many milliseconds."""
        self._record("run_init", {"stage": stage, "scripts": scripts, "duration": duration})

    def cli_cmd(
        self,
        *,
        cmd: str,
        params: Sequence[str] = (),
        outcome: str | None = None,
        duration_ms: int | None = None,
    ) -> None:
        """Record that a command was invoked: its path and the names of the parameters typed.

        The notice connects it to no session and no machine, and has neither an outcome (ok,
        error, interrupted or usage) nor a duration: without them the event is the notice's own.
        """
        added = {"outcome": outcome, "duration_ms": duration_ms}
        given = {name: value for name, value in added.items() if value is not None}
        self._record(CLI_CMD, {"cmd": cmd, "params": params, **given})

    def record(self, kind: Kind, /, **values: object) -> None:
        """Record an event of a declared kind."""
        self._record(_name_of(kind), values, kind=kind)

    def count(self, kind: Kind, /, **labels: object) -> None:
        """Count an event of a declared kind that is a counter, by its labels."""
        self._record(_name_of(kind), labels, kind=kind, list_name="counts")

    def flush(self) -> None:
        """Make events of the counts and write everything, waiting ten seconds at most."""
        self._client.flush()

    def close(self) -> None:
        """Flush, and record nothing from now on; the end of the program does this by itself."""
        self._is_closed = True
        self._client.close()

    def _record(
        self,
        name: str,
        values: Mapping[str, object],
        *,
        kind: object = _OF_NOTICE,
        list_name: str = "",
    ) -> None:
        """Record an event, or count it in a list; telemetry is never in the way."""
        try:
            self._check_open()
            if self._client.is_off and not self._is_strict:
                return
            self._check_kind(kind, is_counted=bool(list_name))
            if self._is_strict:
                self._client.check(name, values, list_name=list_name)
            self._client.record(name, values, list_name=list_name)
        except _MISFITS:
            self._count_dropped()
            if self._is_strict:
                raise
        except (UsagectlError, OSError):
            pass
        except Exception:  # noqa: BLE001  (an argument's own, or ours)
            self._count_dropped()

    def _check_open(self) -> None:
        if self._is_closed:
            raise TrackerClosedError(self._client.tool)

    def _check_kind(self, kind: object, *, is_counted: bool) -> None:
        """Refuse a kind that was declared otherwise, or not at all.

        Raises:
            UndeclaredKindError: it is not declared, or has another definition.
            EventShapeError: it is a counter and was to be recorded, or the other way round.
            InvalidKindError: it is no kind.
        """
        if kind is _OF_NOTICE:
            return
        name = _name_of(kind)
        declared = self._declared.get(name)
        # Lists in place of tuples make no other definition.
        if declared is None or (kind != declared and declared_kinds.frozen(kind) != declared):
            raise declared_kinds.UndeclaredKindError(name, is_other=declared is not None)
        if declared.is_counter != is_counted:
            reason = "is set, so use count" if declared.is_counter else "is not set, so use record"
            raise schemas.EventShapeError(name, "is_counter", reason=reason)

    def _count_dropped(self) -> None:
        with process.lock:
            self._dropped += 1


def _name_of(kind: object) -> str:
    return str(getattr(kind, "name", ""))


def _check_texts(version: object, token: object, *, strict: bool) -> None:
    """Refuse a token that is no text, and if strict what a session would leave out.

    Raises:
        InvalidValueError: the sentence never holds the token.
    """
    if token is not None and (
        not isinstance(token, str) or (strict and RULES["token"](token) is None)
    ):
        raise InvalidValueError("token", "what was given", wanted="use letters, digits, - and _")
    if strict and isinstance(version, str) and version and RULES["version"](version) is None:
        raise InvalidValueError("version", version[:64], wanted="use one such as 1.2.0 or 2.0rc1")


def _one_of_each_name(tool: str, kinds: Sequence[Kind], *, strict: bool) -> tuple[Kind, ...]:
    """Leave out kinds of a name that is taken: in this declaration, or by an open tracker.

    Events are held against the definition that their tool registered, and that is one.

    Raises:
        InvalidKindError: strict, and there is one to leave out.
    """
    clients = [each for each in process.known if each.tool == tool and not each.is_closed]
    held = {kind.name: kind for each in clients for kind in each.kinds}
    kept: dict[str, Kind] = {}
    for kind in kinds:
        reason = declared_kinds.TWINS if kind.name in kept else ""
        if held.get(kind.name, kind) != kind:
            reason = "another tracker of this process has another definition of it"
        if not reason:
            kept[kind.name] = kind
        elif strict:
            raise declared_kinds.InvalidKindError(kind.name, reason=reason)
    return tuple(kept.values())
