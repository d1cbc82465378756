"""Own the replay: what would be sent, whether it may be, and the sending of it all.

One replay at a time holds the spool. After each answer what became of the
events is logged, then noted as done: a crash repeats at most the batch that was
under way. Prints nothing and asks nobody.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from usagectl import endpoint
from usagectl.delivery import attempts, replay_files, routing
from usagectl.delivery.requests import build_post
from usagectl.delivery.transport import HttpxTransport
from usagectl.errors import (
    FileUnreadableError,
    LockTimeoutError,
    SpoolUnwritableError,
    UsagectlError,
)
from usagectl.machine import paths
from usagectl.spool import lines, logs, queue, reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from usagectl.delivery.requests import Post
    from usagectl.delivery.transport import Transport
    from usagectl.machine.environment import Environment
    from usagectl.spool.lines import Selection, Source
    from usagectl.spool.queue import Batch
    from usagectl.spool.segments import Segment

BATCH_SIZE = 500
BATCH_BYTES = 1024 * 1024

_ENDING = (attempts.DeliveryStoppedError, routing.TelemetryOffError, SpoolUnwritableError)
_REFUSED_IN_A_ROW = 3
_FIRST_PATIENCE_SECONDS = 0.2
_PATIENCE_SECONDS = 3600.0


class EventsRejectedError(attempts.DeliveryStoppedError):
    """Tell that an endpoint refused events for good; they are kept."""

    code = "events-rejected"

    def __init__(
        self, origin: str, *, count: int, status: int, has_stopped: bool, are_copies: bool = False
    ) -> None:
        events = "1 event" if count == 1 else f"{count} events"
        stopped = " It took nothing else, so the rest was not tried." if has_stopped else ""
        kept = "these were copies" if are_copies else "kept under rejected"
        super().__init__(
            f"{origin} refused {events} (status {status}); {kept}.{stopped}",
            hint="usagectl spool list" + ("" if are_copies else " --rejected"),
        )


class EventsHeldError(attempts.DeliveryStoppedError):
    """Tell that a program keeps a part of the spool open; what it holds waits on."""

    code = "events-held"

    def __init__(self, count: int) -> None:
        events = "1 event is" if count == 1 else f"{count} events are"
        super().__init__(
            f"{events} held by a program that still runs; they can be sent when it has ended.",
            hint="usagectl spool list",
        )


@dataclass(frozen=True, slots=True)
class Options:
    """Hold what a replay is asked for.

    Attributes:
        to: base URL; None: the one of the settings.
        selection: which events.
        limit: at most so many events; None: all.
        batch_size: events of one request.
        rejected: those that were rejected before, instead of those that wait.
        copies: leave the events where they are.
        allow_http: take plain http to other machines too.
        policy: how hard to try.
    """

    to: str | None = None
    selection: Selection = lines.ALL
    limit: int | None = None
    batch_size: int = BATCH_SIZE
    rejected: bool = False
    copies: bool = False
    allow_http: bool = False
    policy: attempts.Policy = field(default_factory=attempts.Policy)


class Plan(NamedTuple):
    """Hold what a replay would send: events, requests, bytes of their bodies."""

    events: int
    requests: int
    bytes: int


class Progress(NamedTuple):
    """Hold how far a replay is: events sent and rejected, requests answered, bytes sent."""

    sent: int = 0
    rejected: int = 0
    batches: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """Hold the outcome of a replay.

    Attributes:
        planned: events that were to be sent.
        progress: what was done.
        seconds: how long it took.
        problem: why not everything was sent, None when it was.
    """

    planned: int
    progress: Progress
    seconds: float
    problem: UsagectlError | None = None

    @property
    def kept(self) -> int:
        """Count the events that still wait."""
        return max(self.planned - self.progress.sent - self.progress.rejected, 0)


def plan(options: Options, *, base: str, folder: Path) -> Plan:
    """Count what a replay of a folder of segments would send; changes nothing."""
    events = requests = size = 0
    for post, count in posts(options, base=base, folder=folder):
        events += count
        requests += 1
        size += len(post.body)
    return Plan(events, requests, size)


def _count(options: Options, folder: Path) -> int:
    """Count the events of a replay; where all are meant, their lines need not be read."""
    if options.selection == lines.ALL:
        waiting = reading.measure(folder).events
        return waiting if options.limit is None else min(waiting, options.limit)
    return sum(len(batch.events) for batch in _batches(_Untouched.all_of(folder), options))


def posts(options: Options, *, base: str, folder: Path) -> Iterator[tuple[Post, int]]:
    """Build every request of a replay, with its number of events; changes nothing."""
    for batch in _batches(_Untouched.all_of(folder), options):
        post = build_post(
            batch.events,
            base=base,
            is_session=batch.is_session,
            compress=options.policy.compress,
        )
        yield post, len(batch.events)


def folder_for(environment: Environment, options: Options) -> Path:
    """Name the folder that a replay without a file takes its events from.

    Raises:
        FolderUnknownError: this account has no home.
    """
    spool_dir = paths.require_spool_dir(environment)
    return spool_dir / logs.REJECTED if options.rejected else spool_dir


def run(  # noqa: PLR0913  (what differs between a test and a run is an argument)
    environment: Environment,
    options: Options,
    *,
    base: str,
    folder: Path,
    patience_seconds: float = _PATIENCE_SECONDS,
    may_continue: Callable[[], None] | None = None,
    on_wait: Callable[[], None] = lambda: None,
    on_progress: Callable[[Progress, int], None] = lambda _progress, _planned: None,
    transport: Transport | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> ReplayResult:
    """Send what waits in a folder of segments, and keep what was not taken.

    Args:
        environment: whose.
        options: which events, and how.
        base: the base URL, as `routing` found it.
        folder: where they wait, as `folder_for` or `staging` gave it.
        patience_seconds: how long to wait for another replay to end.
        may_continue: raises when consent was withdrawn; asked before each request.
        on_wait: is told once that another replay is under way.
        on_progress: is told before the first request, and after each answer.
        transport: hands the requests over; None: over the network.
        clock: seconds that only grow.
        sleep: waits between two attempts.

    Raises:
        LockTimeoutError: another replay went on and on.
        SpoolUnwritableError: the spool cannot be read or changed.
    """
    started = clock()
    with ExitStack() as stack:
        stack.enter_context(_held(environment, patience_seconds, on_wait))
        replay_files.clean(environment, paths.require_spool_dir(environment))
        if transport is None:
            is_here = endpoint.is_loopback(base)
            uses_tls = not (is_here and base.startswith("http:"))
            transport = HttpxTransport(uses_proxies=not is_here, uses_tls=uses_tls, clock=clock)
        stack.enter_context(closing(transport))
        check = may_continue or (lambda: _check(environment, options))
        deliverer = attempts.Deliverer(
            transport, base, policy=options.policy, may_continue=check, clock=clock, sleep=sleep
        )
        session = _Session(environment, options, base=base, folder=folder, stack=stack)
        planned = _count(options, folder)
        on_progress(session.progress, planned)  # An interruption knows then what was planned.
        problem = session.send(deliverer, lambda done: on_progress(done, planned))
    result = ReplayResult(planned, session.progress, clock() - started, problem)
    return result if problem or not result.kept else _with_what_is_held(result, options, folder)


def _with_what_is_held(result: ReplayResult, options: Options, folder: Path) -> ReplayResult:
    """Tell events that a running process holds from lines that turned out to be none."""
    done = result.progress
    held = _count(options, folder)
    if options.copies:
        held -= done.sent + done.rejected
    held = max(min(held, result.kept), 0)
    planned = done.sent + done.rejected + held
    return replace(result, planned=planned, problem=EventsHeldError(held) if held else None)


def _check(environment: Environment, options: Options) -> None:
    """Stop at the first sign of an opt-out: the switches are read anew."""
    found = routing.find(
        environment, options.selection, to=options.to, allow_http=options.allow_http
    )
    withdrawn = sorted(set(found.left_out) - set(options.selection.without))
    if withdrawn:
        raise routing.TelemetryOffError("a switch that was changed", tool=withdrawn[0])


def _held(environment: Environment, seconds: float, on_wait: Callable[[], None]) -> ExitStack:
    """Hold the spool; the second of two replays waits for the first, and says so."""
    stack = ExitStack()
    try:
        stack.enter_context(queue.held(environment, seconds=min(seconds, _FIRST_PATIENCE_SECONDS)))
    except LockTimeoutError:
        if seconds <= _FIRST_PATIENCE_SECONDS:
            raise
        on_wait()
        stack.enter_context(queue.held(environment, seconds=seconds))
    return stack


class _Session:
    """Be one replay while it holds the spool."""

    def __init__(
        self,
        environment: Environment,
        options: Options,
        *,
        base: str,
        folder: Path,
        stack: ExitStack,
    ) -> None:
        self.progress = Progress()
        self._environment = environment
        self._options = options
        self._origin = endpoint.origin_of(base)
        spool_dir = paths.require_spool_dir(environment)
        self._spool_dir = spool_dir
        self._sent = logs.Log(environment, spool_dir / logs.SENT)
        self._rejected = logs.Log(environment, spool_dir / logs.REJECTED)
        self._folder = folder
        self._claims = queue.Claims(folder, spool_dir)
        if not options.copies:
            stack.enter_context(self._claims)
        stack.enter_context(closing(self._sent))
        stack.enter_context(closing(self._rejected))
        self._refused_in_a_row = 0
        self._last_refusal = 0

    def send(
        self, deliverer: attempts.Deliverer, on_progress: Callable[[Progress], None]
    ) -> UsagectlError | None:
        """Send batch after batch; return what ended it early, or what was rejected."""
        sources = _Untouched.all_of(self._folder) if self._options.copies else self._claims
        waiting = _batches(sources, self._options)
        try:
            batch = next(waiting, None)
            while batch is not None:
                batch = self._send_one(deliverer, batch, waiting, on_progress)
                if self._refused_in_a_row >= _REFUSED_IN_A_ROW and not self.progress.sent:
                    return self._rejection(has_stopped=batch is not None)
        except _ENDING as error:  # What was sent until then is told with it.
            return error
        return self._rejection(has_stopped=False) if self.progress.rejected else None

    def _send_one(
        self,
        deliverer: attempts.Deliverer,
        batch: Batch,
        waiting: Iterator[Batch],
        on_progress: Callable[[Progress], None],
    ) -> Batch | None:
        """Send a batch; return the next one, which is read while the endpoint thinks."""
        upcoming: list[Batch | None] = []
        batch.prepare()
        with self._translated():  # What could not be logged is not sent: it would go again.
            self._sent.prepare()

        def read_ahead() -> None:
            upcoming.append(next(waiting, None))

        for handed in deliverer.deliver(batch, meanwhile=read_ahead):
            self._settle(handed)
            on_progress(self.progress)
        self._claims.settle()
        return upcoming[0]

    def _rejection(self, *, has_stopped: bool) -> EventsRejectedError:
        return EventsRejectedError(
            self._origin,
            count=self.progress.rejected,
            status=self._last_refusal,
            has_stopped=has_stopped,
            are_copies=self._options.copies,
        )

    def _settle(self, handed: attempts.Handed) -> None:
        """Log what became of a batch, then note it as done."""
        count, done = len(handed.batch.events), self.progress
        if handed.is_accepted:
            self._refused_in_a_row = 0
            sent, size = done.sent + count, done.bytes + handed.size
            self.progress = done._replace(sent=sent, bytes=size, batches=done.batches + 1)
        else:
            self._refused_in_a_row += 1
            self._last_refusal = handed.answer.status
            rejected = done.rejected + count
            self.progress = done._replace(rejected=rejected, batches=done.batches + 1)
        if self._options.copies and not handed.is_accepted:
            return
        log = self._sent if handed.is_accepted else self._rejected
        handover = logs.handover_now(
            self._environment.now(),
            to=self._origin,
            status=handed.answer.status,
            answer="" if handed.is_accepted else handed.answer.body.decode("utf-8", "replace"),
        )
        with self._translated():
            try:
                log.append(handover, handed.batch.lines)
            except OSError:
                if handed.is_accepted:  # It is gone: that has to be noted, whatever the log says.
                    handed.batch.mark_done()
                raise
        handed.batch.mark_done()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or "unknown"
            raise SpoolUnwritableError(self._spool_dir, reason=reason) from error


def _batches(sources: Iterable[Source], options: Options) -> Iterator[Batch]:
    """Put the events of a replay into batches, no more than were asked for."""
    left = options.limit
    size = options.batch_size if left is None else max(min(options.batch_size, left), 1)
    for batch in queue.batches(
        sources, options.selection, batch_size=size, batch_bytes=BATCH_BYTES
    ):
        if left is not None:
            if left <= 0:
                return
            if len(batch.events) > left:
                batch = batch.split(left)[0]  # noqa: PLW2901
            left -= len(batch.events)
        yield batch


class _Untouched:
    """Be a segment that is only read."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment

    @classmethod
    def all_of(cls, folder: Path) -> Iterator[_Untouched]:
        return (cls(segment) for segment in reading.list_segments(folder))

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        """Read it; what is no file, or cannot be read, status tells of."""
        with suppress(FileUnreadableError):
            yield from reading.placed_blocks(self._segment)

    def prepare(self) -> None:
        """Need nothing."""

    def mark_done(self, spans: Iterable[object]) -> None:
        """Remember nothing."""

    def set_aside(self, start: int, line: bytes) -> None:
        """Leave it where it is."""
