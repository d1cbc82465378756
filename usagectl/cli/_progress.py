"""Progress of long work on stderr: a bar on a terminal, a line a second in a log."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from usagectl.cli import _output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from usagectl.cli._render import BarMeter
    from usagectl.delivery.replay import Progress


T = TypeVar("T")

_SENDING = "Sending"
_STEP = 1000
_FIRST_SECONDS = 2.0
"""How long work may take before a log hears of it: a quick one leaves no line."""


@contextmanager
def meter_of(what: str, unit: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show how many are done, and of how many, as the callable that this gives is told."""
    if not sys.stderr.isatty():
        with CountMeter(what, unit) as lines:
            yield lines.show
        return
    from usagectl.cli._render import BarMeter

    with BarMeter(what, unit) as bar:
        yield bar.show


@contextmanager
def meter_of_replay(origin: str) -> Iterator[Meter]:
    """Show progress on stderr: a bar on a terminal, else a line a second for a log."""
    if not sys.stderr.isatty():
        with LineMeter(origin) as lines:
            yield lines
        return
    from usagectl.cli._render import BarMeter

    with BarMeter(_SENDING) as bar:
        yield _Bar(bar)


def counted(
    items: Iterable[T], show: Callable[[int, int | None], None], planned: int
) -> Iterator[T]:
    """Yield items, and show now and then how many have gone by."""
    for done, item in enumerate(items):
        if done % _STEP == 0:
            show(done, planned)
        yield item


class Meter(Protocol):
    """What shows how far a replay is, and what it waits for."""

    def progress(self, progress: Progress, planned: int) -> None:
        """Take how far it is."""

    def delay(self, what: str) -> None:
        """Take what it waits for; nothing where all goes well."""


class _Bar:
    """A bar on a terminal, behind the words that say what is waited for."""

    def __init__(self, bar: BarMeter) -> None:
        self._bar = bar

    def progress(self, progress: Progress, planned: int) -> None:
        """Draw how far it is."""
        self._bar.show(progress.settled, planned)

    def delay(self, what: str) -> None:
        """Draw what it waits for."""
        self._bar.tell(what or _SENDING)


class _Ticker:
    """A line a second on stderr, for a log, from a first one on; none where nothing is to say."""

    def __init__(self, *, seconds: float, first_seconds: float) -> None:
        self.lines = 0
        self._seconds = seconds
        self._wait = first_seconds
        self._started = time.monotonic()
        self._end = Event()
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(self._wait):
            self._wait = self._seconds
            if line := self._line():
                _output.print_remark(line)
                self.lines += 1

    def _line(self) -> str:
        raise NotImplementedError

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._started:.0f} s"


class CountMeter(_Ticker):
    """A line a second on stderr, for a log: how many are done, and of how many."""

    def __init__(
        self,
        what: str,
        unit: str,
        *,
        seconds: float = 1.0,
        first_seconds: float = _FIRST_SECONDS,
    ) -> None:
        super().__init__(seconds=seconds, first_seconds=first_seconds)
        self._what, self._unit = what, unit
        self._done: tuple[int, int | None] = (0, None)

    def show(self, done: int, planned: int | None) -> None:
        """Take how many are done, and of how many."""
        self._done = done, planned

    def _line(self) -> str:
        done, planned = self._done
        of = f" of {planned}" if planned else ""
        return f"{self._what}: {done}{of} {self._unit}, {self._elapsed()}"


class LineMeter(_Ticker):
    """A line a second on stderr, for a log: how far a replay is, and what it waits for."""

    def __init__(self, origin: str, *, seconds: float = 1.0) -> None:
        super().__init__(seconds=seconds, first_seconds=seconds)
        self._origin = origin
        self._done: tuple[Progress, int] | None = None
        self._what = ""

    def progress(self, progress: Progress, planned: int) -> None:
        """Take how far it is."""
        self._done = progress, planned

    def delay(self, what: str) -> None:
        """Take what it waits for."""
        self._what = what

    def _line(self) -> str:
        if self._done is None and not self._what:
            return ""
        far = ""
        if self._done is not None:
            progress, planned = self._done
            far = f"{progress.sent} of {planned} sent, {progress.rejected} rejected, "
            far += f"{progress.bytes} bytes, "
        what = self._what or f"waiting for {self._origin} to answer"
        return f"{far}{self._elapsed()}; {what}"
