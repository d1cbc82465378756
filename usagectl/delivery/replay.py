"""Replay of stored events: find where they may go, plan the requests, send them.

One replay goes on at a time. After each answer the store notes what became of the
events: a crash repeats at most the batch that was under way.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from usagectl import consent, endpoint, settings, spool, tools
from usagectl.delivery import attempts, replay_files
from usagectl.delivery.requests import EVENTS, as_said
from usagectl.errors import LockTimeoutError, UsagectlError, UsageError, count_of
from usagectl.machine import files
from usagectl.settings import OWN_NAME
from usagectl.tools import instrumented

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from usagectl.consent import Consent
    from usagectl.delivery.requests import Answer, Post, Wire
    from usagectl.machine.environment import Environment
    from usagectl.settings import DeliveryFormat
    from usagectl.spool import Batch, Selection, Spool

BATCH_SIZE = 500
BATCH_BYTES = 1024 * 1024

_REFUSALS = 3
_FIRST_PATIENCE_SECONDS = 0.2
_PATIENCE_SECONDS = 3600.0


class TelemetryOffError(UsagectlError):
    """Telemetry that is off, so that nothing may be sent."""

    code = "telemetry-off"
    exit_status = 1

    def __init__(self, switch: str, *, tool: str = OWN_NAME) -> None:
        super().__init__(
            f"Nothing is sent: {tool}'s telemetry is off, by {switch}.", hint="usagectl status"
        )


class EndpointNotSecureError(UsageError):
    """An endpoint to which events would travel readable for everybody on the way."""

    code = "endpoint-not-https"

    def __init__(self, origin: str) -> None:
        super().__init__(
            f"{origin} is plain http and not this machine: everybody on the way could read the "
            "events.",
            hint="usagectl replay --allow-http",
        )


class EndpointInvalidError(UsageError):
    """An endpoint that is not an http or https URL."""

    code = "endpoint-invalid"

    def __init__(self, *, origin: str) -> None:
        super().__init__(
            f"The endpoint that {origin} names is no http or https URL.",
            hint="usagectl replay --to http://127.0.0.1:8123/v1",
        )


class EndpointMissingError(UsageError):
    """A tool whose author named no address to send its events to."""

    code = "endpoint-missing"

    def __init__(self, tool: str, delivery_format: DeliveryFormat) -> None:
        is_otlp = delivery_format == "otlp"
        what = "endpoint that takes OpenTelemetry logs" if is_otlp else "endpoint"
        self.to = "http://127.0.0.1:4318" if is_otlp else "http://127.0.0.1:8123/v1"
        named = f"{self.to} --format otlp" if is_otlp else self.to
        super().__init__(
            f"{tool} names no {what}, so its events stay here.",
            hint=f"usagectl replay --tool {tool} --to {named} --dry-run",
        )


class EndpointsDifferError(UsageError):
    """Several chosen tools whose events go to different addresses."""

    code = "endpoints-differ"

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            f"{', '.join(names)} send to different endpoints; give one tool, or --to URL.",
            hint=f"usagectl replay --tool {names[-1]}",
        )


class EventsRejectedError(UsagectlError):
    """An endpoint that refused events for good; they are kept."""

    code = "events-rejected"
    exit_status = 5

    def __init__(
        self,
        origin: str,
        *,
        count: int,
        status: int,
        has_stopped: bool,
        words: str = "",
        are_copies: bool = False,
    ) -> None:
        stopped = " It took nothing else, so the rest was not tried." if has_stopped else ""
        kept = "these were copies" if are_copies else "kept under rejected"
        super().__init__(
            f"{origin} refused {count_of(count, 'event')} (status {status})"
            f"{as_said(words)}; {kept}.{stopped}",
            hint="usagectl spool list" + ("" if are_copies else " --rejected"),
        )


class EventsRefusedError(UsagectlError):
    """A receiver that took requests and refused some of their events, unknown which."""

    code = "events-refused"
    exit_status = 5

    def __init__(self, origin: str, *, count: int, message: str) -> None:
        super().__init__(
            f"{origin} took all requests, and refused {count_of(count, 'event')} of them without "
            f"saying which{as_said(message)}.",
            hint="usagectl spool list --sent",
        )


class ReplayInterruptedError(UsagectlError):
    """A replay that was interrupted; the events that were not sent wait."""

    code = "interrupted"
    exit_status = 130

    def __init__(self) -> None:
        super().__init__("Interrupted; what was not sent still waits.", hint="usagectl replay")


class Route(NamedTuple):
    """Where a replay goes, and whose events go there."""

    base: str
    selection: Selection  # Without those of tools that have another endpoint, or are off.
    is_on: bool = False  # Sending is on for each tool whose events go.


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a replay."""

    to: str | None = None  # The base URL; None: that of the settings.
    selection: Selection = spool.ALL
    limit: int | None = None  # At most so many events.
    batch_size: int = BATCH_SIZE  # Events of one request.
    rejected: bool = False  # Those that were rejected before, instead of those that wait.
    copies: bool = False  # Leave the events where they are.
    allow_http: bool = False  # Take plain http to other machines too.
    patience: timedelta = timedelta(seconds=30)  # How long an endpoint may take nothing.
    compress: bool = False  # Send bodies with gzip.
    wire: Wire = EVENTS  # How events are written into requests.


