"""Pages of `usagectl replay`: its plan, its progress, its outcome, and their JSON."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from usagectl import endpoint
from usagectl.cli import _output
from usagectl.errors import count_of
from usagectl.tools.base import mask_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from usagectl.delivery.replay import Progress, ReplayResult
    from usagectl.delivery.requests import Post

_MOST_REQUESTS = 1000
_SHOWN_REQUESTS = 20


@dataclass(frozen=True, slots=True)
class Planned:
    """What would be sent: the first requests one by one, and the sums of all."""

    requests: list[tuple[str, int, int]]
    count: int
    events: int
    bytes: int


def summarise(posts: Iterable[tuple[Post, int]]) -> Planned:
    """Count requests without keeping them: URL, events and bytes of the first thousand stay."""
    requests: list[tuple[str, int, int]] = []
    count = events = size = 0
    for post, held in posts:
        if count < _MOST_REQUESTS:
            requests.append((mask_credentials(post.url), held, len(post.body)))
        count += 1
        events += held
        size += len(post.body)
    return Planned(requests, count, events, size)


def plan_data(planned: Planned, base: str) -> dict[str, object]:
    """Turn a plan into its public JSON; `requests` lists a thousand at most."""
    return {
        **_counts(planned.events, 0, 0, planned.events, planned.count, planned.bytes, 0.0),
        "endpoint": mask_credentials(base),
        "requests": [
            {"method": "POST", "url": url, "events": events, "bytes": size}
            for url, events, size in planned.requests
        ],
    }


def result_data(result: ReplayResult, base: str) -> dict[str, object]:
    """Turn an outcome into its public JSON."""
    done = result.progress
    return {
        **_counts(
            result.planned,
            done.sent,
            done.rejected,
            result.kept,
            done.batches,
            done.bytes,
            round(result.seconds, 3),
        ),
        "endpoint": mask_credentials(base),
    }


def _counts(*values: float) -> dict[str, object]:
    names = ("planned", "sent", "rejected", "kept", "batches", "bytes", "seconds")
    return dict(zip(names, values, strict=True))


def show_plan(planned: Planned, base: str, *, is_chosen: bool, again: str) -> None:
    """Draw what would be sent; `again` is the same command without --dry-run."""
    from usagectl.cli._render import Page

    page = Page()
    if not planned.events:
        page.line(f"{_nothing(is_chosen=is_chosen)}, so nothing would be sent.")
        page.line("Next: usagectl spool says what was recorded and sent so far.")
        return
    origin = endpoint.origin_of(base)
    events, requests = count_of(planned.events, "event"), count_of(planned.count, "request")
    page.line(
        f"{events} would go to {origin} in {requests}, {planned.bytes} bytes. Nothing was sent.",
        style="bold",
    )
    page.line()
    shown = planned.requests[:_SHOWN_REQUESTS]
    page.rows(
        [(f"POST {url}", count_of(held, "event"), f"{size} bytes") for url, held, size in shown]
    )
    if planned.count > len(shown):
        page.line(f"  and {planned.count - len(shown)} more")
    page.line()
    page.line(f"Next: {again} sends them; with --dry-run --raw it prints the bytes.")


def _nothing(*, is_chosen: bool) -> str:
    return "Nothing that waits was chosen" if is_chosen else "Nothing waits"


def show_result(result: ReplayResult, base: str, *, copies: bool, is_chosen: bool) -> None:
    """Draw what was sent; the problem, if any, follows as an error."""
    from usagectl.cli._render import Page

    page, done = Page(), result.progress
    if not result.planned and result.problem is None:
        page.line(f"{_nothing(is_chosen=is_chosen)}, so nothing was sent.")
        return
    events, requests = count_of(done.sent, "event"), count_of(done.batches, "request")
    page.line(
        f"{events} sent to {endpoint.origin_of(base)} in {requests}, "
        f"{done.bytes} bytes, {result.seconds:.1f} s.",
        style="bold",
    )
    if done.rejected:
        page.line(f"{count_of(done.rejected, 'event')} rejected.", style="red")
    if result.kept:
        page.line(f"{count_of(result.kept, 'event')} still waiting.", style="yellow")
    if copies:
        page.line("These were copies: the events stay where they wait.")
    elif done.sent:
        page.line("Next: usagectl spool list --sent shows what was sent.")


class Meter(Protocol):
    """Display of how far a replay is."""

    def update(self, progress: Progress, planned: int) -> None:
        """Show where it is now."""


@contextmanager
def meter() -> Iterator[Meter]:
    """Show progress on stderr: a bar on a terminal, else a line a second."""
    if not sys.stderr.isatty():
        yield _LineMeter()
        return
    from usagectl.cli._render import BarMeter

    with BarMeter("Sending") as bar:
        yield bar


class _LineMeter:
    """Progress as a line a second, for a log."""

    def __init__(self) -> None:
        self._started = self._said = time.monotonic()

    def update(self, progress: Progress, planned: int) -> None:
        now = time.monotonic()
        if now - self._said >= 1:
            self._said = now
            _output.print_notice(
                f"{progress.sent} of {planned} sent, {progress.rejected} rejected, "
                f"{progress.bytes} bytes, {now - self._started:.0f} s"
            )
