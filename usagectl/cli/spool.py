"""`usagectl spool`: what waits, what was sent or refused; export it, remove it."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from usagectl.cli import _output
from usagectl.cli._commands import AnsweringCommand, AnsweringGroup, Invocation, new_app
from usagectl.cli._options import DryRun, Rejected, Sent, States, Yes, parse_states, selecting
from usagectl.cli._progress import counted, meter_of
from usagectl.errors import FolderUnknownError, UsagectlError, UsageError, count_of
from usagectl.events.record import in_utc, to_line
from usagectl.machine import files
from usagectl.machine.environment import STATE_DIR_VARIABLE
from usagectl.showing import as_data, origin_shown
from usagectl.spool import STATES, UNSENT, Entry, Selection, open_spool
from usagectl.spool import purge as remove
from usagectl.spool import state as read_state

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from usagectl.cli._render import Page
    from usagectl.spool import Handover, Losses, SpoolState, State, Stats

app = new_app(cls=AnsweringGroup, invoke_without_command=True)
apps = {"spool": app}

_SHORTEST_UID = 4
_SHOWN = 20
_ANSWER_CHARACTERS = 60
_NAME_CHARACTERS = 40
_UID_CHARACTERS = 18
_WIDE = 100
_DAYS = 30
_NAMES_IN_BARS = 5
_ROWS = 30


class UnknownUidError(UsagectlError):
    """No event of the spool has such a uid."""

    code = "unknown-uid"
    exit_status = 1

    def __init__(self, uid: str) -> None:
        super().__init__(
            f"No event has a uid that begins with {uid!r}.", hint="usagectl spool list"
        )


@app.callback()
def spool(ctx: typer.Context) -> _output.Answer | None:
    """Look into the spool: what waits, what was sent, what was refused or lost."""
    if ctx.invoked_subcommand is not None:
        return None
    invocation: Invocation = ctx.obj
    found = read_state(invocation.environment)
    return _output.Answer(
        lambda: {**as_data(found), "problem": found.problem or found.unwritable},
        lambda: _show_state(found),
    )


@app.command("list", cls=AnsweringCommand)
@selecting
def list_events(
    ctx: typer.Context,
    *,
    selection: Selection,
    state: States = None,
    sent: Sent = False,
    rejected: Rejected = False,
    limit: Annotated[
        int,
        typer.Option(
            min=0,
            max=10**9,
            metavar="NUMBER",
            help="Show the newest so many events; 0 shows all.",
        ),
    ] = 50,
) -> _output.Answer:
    """List events, one a line: those that wait, unless another state is asked for."""
    invocation: Invocation = ctx.obj
    states = parse_states(state, sent=sent, rejected=rejected)
    with open_spool(invocation.environment, read_only=True) as spool:
        total = spool.count(states, selection)
        # Of many events their bodies would fill the memory, and none is shown.
        entries = spool.entries(states, selection, newest=limit or None)
        with meter_of("Reading", "events") as show_done:
            planned = min(total, limit or total)
            found = [each._replace(body=b"") for each in counted(entries, show_done, planned)]
    return _output.Answer(
        lambda: {"events": as_data(found), "shown": len(found), "total": total},
        lambda: _show_list(found, total, states),
    )


@app.command("show", cls=AnsweringCommand)
@selecting
def show(
    ctx: typer.Context,
    uids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="UID",
            help="Events whose uid begins so; all without one.",
        ),
    ] = None,
    *,
    selection: Selection,
    state: States = None,
    sent: Sent = False,
    rejected: Rejected = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Print the exact bytes of the events alone, one a line.")
    ] = False,
) -> _output.Answer:
    """Show events whole, as they were recorded.

    With --raw the bytes are those that a delivery puts into the body of its
    request. A uid is looked for in every state; without one, what waits is shown.
    """
    invocation: Invocation = ctx.obj
    asked = tuple(uids or ())
    if short := [uid for uid in asked if len(uid) < _SHORTEST_UID]:
        sentence = f"{short[0]!r} is too short: give {_SHORTEST_UID} characters of a uid."
        raise UsageError(sentence, hint="usagectl spool list")
    if raw and invocation.as_json:
        raise UsageError(
            "--raw and --json cannot be had at once.", hint="usagectl spool show --raw"
        )
    states = parse_states(
        state, sent=sent, rejected=rejected, default=STATES if uids else ("pending",)
    )
    selection = selection._replace(uids=asked)
    most = None if raw or invocation.as_json else _SHOWN
    with open_spool(invocation.environment, read_only=True) as spool:
        each_of = ((uid, selection._replace(uids=(uid,))) for uid in asked)
        errors = [UnknownUidError(uid) for uid, only in each_of if not spool.count(states, only)]
        entries = spool.entries(states, selection, newest=most)
        if raw:
            _output.print_raw(entry.body for entry in entries)
            return _output.Answer(dict, lambda: None, errors)
        shown, total = list(entries), spool.count(states, selection)
    if asked and not total:
        raise errors[0]
    return _output.Answer(
        lambda: {"events": [{**as_data(each), "body": as_data(each.body)} for each in shown]},
        lambda: _show_events(shown, total),
        errors,
    )


@app.command("stats", cls=AnsweringCommand)
@selecting
def stats(ctx: typer.Context, *, selection: Selection, state: States = None) -> _output.Answer:
    """Count events by name, tool, state and day, with a small chart on a terminal."""
    invocation: Invocation = ctx.obj
    states = parse_states(state, default=STATES)
    with open_spool(invocation.environment, read_only=True) as spool:
        found, losses = spool.stats(states, selection), spool.losses()
    return _output.Answer(
        lambda: _stats_data(found, losses), lambda: _show_stats(found, losses, states)
    )


def _stats_data(found: Stats, losses: Losses) -> dict[str, object]:
    sums = {
        f"by_{name}": {each: count for (each,), count in count_by(found, name).items()}
        for name in ("state", "tool", "event")
    }
    days = [{**as_data(group), "count": count} for group, count in found.groups.items()]
    whole = {"events": found.total, "bytes": found.bytes}
    return {**whole, **sums, "by_day": days, "lost": as_data(losses)}


@app.command("export", cls=AnsweringCommand)
@selecting
def export(
    ctx: typer.Context,
    file: Annotated[
        str | None,
        typer.Argument(metavar="FILE", help="Where to write; stdout without one."),
    ] = None,
    *,
    selection: Selection,
    state: States = None,
    events: Annotated[
        bool, typer.Option("--events", help="Write the events alone, without their envelopes.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    dry_run: DryRun = False,
) -> _output.Answer | None:
    """Write events to a file or to stdout, one a line, exactly as they are in the spool.

    Each line is an envelope whose last member is the event's exact bytes, the
    form that `usagectl replay --file` reads; it reads --events as well. The
    spool stays as it is. FILE appears whole or not at all.
    """
    invocation: Invocation = ctx.obj
    if invocation.as_json and file is None:
        raise UsageError("--json needs a FILE: stdout cannot hold both.")
    states = parse_states(state)
    with open_spool(invocation.environment, read_only=True) as spool:
        found = spool.entries(states, selection)
        texts = (entry.body if events else to_line(entry.record) for entry in found)
        if file is None:
            _output.print_raw(() if dry_run else texts)
            return None
        target = invocation.environment.cwd / file
        planned = spool.count(states, selection)
        with meter_of("Exporting", "events") as show:
            lines = counted(texts, show, planned)
            count, size = files.write_lines(target, lines, replaces=force, dry_run=dry_run)
    form = "events" if events else "records"
    data = {"file": str(target), "events": count, "bytes": size, "form": form, "dry_run": dry_run}
    return _output.Answer(lambda: data, lambda: _show_export(target, count, size, dry_run=dry_run))


@app.command("purge", cls=AnsweringCommand)
@selecting
def purge(
    ctx: typer.Context,
    *,
    selection: Selection,
    state: States = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> _output.Answer:
    """Remove events for good; without --state those that wait and those that were refused."""
    invocation: Invocation = ctx.obj
    environment = invocation.environment
    states = parse_states(state, default=UNSENT)
    is_asked = not (yes or dry_run or invocation.as_json) and _output.can_ask()
    gone = 0
    if dry_run or is_asked:
        with open_spool(environment, read_only=True) as spool:
            gone = spool.count(states, selection)
    if is_asked and gone:
        _output.confirm(f"Remove {count_of(gone, 'event')} for good?")
    if not dry_run:
        gone = remove(environment, states=states, selection=selection)
    none = f"No such event is here; nothing {'would be' if dry_run else 'was'} removed."
    text = f"{count_of(gone, 'event')} {'would be ' if dry_run else ''}removed." if gone else none
    return _output.Answer(
        lambda: {"purged": gone, "dry_run": dry_run, "states": states},
        lambda: _output.new_page().line(text),
    )


def _show_state(found: SpoolState) -> None:
    page = _output.new_page()
    if found.pending is None:
        page.line("Nobody knows what waits: the spool cannot be read.", style="bold")
    else:
        _show_numbers(page, found)
    way_on = found.hint or FolderUnknownError("the spool", variable=STATE_DIR_VARIABLE).hint
    for problem in filter(None, (found.problem, found.unwritable)):
        page.line()
        page.line(problem, style="yellow")
        page.line(f"  try: {way_on}")
    page.next_step("usagectl spool list, show, stats, export, purge; usagectl replay sends.")


def _show_numbers(page: Page, found: SpoolState) -> None:
    waiting = count_of(found.pending or 0, "event")
    page.line(f"{waiting} waiting in {found.path or 'no file'}.", style="bold")
    page.line()
    page.rows(
        [
            ("waiting", f"{found.pending} ({found.bytes} bytes)"),
            ("sent", f"{found.sent} in the log of what was sent"),
            ("rejected", f"{found.rejected} kept that an endpoint refused"),
            ("lost", _describe_losses(found.losses)),
        ]
    )


def _describe_losses(losses: Losses) -> str:
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


def _short(text: str, most: int = _NAME_CHARACTERS) -> str:
    """Cut a text that would fill the screen; --json has it whole."""
    return text if len(text) <= most else f"{text[:most]}..."


def _instant(text: str) -> str:
    """Write an instant in UTC, to the second; its own text where that is no instant."""
    return _short(in_utc(text) or text)


def _show_list(entries: Sequence[Entry], total: int, states: Sequence[State]) -> None:
    """Draw events, one a line; those of one answer stand below it."""
    page = _output.new_page()
    width = page.width  # Rich asks the terminal each time.
    verb = " or ".join("waiting" if state == "pending" else state for state in states)
    if not entries:
        page.line(f"No such event is {verb}.", style="bold")
        page.line("Next: usagectl spool stats counts all that are here.")
        return
    is_cut, count = total > len(entries), count_of(total, "event")
    which = f"The newest {len(entries)} of {count}" if is_cut else count
    page.line(f"{which} {verb}.", style="bold")
    for (state, handover), group in groupby(entries, lambda each: (each.state, each.handover)):
        page.line()
        if handover is not None or len(states) > 1:
            page.line(_fate(state, handover), style="dim")
        page.rows([_row(entry, width) for entry in group])
    page.line()
    if is_cut:
        page.line("--limit 0 shows all.")
    page.line("Next: usagectl spool show UID shows one whole; the beginning of a UID will do.")


def _row(entry: Entry, width: int) -> tuple[str, ...]:
    uid = entry.uid if width >= _WIDE else entry.uid[:_UID_CHARACTERS]
    size = f"{entry.size} bytes"
    return (_instant(entry.time), _short(entry.tool), _short(entry.event), size, _short(uid))


def _fate(state: State, handover: Handover | None) -> str:
    if state == "pending":
        return "waiting"
    if handover is None:
        return f"{state}; when and by whom is not known"
    verb = "sent" if state == "sent" else "refused"
    where = f"{'to' if state == 'sent' else 'by'} {origin_shown(handover.to)}"
    words = _short(" ".join(handover.answer.split()), _ANSWER_CHARACTERS)
    said = f"status {handover.status}{f': {words}' if words else ''}"
    return f"{verb} {_instant(handover.at)} {where}, {said}"


def _show_events(entries: Sequence[Entry], total: int) -> None:
    page = _output.new_page()
    if not entries:
        page.line("No such event is here.", style="bold")
        page.line("Next: usagectl spool stats counts all of them.")
        return
    for number, entry in enumerate(entries):
        if number:
            page.line()
        page.line(f"{_short(entry.event)} of {_short(entry.tool)}", style="bold")
        rows = [
            ("uid", entry.uid),
            ("recorded", f"{_instant(entry.time)} UTC"),
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


def _show_stats(found: Stats, losses: Losses, states: Sequence[State]) -> None:
    page = _output.new_page()
    page.line(f"{count_of(found.total, 'event')}, {found.bytes} bytes.", style="bold")
    if found.groups:
        page.line()
        _show_names(page, found, states)
        page.heading("By day (UTC)")
        _show_days(page, found)
    else:
        page.line("Next: usagectl spool says what is here in all.")
    page.line()
    page.line(f"Lost: {_describe_losses(losses)}.")


def _show_names(page: Page, found: Stats, states: Sequence[State]) -> None:
    """Draw a row for each event of each tool, the most frequent first."""
    by_state = count_by(found, "event", "tool", "state")
    names = sorted(count_by(found, "event", "tool").items(), key=lambda each: -each[1])
    heads = ("waiting" if state == "pending" else state for state in states)
    rows = [("event", "tool", *heads)]
    for (event, tool), _ in names[:_ROWS]:
        counts = [str(by_state.get((event, tool, state), 0)) for state in states]
        rows.append((_short(event), _short(tool), *counts))
    page.rows(rows, styles=["dim", *[""] * (len(rows) - 1)])
    page.more(len(names) - _ROWS, "; --json has all")


def _show_days(page: Page, found: Stats) -> None:
    """Draw a bar for each of the last days that have events; rare events share a part."""
    totals = sorted(count_by(found, "event").items(), key=lambda each: -each[1])
    kept = {event for (event,), _ in totals[:_NAMES_IN_BARS]}
    days: dict[str, Counter[str]] = {}
    for (day, event), count in count_by(found, "day", "event").items():
        name = _short(event) if event in kept else "other"
        days.setdefault(_short(day), Counter())[name] += count
    page.bars(dict(sorted(days.items())[-_DAYS:]))
    if len(days) > _DAYS:
        page.line(f"  and {count_of(len(days) - _DAYS, 'earlier day')}; --json has all")


def _show_export(file: Path, count: int, size: int, *, dry_run: bool) -> None:
    page = _output.new_page()
    verb = "would be written" if dry_run else "written"
    page.line(f"{count_of(count, 'event')} {verb} to {file}, {size} bytes.")
    if not dry_run:
        page.line(f"Next: usagectl replay --dry-run --file {quote(str(file))}")
