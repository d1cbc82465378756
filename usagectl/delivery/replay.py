"""Replay of stored events: plan the requests, check consent, send them.

One replay goes on at a time. After each answer the store notes what became of the
events: a crash repeats at most the batch that was under way.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from usagectl import endpoint, spool
from usagectl.delivery import attempts, replay_files, routing
from usagectl.delivery.requests import build_post
from usagectl.errors import LockTimeoutError, UsagectlError, count_of
from usagectl.machine import files, paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from usagectl.delivery.requests import Post
    from usagectl.machine.environment import Environment
    from usagectl.spool import Batch, Selection, Spool

BATCH_SIZE = 500
BATCH_BYTES = 1024 * 1024

_ENDING = (attempts.DeliveryStoppedError, routing.TelemetryOffError)
_REFUSED_IN_A_ROW = 3
_FIRST_PATIENCE_SECONDS = 0.2
_PATIENCE_SECONDS = 3600.0


class EventsRejectedError(attempts.DeliveryStoppedError):
    """An endpoint that refused events for good; they are kept."""

    code = "events-rejected"

    def __init__(
        self, origin: str, *, count: int, status: int, has_stopped: bool, are_copies: bool = False
    ) -> None:
        stopped = " It took nothing else, so the rest was not tried." if has_stopped else ""
        kept = "these were copies" if are_copies else "kept under rejected"
        super().__init__(
            f"{origin} refused {count_of(count, 'event')} (status {status}); {kept}.{stopped}",
            hint="usagectl spool list" + ("" if are_copies else " --rejected"),
        )


class ReplayInterruptedError(UsagectlError):
    """A replay that was interrupted; what was not sent waits."""

    code = "interrupted"
    exit_status = 130

    def __init__(self) -> None:
        super().__init__("Interrupted; what was not sent still waits.", hint="usagectl replay")


@dataclass(frozen=True, slots=True)
class Options:
    """What a replay is asked for.

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
    selection: Selection = spool.ALL
    limit: int | None = None
    batch_size: int = BATCH_SIZE
    rejected: bool = False
    copies: bool = False
    allow_http: bool = False
    policy: attempts.Policy = field(default_factory=attempts.Policy)


