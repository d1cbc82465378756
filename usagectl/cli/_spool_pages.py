"""Own how the spool looks: to a person, and as JSON."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from shlex import quote
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from usagectl.spool import SpoolState
    from usagectl.spool.listing import Entry, Stats
    from usagectl.spool.losses import Losses
    from usagectl.spool.purging import State

_ANSWER_CHARACTERS = 60
_UID_SHOWN = 18
"""Enough to find an event by; `spool show` takes the beginning of a uid."""
_DAYS = 30


def events(count: int) -> str:
    """Count events in words."""
    return "1 event" if count == 1 else f"{count} events"


def state_data(found: SpoolState) -> dict[str, object]:
    """Give the size of the spool its public JSON form."""
    return {
        "path": str(found.path) if found.path else None,
        "pending": found.pending,
        "sent": found.sent,
        "rejected": found.rejected,
        "bytes": found.bytes,
        "lost": found.losses._asdict(),
        "problem": found.problem or found.unwritable,
    }


def show_state(found: SpoolState) -> None:
    """Draw the size of the spool and what can be done with it."""
    from usagectl.cli._render import Page

    page = Page()
    page.line(f"{events(found.pending)} waiting in {found.path or 'no folder'}.", style="bold")
    page.line()
    page.rows(
        [
            ("waiting", f"{found.pending} ({found.bytes} bytes)"),
            ("sent", f"{found.sent} in the log of what was sent"),
            ("rejected", f"{found.rejected} kept that an endpoint refused"),
            ("lost", describe_losses(found.losses)),
        ]
    )
    for problem in filter(None, (found.problem, found.unwritable)):
        page.line()
        page.line(problem, style="yellow")
        page.line(f"  try: ls -la {quote(str(found.path))}")
    page.line()
    page.line("Next: usagectl spool list, show, stats, export, purge; usagectl replay sends.")


def describe_losses(losses: Losses) -> str:
    """Say how many events were lost, and why."""
    if not losses.total:
        return "none"
    reasons = (
        (losses.full, "the spool was full"),
        (losses.old, "they had become too old"),
        (losses.unwritable, "the disk took nothing"),
    )
    told = ", ".join(f"{count} since {reason}" for count, reason in reasons if count)
    return f"{losses.total}: {told}"


def entry_data(entry: Entry) -> dict[str, object]:
    """Give an event its public JSON form, without its body."""
    handover = entry.handover
    return {
        "uid": entry.uid,
        "time": entry.time,
        "tool": entry.tool,
        "event": entry.event,
        "state": entry.state,
        "bytes": len(entry.body),
        "at": handover.at if handover else None,
        "to": handover.to if handover else None,
        "status": handover.status if handover else None,
        "answer": handover.answer if handover else None,
    }


def whole_data(entry: Entry) -> dict[str, object]:
    """Give an event its public JSON form, with its exact text."""
    return {**entry_data(entry), "body": entry.body.decode("utf-8", "replace")}


def show_list(entries: list[Entry], total: int, states: Sequence[State]) -> None:
    """Draw events, one a line."""
    from usagectl.cli._render import Page
    from usagectl.spool.listing import recorded_at

    page = Page()
    if not entries:
        page.line(f"No event is {' or '.join(states)} here.")
        page.line("Next: usagectl spool stats counts all of them.")
        return
    rows: list[tuple[str, ...]] = [
        (
            recorded_at(entry),
            entry.tool,
            entry.event,
            f"{len(entry.body)} bytes",
            entry.uid[:_UID_SHOWN],
        )
        for entry in entries
    ]
    fates = [_fate(entry) for entry in entries]
    if any(fates):
        rows = [(*row, fate) for row, fate in zip(rows, fates, strict=True)]
    page.rows(rows)
    page.line()
    verb = "waiting" if tuple(states) == ("pending",) else " or ".join(states)
    page.line(f"{events(total)} {verb}.", style="bold")
    if total > len(entries):
        page.line(f"These are the newest {len(entries)}; --limit 0 shows all.")
    page.line("Next: usagectl spool show UID shows one whole.")


def _fate(entry: Entry) -> str:
    if entry.handover is None:
        return ""
    found = entry.handover
    verb = "sent to" if entry.state == "sent" else "refused by"
    words = " ".join(found.answer.split())[:_ANSWER_CHARACTERS]
    return f"{verb} {found.to} {found.at[:19]}: {found.status} {words}".rstrip()


def show_whole(entries: list[Entry], total: int) -> None:
    """Draw events whole."""
    from usagectl.cli._render import Page
    from usagectl.spool.listing import recorded_at

    page = Page()
    if not entries:
        page.line("No such event is here.")
        page.line("Next: usagectl spool stats counts all of them.")
        return
    for number, entry in enumerate(entries):
        if number:
            page.line()
        page.line(f"{entry.event} of {entry.tool}, {entry.state}", style="bold")
        rows = [("uid", entry.uid), ("recorded", f"{recorded_at(entry)} UTC")]
        rows += [("became", fate)] if (fate := _fate(entry)) else []
        page.rows(rows)
        page.body(entry.body.decode("utf-8", "replace"))
    if total > len(entries):
        page.line()
        page.line(f"These are the newest {len(entries)} of {total}; --raw or --json gives all.")


def stats_data(found: Stats, losses: Losses) -> dict[str, object]:
    """Give counts their public JSON form."""
    return {
        "events": found.total,
        "bytes": found.bytes,
        "by_state": {name[0]: count for name, count in found.by("state").items()},
        "by_tool": {name[0]: count for name, count in found.by("tool").items()},
        "by_event": {name[0]: count for name, count in found.by("event").items()},
        "by_day": [{**group._asdict(), "count": count} for group, count in found.groups.items()],
        "lost": losses._asdict(),
    }


def show_stats(found: Stats, losses: Losses) -> None:
    """Draw counts, and a bar for each day and event."""
    from usagectl.cli._render import Page

    page = Page()
    page.line(f"{events(found.total)}, {found.bytes} bytes.", style="bold")
    if found.groups:
        page.line()
        header = ("event", "tool", "pending", "sent", "rejected")
        rows = [header]
        by_state = found.by("event", "tool", "state")
        for event, tool in found.by("event", "tool"):
            counts = [str(by_state.get((event, tool, state), 0)) for state in header[2:]]
            rows.append((event, tool, counts[0], counts[1], counts[2]))
        page.rows(rows, styles=["dim", *[""] * (len(rows) - 1)])
        page.heading("By day")
        by_day = found.by("day", "event")
        days = sorted({day for day, _ in by_day})[-_DAYS:]
        page.bars([(day, event, count) for (day, event), count in by_day.items() if day in days])
    page.line()
    page.line(f"Lost: {describe_losses(losses)}.")


def show_export(file: Path, count: int, size: int, *, dry_run: bool) -> None:
    """Say what was written."""
    from usagectl.cli._render import Page

    page = Page()
    verb = "would be written" if dry_run else "written"
    page.line(f"{events(count)} {verb} to {file}, {size} bytes.")
    if dry_run:
        return
    page.line(f"Next: usagectl replay --dry-run --file {quote(str(file))}")


def show_purge(gone: int, *, dry_run: bool) -> None:
    """Say what was removed."""
    from usagectl.cli._render import Page

    verb = "would be removed" if dry_run else "removed"
    Page().line(f"{events(gone)} {verb}.")


@contextmanager
def purge_meter() -> Iterator[Callable[[int], None]]:
    """Show on stderr of a terminal how many events went so far."""
    if not sys.stderr.isatty():
        yield lambda _gone: None
        return
    from usagectl.cli._render import BarMeter

    with BarMeter("Removing") as bar:
        yield lambda gone: bar.show(gone, None)
