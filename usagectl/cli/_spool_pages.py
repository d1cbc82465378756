"""Pages of `usagectl spool` for a person: sizes, lists, whole events, counts with bars."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from shlex import quote
from typing import TYPE_CHECKING

from usagectl.cli._output import origin_shown
from usagectl.errors import FolderUnknownError, count_of
from usagectl.events.record import in_utc
from usagectl.machine.environment import STATE_DIR_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from usagectl.cli._render import Page
    from usagectl.spool import Entry, Handover, Losses, SpoolState, State, Stats

_ANSWER_CHARACTERS = 60
_NAME_CHARACTERS = 40
_UID_CHARACTERS = 18
_WIDE = 100
_DAYS = 30
_NAMES_IN_BARS = 5
_ROWS = 30


def show_state(found: SpoolState) -> None:
    """Draw the size of the spool and what can be done with it."""
    from usagectl.cli._render import Page

    page = Page()
    page.line(
        f"{count_of(found.pending, 'event')} waiting in {found.path or 'no file'}.", style="bold"
    )
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
        page.line(f"  try: {_look_at(found.path)}")
    page.line()
    page.line("Next: usagectl spool list, show, stats, export, purge; usagectl replay sends.")


def _look_at(file: Path | None) -> str:
    if file is None:
        return FolderUnknownError("the spool", variable=STATE_DIR_VARIABLE).hint
    return f"ls -la {quote(str(file.parent))}"


def describe_losses(losses: Losses) -> str:
    """Say how many events were lost, and why."""
    if not losses.total:
        return "none"
    reasons = (
        (losses.full, "the spool was full"),
        (losses.old, "they had become too old"),
        (losses.unwritable, "the disk took nothing"),
    )
    told = [(count, reason) for count, reason in reasons if count]
    if len(told) == 1:
        return f"{losses.total}, since {told[0][1]}"
    return f"{losses.total}: {', '.join(f'{count} since {reason}' for count, reason in told)}"


def short(text: str) -> str:
    """Cut a name that would fill the screen; --json has it whole."""
    return text if len(text) <= _NAME_CHARACTERS else f"{text[:_NAME_CHARACTERS]}..."


def show_list(entries: Sequence[Entry], total: int, states: Sequence[State]) -> None:
    """Draw events, one a line; those of one answer stand below it."""
    from usagectl.cli._render import Page

    page = Page()
    verb = " or ".join("waiting" if state == "pending" else state for state in states)
    if not entries:
        page.line(f"No such event is {verb}.", style="bold")
        page.line("Next: usagectl spool stats counts all that are here.")
        return
    which = (
        f"the newest {len(entries)} of {count_of(total, 'event')}" if total > len(entries) else None
    )
    page.line(f"{which or count_of(total, 'event')} {verb}.".capitalize(), style="bold")
    for (state, handover), group in groupby(entries, lambda each: (each.state, each.handover)):
        page.line()
        if handover is not None or len(states) > 1:
            page.line(_fate(state, handover), style="dim")
        page.rows([_row(entry, page.width) for entry in group])
    page.line()
    if which:
        page.line("--limit 0 shows all.")
    page.line("Next: usagectl spool show UID shows one whole; the beginning of a UID will do.")


def _row(entry: Entry, width: int) -> tuple[str, ...]:
    uid = entry.uid if width >= _WIDE else entry.uid[:_UID_CHARACTERS]
    size = f"{entry.size} bytes"
    return (short(_recorded_at(entry)), short(entry.tool), short(entry.event), size, short(uid))


def _recorded_at(entry: Entry) -> str:
    """Say when an event was recorded: UTC, to the second; its own text where that is no instant."""
    return in_utc(entry.time) or entry.time


def _fate(state: State, handover: Handover | None) -> str:
    """Say in words what became of events."""
    if state == "pending":
        return "waiting"
    if handover is None:
        return f"{state}; when and by whom is not known"
    words = " ".join(handover.answer.split())
    cut = words if len(words) <= _ANSWER_CHARACTERS else f"{words[:_ANSWER_CHARACTERS]}..."
    verb = "sent" if state == "sent" else "refused"
    where = f"{'to' if state == 'sent' else 'by'} {origin_shown(handover.to)}"
    when = short(in_utc(handover.at) or handover.at)
    said = f"status {handover.status}{f': {cut}' if cut else ''}"
    return f"{verb} {when} {where}, {said}"


def show_whole(entries: Sequence[Entry], total: int) -> None:
    """Draw events whole."""
    from usagectl.cli._render import Page

    page = Page()
    if not entries:
        page.line("No such event is here.", style="bold")
        page.line("Next: usagectl spool stats counts all of them.")
        return
    for number, entry in enumerate(entries):
        if number:
            page.line()
        page.line(f"{short(entry.event)} of {short(entry.tool)}", style="bold")
        rows = [
            ("uid", entry.uid),
            ("recorded", f"{short(_recorded_at(entry))} UTC"),
            ("state", _fate(entry.state, entry.handover)),
            ("size", f"{entry.size} bytes"),
        ]
        page.rows(rows)
        page.body(entry.body.decode("utf-8"))
    if total > len(entries):
        page.line()
        page.line(f"These are the newest {len(entries)} of {total}; --raw or --json gives all.")


def count_by(stats: Stats, *names: str) -> dict[tuple[str, ...], int]:
    """Count events by some of the members of their groups, in the order of the names."""
    found: Counter[tuple[str, ...]] = Counter()
    for group, count in stats.groups.items():
        found[tuple(getattr(group, name) for name in names)] += count
    return dict(sorted(found.items()))


def show_stats(found: Stats, losses: Losses, states: Sequence[State]) -> None:
    """Draw counts, and a bar for each day."""
    from usagectl.cli._render import Page

    page = Page()
    page.line(f"{count_of(found.total, 'event')}, {found.bytes} bytes.", style="bold")
    if found.groups:
        page.line()
        _show_names(page, found, states)
        page.heading("By day (UTC)")
        _show_days(page, found)
    else:
        page.line("Next: usagectl spool says what is here in all.")
    page.line()
    page.line(f"Lost: {describe_losses(losses)}.")


def _show_names(page: Page, found: Stats, states: Sequence[State]) -> None:
    """Draw a row for each event of each tool, the most frequent first."""
    by_state = count_by(found, "event", "tool", "state")
    names = sorted(count_by(found, "event", "tool").items(), key=lambda each: -each[1])
    heads = ("waiting" if state == "pending" else state for state in states)
    rows = [("event", "tool", *heads)]
    for (event, tool), _ in names[:_ROWS]:
        counts = [str(by_state.get((event, tool, state), 0)) for state in states]
        rows.append((short(event), short(tool), *counts))
    page.rows(rows, styles=["dim", *[""] * (len(rows) - 1)])
    if len(names) > _ROWS:
        page.line(f"  and {len(names) - _ROWS} more; --json has all")


def _show_days(page: Page, found: Stats) -> None:
    """Draw a bar for each of the last days that have events; rare events share a part."""
    totals = sorted(count_by(found, "event").items(), key=lambda each: -each[1])
    kept = {event for (event,), _ in totals[:_NAMES_IN_BARS]}
    days: dict[str, dict[str, int]] = {}
    for (day, event), count in count_by(found, "day", "event").items():
        name = short(event) if event in kept else "other"
        counts = days.setdefault(short(day), {})
        counts[name] = counts.get(name, 0) + count
    page.bars(dict(sorted(days.items())[-_DAYS:]))
    if len(days) > _DAYS:
        earlier = len(days) - _DAYS
        page.line(f"  and {earlier} earlier {'day' if earlier == 1 else 'days'}; --json has all")


def show_export(file: Path, count: int, size: int, *, dry_run: bool) -> None:
    """Say what was written."""
    from usagectl.cli._render import Page

    page = Page()
    verb = "would be written" if dry_run else "written"
    page.line(f"{count_of(count, 'event')} {verb} to {file}, {size} bytes.")
    if dry_run:
        return
    page.line(f"Next: usagectl replay --dry-run --file {quote(str(file))}")


def show_purge(gone: int, *, dry_run: bool) -> None:
    """Say what was removed."""
    from usagectl.cli._render import Page

    page = Page()
    if not gone:
        page.line(f"No such event is here; nothing {'would be' if dry_run else 'was'} removed.")
        return
    page.line(f"{count_of(gone, 'event')} {'would be ' if dry_run else ''}removed.")
