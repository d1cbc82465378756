"""Pages of a capture: requests while they arrive, and the summary at the end."""

from __future__ import annotations

import re
import shutil
import sys
import time
from collections import Counter, deque
from contextlib import contextmanager
from dataclasses import replace
from shlex import quote
from typing import TYPE_CHECKING, NamedTuple

from usagectl.cli import _output
from usagectl.cli._output import as_data
from usagectl.errors import count_of
from usagectl.tools.base import built_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.table import Table

    from usagectl.audit import AuditResult, Finding
    from usagectl.capture import Arrival, Capture, Sums
    from usagectl.cli._render import Page
    from usagectl.machine.environment import Environment

_MOST_FINDINGS = 10
_MOST_NAMES = 5
_MOST_ROWS = 15
_TITLES = ("time", "tool", "path", "events", "bytes")


class Outcome(NamedTuple):
    """Result of a capture that is over.

    Attributes:
        sums: counts of what came in, under names that may be shown.
        first: the first requests that arrived.
        found: the result of its audit.
        status: the command's exit status, None without a command.
    """

    capture: Capture
    sums: Sums
    first: Sequence[Arrival]
    found: AuditResult
    status: int | None

    @property
    def unread(self) -> int:
        """The number of events and bodies that no rule has looked at."""
        return max(self.sums.events + self.sums.unparsed - self.found.events, 0)

    @property
    def loud(self) -> int:
        """The number of findings of the level error."""
        return sum(each.level == "error" for each in self.found.findings)


def sums_shown(sums: Sums, name: Callable[[str], str]) -> Sums:
    """Return the same sums; `name` turns the name of an event into what may be shown of it."""
    by_name: Counter[str] = Counter()
    for each, count in sorted(sums.by_name.items()):
        by_name[name(each)] += count
    return replace(sums, by_name=by_name)


def names_shown(environment: Environment, *, is_revealed: bool) -> Callable[[str], str]:
    """Return the function that turns a name or a path into what may be shown of it."""
    from usagectl import audit

    if is_revealed:
        return str
    return audit.Auditor(audit.Context.from_environment(environment)).shown_name


def has_containers(environment: Environment, words: Sequence[str]) -> bool:
    """True if a command names what starts containers, and an engine is here."""
    engines = ("docker", "podman")
    starters = [*engines, *(tool.name for tool in built_in() if "container" in tool.parts)]
    named = set(re.findall(r"[\w.]+", " ".join(words)))
    path = environment.variables.get("PATH", "")
    return not named.isdisjoint(starters) and any(shutil.which(each, path=path) for each in engines)


def outcome_data(outcome: Outcome) -> dict[str, object]:
    """Return a capture in its public JSON form."""
    return {
        **as_data(outcome.sums),
        "status": outcome.status,
        "file": as_data(outcome.capture.options.file),
        "variables": as_data(outcome.capture.variables),
        "findings": as_data(outcome.found.findings),
    }


def show_outcome(outcome: Outcome) -> None:
    """Draw the summary: what arrived first, then where it departs from the notice."""
    page, kept = _output.new_page(), outcome.capture.options.file
    _show_sums(outcome, page)
    _show_findings(outcome.found.findings, page)
    if kept is None and outcome.sums.requests:
        page.next_step("with --output FILE the events are kept for usagectl audit.")
    elif kept is not None and outcome.found.findings:
        page.next_step(f"usagectl audit {quote(str(kept))} says more about each finding.")


def _show_sums(outcome: Outcome, page: Page) -> None:
    sums = outcome.sums
    if outcome.capture.options.answer == "refuse":
        page.line("Nothing listened, so nothing can be said of what was sent.", style="yellow")
    elif not sums.requests and not sums.refused:
        page.line("Nothing arrived here: no usage event was sent to it.", style="bold green")
    else:
        page.line(
            f"{count_of(sums.events, 'event')} in {count_of(sums.requests, 'request')}, "
            f"{sums.bytes} bytes. None left this machine.",
            style="bold",
        )
        page.rows([(name, str(count)) for name, count in sums.by_name.most_common()])
    if sums.unparsed:
        page.line(f"{count_of(sums.unparsed, 'request')} held no event that could be read.")
    if sums.refused:
        page.line(
            f"{count_of(sums.refused, 'request')} turned away: of a browser, for another host, "
            "or no HTTP.",
            style="yellow",
        )


def _show_findings(findings: Sequence[Finding], page: Page) -> None:
    if not findings:
        return
    page.heading(f"{count_of(len(findings), 'departure')} from the notice")
    shown = findings[:_MOST_FINDINGS]
    page.rows([(each.level, each.rule, each.place, each.message) for each in shown])
    page.more(len(findings) - len(shown))


@contextmanager
def watch(*, is_wanted: bool, has_table: bool) -> Iterator[Callable[[Arrival], None]]:
    """Show requests on stderr as they arrive: in a table on a terminal of ours, else in lines."""
    if not is_wanted:
        yield lambda _arrival: None
    elif has_table and sys.stderr.isatty():
        from rich.live import Live

        from usagectl.cli._render import error_console

        table = _ArrivalTable()
        with Live(table, console=error_console(), refresh_per_second=4):
            yield table.add
    else:
        yield _print_arrival


def _print_arrival(arrival: Arrival) -> None:
    """Print a line for a request, between those of the command."""
    at, tool, path, names, size = _cells(arrival)
    _output.print_remark(f"{at} {arrival.method} {path} {tool}: {names} ({size} bytes)")


def _cells(arrival: Arrival) -> tuple[str, ...]:
    names = ", ".join(arrival.names[:_MOST_NAMES]) or arrival.problem
    return (time.strftime("%H:%M:%S"), arrival.tool, arrival.path, names, str(arrival.bytes))


class _ArrivalTable:
    """Table of the newest requests; filled by one thread and drawn by another."""

    def __init__(self) -> None:
        self._rows: deque[tuple[str, ...]] = deque(maxlen=_MOST_ROWS)
        self._requests = 0

    def add(self, arrival: Arrival) -> None:
        """Add a request; the next refresh draws it."""
        self._requests += 1
        self._rows.append(_cells(arrival))

    def __rich__(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2, 0, 0))
        for _ in _TITLES:
            table.add_column(overflow="fold")
        table.add_row(*(Text(title, style="bold") for title in _TITLES))
        for row in tuple(self._rows):
            table.add_row(*(Text(_output.printable_line(cell)) for cell in row))
        table.caption = f"{count_of(self._requests, 'request')} so far"
        return table