class Progress(NamedTuple):
    """Progress of a replay: events sent and rejected; requests answered, and their bytes.

    A request that is sent again counts again, whatever its answer.
    """

    sent: int = 0
    rejected: int = 0
    batches: int = 0
    bytes: int = 0
    refused: int = 0  # Of taken requests; their receiver does not say which events these are.

    @property
    def settled(self) -> int:
        """Count the events that wait no more."""
        return self.sent + self.rejected + self.refused


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """The outcome of a replay."""

    planned: int  # Events that were to be sent.
    progress: Progress
    seconds: float
    problem: UsagectlError | None = None  # Why not everything was sent.
    message: str = ""  # What the receiver last said of a request that it took.

    @property
    def kept(self) -> int:
        """Count the events that still wait."""
        return max(self.planned - self.progress.settled, 0)


def wire_of(environment: Environment, delivery_format: DeliveryFormat | None = None) -> Wire:
    """Return how a delivery writes events; without a format that of the settings.

    Raises:
        OtlpUnavailableError: OpenTelemetry's variables ask for what usagectl cannot do.
    """
    if (delivery_format or settings.load(environment).delivery_format) == "events":
        return EVENTS
    from usagectl.delivery import otlp  # few choose it

    return otlp.choose(environment)


def find_route(
    environment: Environment,
    selection: Selection,
    *,
    to: str | None,
    delivery_format: DeliveryFormat | None = None,
    allow_http: bool = False,
) -> Route:
    """Find the address of a replay, and the tools whose events may go there.

    Without a format it is that of the settings. Each tool's events go to its own endpoint,
    unless `to` names another base URL. A loopback address is always allowed there: nothing
    leaves the machine.

    Raises:
        TelemetryOffError: consent is off.
        EndpointMissingError: the tool names no endpoint.
        EndpointInvalidError: the endpoint is not an http or https URL.
        EndpointNotSecureError: it is plain http to another machine.
        EndpointsDifferError: the tools that were chosen have different endpoints.
    """
    chosen = selection.tools
    delivery_format = delivery_format or settings.load(environment).delivery_format
    addresses = _addresses(environment, delivery_format)
    names = [*addresses]
    lead = chosen[0] if chosen and chosen[0] in names else OWN_NAME
    verdict = consent.evaluate(environment, [lead])[0]
    address = addresses[lead]
    if to is not None:
        address = instrumented.Address(endpoint.complete(to, delivery_format), origin="--to")
    base = address.url
    if not base and to is None:
        raise EndpointMissingError(lead, delivery_format)
    problem = endpoint.problem_of(base, allow_http=allow_http)
    if problem == "invalid":
        raise EndpointInvalidError(origin=address.origin or lead)
    if to is not None and endpoint.is_loopback(base):
        return Route(base, selection)
    if verdict.telemetry == "off":
        raise _off(verdict)
    if problem == "plain-http":
        raise EndpointNotSecureError(endpoint.origin_of(base))
    others = [name for name in names if name != lead and (not chosen or name in chosen)]
    verdicts = consent.evaluate(environment, others) if others else ()
    elsewhere = [name for name in others if not to and addresses[name].url != base]
    left_out = _left_out(verdicts, chosen, elsewhere)
    is_on = all(
        each.telemetry == "on" for each in (verdict, *verdicts) if each.tool not in left_out
    )
    return Route(base, selection._replace(without=left_out), is_on=is_on)


