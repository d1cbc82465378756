"""Replay of stored events: plan the requests, check consent, send them.

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

from usagectl import consent, endpoint, spool
from usagectl.delivery import attempts, replay_files, routing
from usagectl.delivery.requests import build_post
from usagectl.errors import LockTimeoutError, UsagectlError, count_of
from usagectl.machine import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from usagectl.delivery.requests import Answer, Post
    from usagectl.machine.environment import Environment
    from usagectl.spool import Batch, Selection, Spool

BATCH_SIZE = 500
BATCH_BYTES = 1024 * 1024

_REFUSALS = 3
_FIRST_PATIENCE_SECONDS = 0.2
_PATIENCE_SECONDS = 3600.0


class EventsRejectedError(UsagectlError):
    """An endpoint that refused events for good; they are kept."""

    code = "events-rejected"
    exit_status = 5

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
    """A replay that was interrupted; the events that were not sent wait."""

    code = "interrupted"
    exit_status = 130

    def __init__(self) -> None:
        super().__init__("Interrupted; what was not sent still waits.", hint="usagectl replay")


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


class Progress(NamedTuple):
    """Progress of a replay: events sent and rejected, requests answered, bytes sent."""

    sent: int = 0
    rejected: int = 0
    batches: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """The outcome of a replay."""

    planned: int  # Events that were to be sent.
    progress: Progress
    seconds: float
    problem: UsagectlError | None = None  # Why not everything was sent.

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
            batch.events, base=base, is_session=batch.is_session, compress=options.compress
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


def run(
    environment: Environment,
    options: Options,
    *,
    base: str,
    store: Spool,
    patience_seconds: float = _PATIENCE_SECONDS,
    on_wait: Callable[[], None] = lambda: None,
    on_progress: Callable[[Progress, int], None] = lambda _progress, _planned: None,
) -> ReplayResult:
    """Send the events that wait in a store, the user's or a file's, and keep what is not taken.

    `on_wait` is called when another replay is under way, which may go on for
    `patience_seconds`; `on_progress` before the first request, and after each answer.

    Raises:
        LockTimeoutError: another replay went on and on.
        SpoolUnwritableError: the store cannot be read.
    """
    started = time.monotonic()
    with _held(environment, patience_seconds, on_wait):
        replay_files.clean(environment)
        planned = count(options, store)
        replay = _Replay(environment, options, store, base, on_progress, planned)
        problem = replay.run() if replay.planned else None
    return ReplayResult(replay.planned, replay.progress, time.monotonic() - started, problem)


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
    planned: int  # Events that are to be sent.
    progress: Progress = field(default_factory=Progress)
    last_refusal: int = 0  # Its status.

    def run(self) -> UsagectlError | None:
        """Send everything; return what ended it early, or what was rejected."""
        from usagectl.delivery.transport import Transport  # httpx costs more than a whole status

        self.on_progress(self.progress, self.planned)  # An interruption knows what was planned.
        try:
            if not self.options.copies:
                self.store.check_room()  # Events without a note would go again and again.
            with closing(Transport(self.base)) as transport:
                deliverer = attempts.Deliverer(
                    transport.send,
                    self.base,
                    patience=self.options.patience,
                    compress=self.options.compress,
                    may_continue=self._check,
                )
                has_stopped = not self._send(deliverer)
        except UsagectlError as error:  # The caller tells it with what was sent until then.
            return error
        except sqlite3.Error as error:
            return self.store.explain(error)
        except KeyboardInterrupt:
            return ReplayInterruptedError()
        return self._conclude(has_stopped=has_stopped)

    def _send(self, deliverer: attempts.Deliverer) -> bool:
        """Send batch after batch; False where a wrong address would go on to drain the spool."""
        for batch in _batches(self.options, self.store):
            if self.progress.batches >= _REFUSALS and not self.progress.sent:
                return False
            for part, answer, size in deliverer.deliver(batch):
                self._settle(part, answer, size)
                self.on_progress(self.progress, self.planned)
        return True

    def _check(self) -> None:
        """Stop at the first sign of an opt-out: the switches are read anew."""
        wanted = self.options.selection
        if wanted.consent is not None:  # Sent automatically, under that consent alone.
            found = consent.evaluate(self.environment, wanted.tools)[0]
            if consent.sending_consent(self.environment, found) != wanted.consent:
                by = consent.describe(found.decided_by)
                raise routing.TelemetryOffError(by, tool=found.tool)
            return
        route = routing.find(
            self.environment, wanted, to=self.options.to, allow_http=self.options.allow_http
        )
        withdrawn = sorted(set(route.selection.without) - set(wanted.without))
        if withdrawn:
            raise routing.TelemetryOffError("a switch that was changed", tool=withdrawn[0])

    def _conclude(self, *, has_stopped: bool) -> EventsRejectedError | None:
        done = self.progress
        if not has_stopped:  # Events that another process purged meanwhile are not kept.
            self.planned = done.sent + done.rejected
        if not done.rejected:
            return None
        return EventsRejectedError(
            endpoint.origin_of(self.base),
            count=done.rejected,
            status=self.last_refusal,
            has_stopped=has_stopped,
            are_copies=self.options.copies,
        )

    def _settle(self, part: Batch, answer: Answer, size: int) -> None:
        """Note the answer to some events, in the store first."""
        if not self.options.copies:
            words = "" if answer.is_success else answer.body.decode("utf-8", "replace")
            now, origin = self.environment.now().isoformat(), endpoint.origin_of(self.base)
            handover = spool.Handover(now, origin, answer.status, words)
            self.store.settle(part, "sent" if answer.is_success else "rejected", handover)
        number, done = len(part.events), self.progress
        if answer.is_success:
            done = done._replace(sent=done.sent + number, bytes=done.bytes + size)
        else:
            self.last_refusal = answer.status
            done = done._replace(rejected=done.rejected + number)
        self.progress = done._replace(batches=done.batches + 1)
