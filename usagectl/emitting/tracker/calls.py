"""Own the recording of calls in full: into memory where there is a place, else to the spool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from usagectl.emitting import ledger
from usagectl.emitting.tracker.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from usagectl.emitting.ledger import Backlog, EventWriter, Series, TimedLines
    from usagectl.emitting.tracker.lines import Frame
    from usagectl.machine.environment import Environment

FIELDS = (
    "service",
    "operation",
    "status_code",
    "err_type",
    "err_msg",
    "stack_trace",
    "is_internal",
    "region",
    "account_id",
    "user_agent",
)
_REMEMBERED = 1024
_LONGEST_REMEMBERED = 1024
_MANY_FULL = 4
"""So many full backlogs wait for the thread; beyond that, who records has to help it."""

_MOST_FULL = 64
"""Beyond that, on a disk that hangs, events are not kept in memory any more."""


class News(Protocol):
    """Be told that something waits for the thread."""

    def __call__(self, *, is_urgent: bool) -> None:
        """Have it looked after soon, or at once."""


class Calls:
    """Record calls of one session; threads may share it.

    Attributes:
        waiting: what is not in the spool yet.
        is_direct: whether every call goes to the spool at once, since nothing will come after.
    """

    def __init__(
        self,
        environment: Environment,
        writer: EventWriter,
        names: tuple[str, str],
        *,
        clock: Callable[[], float],
        on_news: News,
    ) -> None:
        self._environment = environment
        self._writer = writer
        self._tool, self._consent = names
        self._clock = clock
        self._on_news = on_news
        self._frame: Frame | None = None
        self._tails: dict[tuple[object, ...], bytes] = {}
        self.is_direct = False
        self._begin_process()

    def _begin_process(self) -> None:
        self.waiting = Waiting(self._make_backlog, self._clock)
        self._lines: TimedLines | None = None

    def go_on_in_child(self) -> None:
        """Begin anew after a fork: what waits is the parent's, and so are its uids."""
        self.waiting.abandon()
        self._begin_process()

    def record(self, frame: Frame, values: tuple[object, ...]) -> bool:
        """Record one call; tell whether so much waits that somebody has to drain it.

        Args:
            frame: of the session's calls.
            values: of `FIELDS`, None for those that are absent.

        Raises:
            EventShapeError: they do not fit the notice.
        """
        self._frame = frame
        tail = self._tail_of(frame, values)
        if self.is_direct or not self.waiting.enter(values, tail):
            self._lines = self._lines or ledger.TimedLines(self._draw(frame))
            self._writer.add_timed(self._lines, tail)
        elif self.waiting.full:
            self._on_news(is_urgent=True)
        return self.waiting.full > _MANY_FULL

    def drain(self) -> bool:
        """Put the oldest backlog that is closed into the spool; False when there is none."""
        found = self.waiting.take()
        if found is None:
            return False
        for lines in found.batches():
            self._writer.add_lines(lines)
        found.remove()
        return True

    def discard(self) -> None:
        """Forget what waits."""
        self.waiting.close()
        while (found := self.waiting.take()) is not None:
            found.remove()

    def _tail_of(self, frame: Frame, values: tuple[object, ...]) -> bytes:
        try:
            tail = self._tails.get(values)
        except Exception:  # noqa: BLE001  (what cannot be looked up fits no field either)
            tail = None
        if tail is None:
            tail = frame.tail(dict(zip(FIELDS, values, strict=True)))
            if sum(len(each) for each in values if isinstance(each, str)) <= _LONGEST_REMEMBERED:
                if len(self._tails) >= _REMEMBERED:
                    self._tails.clear()
                self._tails[values] = tail
        return tail

    def _make_backlog(self) -> Backlog | None:
        if self._frame is None or self.waiting.full > _MOST_FULL:
            return None
        made = ledger.make_backlog(self._environment, self._draw(self._frame))
        if made is not None:
            self._on_news(is_urgent=False)
        return made

    def _draw(self, frame: Frame) -> Series:
        return ledger.draw(
            tool=self._tool,
            kind=frame.shape.name,
            consent=self._consent,
            opening=frame.opening.decode("ascii"),
            entropy=self._environment.entropy,
        )