def _addresses(
    environment: Environment, delivery_format: DeliveryFormat
) -> dict[str, instrumented.Address]:
    """Return where the events of each tool that records through usagectl go."""
    user = settings.load(environment)
    return {
        tool.name: tool.endpoint(environment, user, delivery_format)
        for tool in tools.emitters(environment)
    }


def why_left_out(
    environment: Environment, tool: str, delivery_format: DeliveryFormat = "events"
) -> tuple[str, str]:
    """Explain why a tool's events stay when others go, with the command that sends them."""
    verdict = consent.evaluate(environment, [tool])[0]
    if verdict.telemetry == "off":
        by = consent.describe(verdict.decided_by)
        return f"that tool is off, by {by}", "usagectl status"
    if not _addresses(environment, delivery_format)[tool].url:
        return "that tool names no endpoint", EndpointMissingError(tool, delivery_format).hint
    return "that tool has an endpoint of its own", f"usagectl replay --tool {tool}"


def _left_out(
    verdicts: Sequence[Consent], chosen: Sequence[str], elsewhere: Sequence[str]
) -> tuple[str, ...]:
    """List the tools that are off, or send elsewhere; of those that were chosen none may."""
    found = []
    for verdict in verdicts:
        is_off = verdict.telemetry == "off"
        if is_off or verdict.tool in elsewhere:
            if verdict.tool in chosen:
                raise _off(verdict) if is_off else EndpointsDifferError(chosen)
            found.append(verdict.tool)
    return tuple(found)


def _off(verdict: Consent) -> TelemetryOffError:
    return TelemetryOffError(consent.describe(verdict.decided_by), tool=verdict.tool)


def count(options: Options, store: Spool) -> int:
    """Count the events that a replay would send."""
    found = store.count((_state(options),), options.selection)
    return found if options.limit is None else min(found, options.limit)


def posts(options: Options, *, base: str, store: Spool) -> Iterator[tuple[Post, Batch]]:
    """Build every request of a replay, with what is in it; changes nothing."""
    for batch in _batches(options, store):
        yield options.wire.build(batch, base=base, compress=options.compress), batch


def _state(options: Options) -> spool.State:
    return "rejected" if options.rejected else "pending"


def _batches(options: Options, store: Spool) -> Iterator[Batch]:
    return store.batches(
        options.selection,
        state=_state(options),
        size=options.batch_size,
        max_bytes=BATCH_BYTES,
        limit=options.limit,
        sessions_apart=options.wire.sessions_apart,
    )


def run(  # noqa: PLR0913  (three are told of three different things)
    environment: Environment,
    options: Options,
    *,
    base: str,
    store: Spool,
    patience_seconds: float = _PATIENCE_SECONDS,
    on_wait: Callable[[], None] = lambda: None,
    on_progress: Callable[[Progress, int], None] = lambda _progress, _planned: None,
    on_delay: Callable[[str], None] = lambda _what: None,
) -> ReplayResult:
    """Send the events that wait in a store, the user's or a file's, and keep what is not taken.

    `on_wait` is called when another replay is under way, which may go on for
    `patience_seconds`; `on_progress` before the first request, and after each answer;
    `on_delay` with why that takes so long, and with nothing before a first attempt.

    Raises:
        LockTimeoutError: another replay went on and on.
        SpoolUnwritableError: the store cannot be read.
    """
    started = time.monotonic()
    with _held(environment, patience_seconds, on_wait):
        replay_files.clean(environment)
        planned = count(options, store)
        replay = _Replay(environment, options, store, base, on_progress, on_delay, planned)
        problem = replay.run() if replay.planned else None
    seconds = time.monotonic() - started
    return ReplayResult(replay.planned, replay.progress, seconds, problem, replay.message)


@contextmanager
def _held(environment: Environment, seconds: float, on_wait: Callable[[], None]) -> Iterator[None]:
    """Keep other replays out; the second of two waits for the first, and says so."""
    folder = files.require_delivery_dir(environment)
    with ExitStack() as stack:
        try:
            stack.enter_context(files.lock(folder, seconds=min(seconds, _FIRST_PATIENCE_SECONDS)))
        except LockTimeoutError:
            if seconds <= _FIRST_PATIENCE_SECONDS:
                raise
            on_wait()
            stack.enter_context(files.lock(folder, seconds=seconds))
        yield


