"""Requests of a capture while they arrive: lines on stderr, or a table on a terminal."""

from __future__ import annotations

import sys
import time
from collections import Counter, deque
from contextlib import contextmanager
from math import ceil
from typing import TYPE_CHECKING, NamedTuple, Self

from usagectl.cli import _output
from usagectl.errors import count_of
from usagectl.showing import printable_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console, ConsoleOptions
    from rich.table import Table
    from rich.text import Text

    from usagectl.capture import Arrival, Refusal
    from usagectl.capture.observations import Observation
    from usagectl.cli._render import BarMeter

_MOST_NAMES = 3
_MOST_ROWS = 15
_MOST_BARS = 5
_PATIENCE_SECONDS = 2.0
"""How long nobody asks why nothing happens."""

_LEAST_WIDTH = 72
_TITLES = ("time", "tool", "path", "events", "bytes")


class Watcher(NamedTuple):
    """What is told of requests as they come, and of what is seen beside them."""

    on_arrival: Callable[[Arrival], None] = lambda _arrival: None
    on_refusal: Callable[[Refusal], None] = lambda _refusal: None
    on_observed: Callable[[Observation], None] = lambda _observed: None


@contextmanager
def watch(*, is_wanted: bool, has_table: bool) -> Iterator[Watcher]:
    """Show requests on stderr as they arrive: in a table on a terminal of ours, else in lines."""
    if not is_wanted:
        yield Watcher()
    elif has_table and sys.stderr.isatty():
        from rich.live import Live

        from usagectl.cli._render import error_console

        table = ArrivalTable()
        with Live(table, console=error_console(), refresh_per_second=4):
            yield Watcher(table.add, table.add_refusal, table.add_observed)
    else:
        yield Watcher(_print_arrival, _print_refusal, _print_observed)


class Wait:
    """What says, after a while, why the answer does not come: a bar on a terminal, else lines."""

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._told = 0  # Whole seconds.
        self._bar: BarMeter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.__exit__()

    def tell(self, seconds: float) -> None:
        """Take how long it is so far; each second is told once."""
        whole = int(seconds)
        if seconds < _PATIENCE_SECONDS or whole == self._told:
            return
        if not self._told:
            self._begin()
        elif not self._bar:
            _output.print_remark(f"Still waiting: {whole} of {self._grace:g} s.")
        if self._bar:
            self._bar.show(whole, ceil(self._grace))
        self._told = whole

    def _begin(self) -> None:
        grace = f"{self._grace:g} s"
        _output.print_remark(
            f"Waiting for what still runs behind it, {grace} at most; --grace sets that."
        )
        if sys.stderr.isatty():
            from usagectl.cli._render import BarMeter

            self._bar = BarMeter("Waiting", "s").__enter__()


def _print_refusal(refusal: Refusal) -> None:
    _output.print_remark(f"{_now()} turned away {refusal.what}", hint=refusal.advice)


def _print_arrival(arrival: Arrival) -> None:
    """Print a line for a request, between those of the command."""
    at, tool, path, names, size = _cells(arrival)
    _output.print_remark(f"{at} {arrival.method} {path} {tool}: {names} ({size} bytes)")


def _print_observed(observed: Observation) -> None:
    kind, place, detail = _cells_of(observed)
    more = f" ({detail})" if detail else ""
    _output.print_remark(f"{_now()} {kind}: {place}{more}")


def _cells_of(observed: Observation) -> tuple[str, str, str]:
    """Say of an observation its kind, where it went, and its detail."""
    port = f":{observed.port}" if observed.port else ""
    return observed.kind, f"{observed.host}{port}", observed.detail


def _cells(arrival: Arrival) -> tuple[str, ...]:
    names = ", ".join(arrival.names[:_MOST_NAMES]) or arrival.problem
    tool = f"{arrival.tool}, by another address" if arrival.is_foreign else arrival.tool
    return (_now(), tool, f"{arrival.host}{arrival.path}", names, str(arrival.bytes))


def _now() -> str:
    return time.strftime("%H:%M:%S")


class ArrivalTable:
    """Table of the newest requests, and a bar for each sender; filled and drawn by two threads."""

    def __init__(self) -> None:
        self._rows: deque[tuple[str, ...]] = deque(maxlen=_MOST_ROWS)
        self._requests = self._refused = 0
        self._senders: Counter[str] = Counter()

    def add(self, arrival: Arrival) -> None:
        """Add a request; the next refresh draws it."""
        self._requests += 1
        self._senders[" ".join(filter(None, (arrival.tool, arrival.host)))] += 1
        self._rows.append(_cells(arrival))

    def add_refusal(self, refusal: Refusal) -> None:
        """Add a request that was turned away."""
        self._refused += 1
        self._rows.append((_now(), "turned away", refusal.what, refusal.advice, ""))

    def add_observed(self, observed: Observation) -> None:
        """Add what was seen beside the requests."""
        kind, place, detail = _cells_of(observed)
        self._rows.append((_now(), kind, place, detail, ""))

    def __rich_console__(
        self, _console: Console, options: ConsoleOptions
    ) -> Iterator[Table | Text]:
        """Draw the table; on a narrow terminal each row as a line that wraps at words.

        Nothing before the first row: what is to be set for a program stands there still.
        """
        from rich.table import Table
        from rich.text import Text

        rows = [tuple(map(printable_line, row)) for row in tuple(self._rows)]
        if not rows:
            return
        if options.max_width < _LEAST_WIDTH:
            yield from (Text("  ".join(filter(None, row))) for row in rows)
        else:
            table = Table.grid(padding=(0, 2, 0, 0))
            for _ in _TITLES:
                table.add_column(overflow="fold")
            table.add_row(*(Text(title, style="bold") for title in _TITLES))
            for row in rows:
                table.add_row(*map(Text, row))
            yield table
            yield from self._bars(options)
        refused = f", {self._refused} turned away" if self._refused else ""
        yield Text(f"{count_of(self._requests, 'request')} so far{refused}", style="italic")

    def _bars(self, options: ConsoleOptions) -> Iterator[Text]:
        """Draw who sent how many requests, as soon as there is something to compare."""
        from rich.text import Text

        from usagectl.cli._render import bar_texts

        most = self._senders.most_common(_MOST_BARS)
        if len(most) > 1:
            rows = {name: {"requests": count} for name, count in most}
            has_blocks = options.encoding.startswith("utf")
            *bars, _legend = bar_texts(rows, width=options.max_width, has_blocks=has_blocks)
            yield from (Text(), *bars, Text())
