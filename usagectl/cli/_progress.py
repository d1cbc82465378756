"""Progress of a replay on stderr: a bar on a terminal, a line a second in a log."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Protocol, Self

from usagectl.cli import _output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from usagectl.cli._render import BarMeter
    from usagectl.delivery.replay import Progress


_SENDING = "Sending"


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


class LineMeter:
    """A line a second on stderr, for a log: how far a replay is, and what it waits for."""

    def __init__(self, origin: str, *, seconds: float = 1.0) -> None:
        self.lines = 0
        self._origin = origin
        self._seconds = seconds
        self._started = time.monotonic()
        self._done: tuple[Progress, int] | None = None
        self._what = ""
        self._end = Event()
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def progress(self, progress: Progress, planned: int) -> None:
        """Take how far it is."""
        self._done = progress, planned

    def delay(self, what: str) -> None:
        """Take what it waits for."""
        self._what = what

    def _run(self) -> None:
        while not self._end.wait(self._seconds):
            if self._done is not None or self._what:
                _output.print_remark(self._line())
                self.lines += 1

    def _line(self) -> str:
        far = ""
        if self._done is not None:
            progress, planned = self._done
            far = f"{progress.sent} of {planned} sent, {progress.rejected} rejected, "
            far += f"{progress.bytes} bytes, "
        what = self._what or f"waiting for {self._origin} to answer"
        return f"{far}{time.monotonic() - self._started:.0f} s; {what}"