@dataclass(slots=True)
class _Replay:
    """One replay while no other one goes on."""

    environment: Environment
    options: Options
    store: Spool
    base: str
    on_progress: Callable[[Progress, int], None]
    on_delay: Callable[[str], None]
    planned: int  # Events that are to be sent.
    progress: Progress = field(default_factory=Progress)
    message: str = ""  # What the receiver said of a request that it took.
    last_refusal: int = 0  # The status of the last request that was refused.
    last_words: str = ""  # What came with it.
    refusals: int = 0  # Those that may be of a wrong address; an event too large says nothing.

    def run(self) -> UsagectlError | None:
        """Send everything; return what ended it early, or what was rejected."""
        from usagectl.delivery.transport import Transport  # httpx costs more than a whole status

        self.on_progress(self.progress, self.planned)  # An interruption knows what was planned.
        try:
            if not self.options.copies:
                self.store.check_room()  # Events without a note would go again and again.
            with closing(Transport(self.base, self.options.wire.tls)) as transport:
                deliverer = attempts.Deliverer(
                    self._counting(transport.send),
                    self.base,
                    patience=self.options.patience,
                    compress=self.options.compress,
                    wire=self.options.wire,
                    may_continue=self._check,
                    on_wait=self.on_delay,
                )
                return self._conclude(has_stopped=not self._send(deliverer))
        except UsagectlError as error:  # The caller tells it with what was sent until then.
            return error
        except sqlite3.Error as error:
            return self.store.explain(error)
        except KeyboardInterrupt:
            return ReplayInterruptedError()

    def _send(self, deliverer: attempts.Deliverer) -> bool:
        """Send batch after batch; False where a wrong address would go on to drain the spool."""
        for batch in _batches(self.options, self.store):
            if self.refusals >= _REFUSALS and not self.progress.sent:
                return False
            for part, answer in deliverer.deliver(batch):
                self._settle(part, answer)
                self.on_progress(self.progress, self.planned)
        return True

    def _counting(self, send: attempts.Send) -> attempts.Send:
        def counted(post: Post, deadline: float) -> Answer:
            answer, done = send(post, deadline), self.progress
            size = done.bytes + len(post.body)
            self.progress = done._replace(batches=done.batches + 1, bytes=size)
            return answer

        return counted

    def _check(self) -> None:
        """Stop at the first sign of an opt-out: the switches are read anew."""
        options, wanted = self.options, self.options.selection
        if wanted.consent is not None:  # Sent automatically, under that consent alone.
            found = consent.evaluate(self.environment, wanted.tools)[0]
            if consent.sending_consent(self.environment, found) != wanted.consent:
                raise _off(found)
            return
        route = find_route(
            self.environment,
            wanted,
            to=options.to,
            delivery_format=options.wire.name,
            allow_http=options.allow_http,
        )
        withdrawn = sorted(set(route.selection.without) - set(wanted.without))
        if withdrawn:
            raise TelemetryOffError("a switch that was changed", tool=withdrawn[0])

    def _conclude(self, *, has_stopped: bool) -> UsagectlError | None:
        done, origin = self.progress, endpoint.origin_of(self.base)
        if not has_stopped:  # Events that another process purged meanwhile are not kept.
            self.planned = done.settled
        if not done.rejected and done.refused:
            return EventsRefusedError(origin, count=done.refused, message=self.message)
        if not done.rejected:
            return None
        return EventsRejectedError(
            origin,
            count=done.rejected,
            status=self.last_refusal,
            words=self.last_words,
            has_stopped=has_stopped,
            are_copies=self.options.copies,
        )

    def _settle(self, part: Batch, answer: Answer) -> None:
        """Note the answer to some events, in the store first."""
        number, done, wire = len(part.ids), self.progress, self.options.wire
        refused, message = wire.read_refusal(answer)
        is_taken = answer.is_success and refused < number  # All of them: it is known which.
        self.message = message or self.message
        if not self.options.copies:
            now, origin = self.environment.now().isoformat(), endpoint.origin_of(self.base)
            handover = spool.Handover(now, origin, answer.status, wire.words_of(answer))
            self.store.settle(part, "sent" if is_taken else "rejected", handover)
        if is_taken:
            done = done._replace(sent=done.sent + number - refused, refused=done.refused + refused)
        else:
            self.last_refusal, self.last_words = answer.status, wire.words_of(answer)
            self.refusals += answer.status != attempts.TOO_LARGE
            done = done._replace(rejected=done.rejected + number)
        self.progress = done