class Progress(NamedTuple):
    """Progress of a replay: events sent and rejected, requests answered, bytes sent."""

    sent: int = 0
    rejected: int = 0
    batches: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """The outcome of a replay.

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


def count(options: Options, store: Spool) -> int:
    """Count the events that a replay would send."""
    found = store.count((_state(options),), options.selection)
    return found if options.limit is None else min(found, options.limit)


def posts(options: Options, *, base: str, store: Spool) -> Iterator[tuple[Post, int]]:
    """Build every request of a replay, with its number of events; changes nothing."""
    for batch in _batches(options, store):
        post = build_post(
            batch.events,
            base=base,
            is_session=batch.is_session,
            compress=options.policy.compress,
        )
        yield post, len(batch.events)


def _state(options: Options) -> spool.State:
    return "rejected" if options.rejected else "pending"


def _batches(options: Options, store: Spool) -> Iterator[Batch]:
    return store.batches(
        options.selection,
        state=_state(options),
        size=options.batch_size,
        max_bytes=BATCH_BYTES,
        limit=options.limit,
    )


def run(  # noqa: PLR0913  (what differs between a test and a run is an argument)
    environment: Environment,
    options: Options,
    *,
    base: str,
    store: Spool,
    patience_seconds: float = _PATIENCE_SECONDS,
    may_continue: Callable[[], None] | None = None,
    on_wait: Callable[[], None] = lambda: None,
    on_progress: Callable[[Progress, int], None] = lambda _progress, _planned: None,
) -> ReplayResult:
    """Send what waits in a store, and keep what was not taken.

    Args:
        environment: whose.
        options: which events, and how.
        base: the base URL, as `routing` found it.
        store: where they wait: the user's spool, or the store of a file.
        patience_seconds: how long to wait for another replay to end.
        may_continue: raises when consent was withdrawn; asked before each request.
        on_wait: is called once when another replay is under way.
        on_progress: is called before the first request, and after each answer.

    Raises:
        LockTimeoutError: another replay went on and on.
        SpoolUnwritableError: the store cannot be read.
    """
    started = time.monotonic()
    with _held(environment, patience_seconds, on_wait):
        replay_files.clean(environment)
        replay = _Replay(environment, options, store, base=base, on_progress=on_progress)
        may_go_on = may_continue or (lambda: _check(environment, options))
        problem = _deliver(replay, options, base=base, may_continue=may_go_on)
    return ReplayResult(replay.planned, replay.progress, time.monotonic() - started, problem)


def _deliver(
    replay: _Replay, options: Options, *, base: str, may_continue: Callable[[], None]
) -> UsagectlError | None:
    """Send over the network; where nothing waits, httpx is not even loaded."""
    if not replay.planned:
        return None
    from usagectl.delivery.transport import Transport  # httpx costs more than a whole status

    with closing(Transport(base)) as transport:
        deliverer = attempts.Deliverer(
            transport.send, base, policy=options.policy, may_continue=may_continue
        )
        return replay.send(deliverer)


def _check(environment: Environment, options: Options) -> None:
    """Stop at the first sign of an opt-out: the switches are read anew."""
    found = routing.find(
        environment, options.selection, to=options.to, allow_http=options.allow_http
    )
    withdrawn = sorted(set(found.left_out) - set(options.selection.without))
    if withdrawn:
        raise routing.TelemetryOffError("a switch that was changed", tool=withdrawn[0])


@contextmanager
def _held(environment: Environment, seconds: float, on_wait: Callable[[], None]) -> Iterator[None]:
    """Be the only replay; the second of two waits for the first, and says so."""
    folder = paths.require_delivery_dir(environment)
    with ExitStack() as stack:
        try:
            stack.enter_context(files.lock(folder, seconds=min(seconds, _FIRST_PATIENCE_SECONDS)))
        except LockTimeoutError:
            if seconds <= _FIRST_PATIENCE_SECONDS:
                raise
            on_wait()
            stack.enter_context(files.lock(folder, seconds=seconds))
        yield


class _Replay:
    """One replay while no other one goes on."""

    def __init__(
        self,
        environment: Environment,
        options: Options,
        store: Spool,
        *,
        base: str,
        on_progress: Callable[[Progress, int], None],
    ) -> None:
        self.progress = Progress()
        self.planned = count(options, store)
        self._environment = environment
        self._options = options
        self._store = store
        self._origin = endpoint.origin_of(base)
        self._on_progress = on_progress
        self._refused_in_a_row = 0
        self._last_refusal = 0

    def send(self, deliverer: attempts.Deliverer) -> UsagectlError | None:
        """Send batch after batch; return what ended it early, or what was rejected."""
        self._on_progress(self.progress, self.planned)  # An interruption knows what was planned.
        try:
            if self.planned and not self._options.copies:
                self._store.check_room()  # What could not be noted would go again and again.
            for batch in _batches(self._options, self._store):
                if self._is_refused_everywhere():
                    return self._rejection(has_stopped=True)
                for handed in deliverer.deliver(batch):
                    self._settle(handed)
                    self._on_progress(self.progress, self.planned)
        except _ENDING as error:  # What was sent until then is told with it.
            return error
        except sqlite3.Error as error:
            return self._store.explain(error)
        except KeyboardInterrupt:
            return ReplayInterruptedError()
        # Events that another process purged meanwhile are not kept.
        self.planned = self.progress.sent + self.progress.rejected
        return self._rejection(has_stopped=False) if self.progress.rejected else None

    def _is_refused_everywhere(self) -> bool:
        """True where a wrong address would go on to drain the spool."""
        return self._refused_in_a_row >= _REFUSED_IN_A_ROW and not self.progress.sent

    def _rejection(self, *, has_stopped: bool) -> EventsRejectedError:
        return EventsRejectedError(
            self._origin,
            count=self.progress.rejected,
            status=self._last_refusal,
            has_stopped=has_stopped,
            are_copies=self._options.copies,
        )

    def _settle(self, handed: attempts.Handed) -> None:
        """Note what became of a batch, in the store first."""
        if not self._options.copies:
            self._note(handed)
        number, done = len(handed.batch.events), self.progress
        if handed.is_accepted:
            self._refused_in_a_row = 0
            done = done._replace(sent=done.sent + number, bytes=done.bytes + handed.size)
        else:
            self._refused_in_a_row += 1
            self._last_refusal = handed.answer.status
            done = done._replace(rejected=done.rejected + number)
        self.progress = done._replace(batches=done.batches + 1)

    def _note(self, handed: attempts.Handed) -> None:
        answer = "" if handed.is_accepted else handed.answer.body.decode("utf-8", "replace")
        handover = spool.Handover(
            self._environment.now().isoformat(),
            to=self._origin,
            status=handed.answer.status,
            answer=answer,
        )
        self._store.settle(handed.batch, "sent" if handed.is_accepted else "rejected", handover)
