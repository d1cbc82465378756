"""Own `usagectl spool`: look into the queue and its logs, export and purge."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from usagectl import spool as queue
from usagectl.cli import _output
from usagectl.cli._commands import RecordedCommand, RecordedGroup, new_app
from usagectl.cli._filters import (
    EventNames,
    Rejected,
    Sent,
    Since,
    States,
    ToolNames,
    Until,
    parse_selection,
    parse_states,
)
from usagectl.cli._options import DryRun, Json, Yes  # noqa: TC001
from usagectl.errors import UsagectlError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from usagectl.cli._commands import Invocation
    from usagectl.machine.environment import Environment
    from usagectl.spool.listing import Entry

app = new_app(cls=RecordedGroup, invoke_without_command=True)
apps = {"spool": app}

_SHORTEST_UID = 4
_SHOWN = 20


class UnknownUidError(UsagectlError):
    """Tell that no event of the spool has such a uid."""

    code = "unknown-uid"
    exit_status = 1

    def __init__(self, uid: str) -> None:
        super().__init__(
            f"No event has a uid that begins with {uid!r}.", hint="usagectl spool list"
        )


@app.callback()
def spool(ctx: typer.Context, *, json: Json = False) -> None:
    """Look into the spool: what waits, what was sent, what was refused or lost."""
    if ctx.invoked_subcommand is not None:
        return
    from usagectl.cli import _spool_pages as pages

    invocation: Invocation = ctx.obj
    found = queue.state(invocation.environment)
    answer = _output.Answer(pages.state_data(found), lambda: pages.show_state(found))
    _output.emit(answer, invocation, as_json=json)


@app.command("list", cls=RecordedCommand)
def list_events(  # noqa: PLR0913  (each is an option)
    ctx: typer.Context,
    *,
    tool: ToolNames = None,
    event: EventNames = None,
    since: Since = None,
    until: Until = None,
    state: States = None,
    sent: Sent = False,
    rejected: Rejected = False,
    limit: Annotated[
        int,
        typer.Option(min=0, max=10**9, help="Show the newest so many events; 0 shows all."),
    ] = 50,
    json: Json = False,
) -> None:
    """List events, one a line: those that wait, unless another state is asked for."""
    from usagectl.cli import _spool_pages as pages
    from usagectl.spool import listing

    invocation: Invocation = ctx.obj
    selection = parse_selection(
        invocation.environment, tools=tool, events=event, since=since, until=until
    )
    states = parse_states(state, sent=sent, rejected=rejected)
    problems: list[UsagectlError] = []
    found = listing.entries(invocation.environment, states, selection, on_problem=problems.append)
    light = found if limit else (entry.without_bytes() for entry in found)
    newest, total = listing.newest(light, limit or None)
    data = {
        "events": [pages.entry_data(entry) for entry in newest],
        "shown": len(newest),
        "total": total,
    }
    answer = _output.Answer(data, lambda: pages.show_list(newest, total, states), problems)
    _output.emit(answer, invocation, as_json=json)


@app.command("show", cls=RecordedCommand)
def show(  # noqa: PLR0913  (each is an option)
    ctx: typer.Context,
    uids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[UID]...",
            help="Events whose uid begins so; all without one.",
            show_default=False,
        ),
    ] = None,
    *,
    tool: ToolNames = None,
    event: EventNames = None,
    since: Since = None,
    until: Until = None,
    state: States = None,
    sent: Sent = False,
    rejected: Rejected = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Print the exact bytes of the events alone, one a line.")
    ] = False,
    json: Json = False,
) -> None:
    """Show events whole, as they were recorded.

    With --raw the bytes are those that a delivery puts into the body of its
    request. A uid is looked for in every state; without one, what waits is shown.
    """
    from usagectl.cli import _spool_pages as pages
    from usagectl.spool import listing

    invocation: Invocation = ctx.obj
    if raw and json:
        raise UsageError(
            "--raw and --json cannot be had at once.", hint="usagectl spool show --raw"
        )
    _check_uids(uids or ())
    selection = parse_selection(
        invocation.environment,
        tools=tool,
        events=event,
        since=since,
        until=until,
        uids=tuple(uids or ()),
    )
    states = parse_states(
        state, sent=sent, rejected=rejected, default=listing.STATES if uids else ("pending",)
    )
    problems: list[UsagectlError] = []
    missing = set(uids or ())
    found = _seen(
        listing.entries(invocation.environment, states, selection, on_problem=problems.append),
        missing,
    )
    if raw:
        _write_raw(entry.body for entry in found)
        answer = _output.Answer({}, lambda: None, _failures(problems, uids, missing))
    else:
        shown, total = listing.newest(found, None if json else _SHOWN)
        failures = _failures(problems, uids, missing)
        if uids and not total:
            raise failures[0]
        data = {"events": [pages.whole_data(entry) for entry in shown]}
        answer = _output.Answer(data, lambda: pages.show_whole(shown, total), failures)
    _output.emit(answer, invocation, as_json=json)


def _check_uids(uids: Sequence[str]) -> None:
    short = next((uid for uid in uids if len(uid) < _SHORTEST_UID), None)
    if short is not None:
        sentence = f"{short!r} is too short: give {_SHORTEST_UID} characters of a uid."
        raise UsageError(sentence, hint="usagectl spool list")


def _seen(found: Iterable[Entry], missing: set[str]) -> Iterator[Entry]:
    """Strike off which uids were found while the entries pass by."""
    for entry in found:
        if missing:
            missing.difference_update([uid for uid in missing if entry.uid.startswith(uid)])
        yield entry


def _failures(
    problems: Sequence[UsagectlError], uids: Sequence[str] | None, missing: set[str]
) -> list[UsagectlError]:
    return [*problems, *(UnknownUidError(uid) for uid in uids or () if uid in missing)]


def _write_raw(texts: Iterable[bytes]) -> None:
    sys.stdout.flush()
    for text in texts:
        sys.stdout.buffer.write(text + b"\n")
    sys.stdout.buffer.flush()


@app.command("stats", cls=RecordedCommand)
def stats(
    ctx: typer.Context,
    *,
    tool: ToolNames = None,
    event: EventNames = None,
    since: Since = None,
    until: Until = None,
    state: States = None,
    json: Json = False,
) -> None:
    """Count events by name, tool, state and day, with a small chart on a terminal."""
    from usagectl.cli import _spool_pages as pages
    from usagectl.spool import listing

    invocation: Invocation = ctx.obj
    selection = parse_selection(
        invocation.environment, tools=tool, events=event, since=since, until=until
    )
    states = parse_states(state, default=listing.STATES)
    problems: list[UsagectlError] = []
    found = listing.stats(invocation.environment, states, selection, on_problem=problems.append)
    losses = queue.state_of_losses(invocation.environment)
    answer = _output.Answer(
        pages.stats_data(found, losses),
        lambda: pages.show_stats(found, losses, states),
        problems,
    )
    _output.emit(answer, invocation, as_json=json)


@app.command("export", cls=RecordedCommand)
def export(  # noqa: PLR0913  (each is an option)
    ctx: typer.Context,
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]", help="Where to write; stdout without one.", show_default=False
        ),
    ] = None,
    *,
    tool: ToolNames = None,
    event: EventNames = None,
    since: Since = None,
    until: Until = None,
    state: States = None,
    events: Annotated[
        bool, typer.Option("--events", help="Write the events alone, without their envelopes.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Write events to a file or to stdout, one a line, exactly as they are in the spool.

    Each line is an envelope whose last member is the event's exact bytes, the
    form that `usagectl replay --file` reads; it reads --events as well. The
    spool stays as it is. FILE appears whole or not at all.
    """
    from usagectl.cli import _spool_pages as pages
    from usagectl.machine import files
    from usagectl.spool import listing

    invocation: Invocation = ctx.obj
    if json and file is None:
        raise UsageError("--json needs a FILE: stdout cannot hold both.")
    selection = parse_selection(
        invocation.environment, tools=tool, events=event, since=since, until=until
    )
    states = parse_states(state)
    problems: list[UsagectlError] = []
    found = listing.entries(
        invocation.environment,
        states,
        selection,
        on_problem=problems.append if file is None else None,  # A file is whole or not at all.
    )
    texts = (entry.body if events else entry.line for entry in found)
    if file is None:
        _write_raw(() if dry_run else texts)
        _output.emit(_output.Answer({}, lambda: None, problems), invocation, as_json=False)
        return
    target = invocation.environment.cwd / file
    count, size = files.write_lines(target, texts, replaces=force, dry_run=dry_run)
    form = "events" if events else "records"
    data = {"file": str(target), "events": count, "bytes": size, "form": form, "dry_run": dry_run}
    answer = _output.Answer(data, lambda: pages.show_export(target, count, size, dry_run=dry_run))
    _output.emit(answer, invocation, as_json=json)


@app.command("purge", cls=RecordedCommand)
def purge(  # noqa: PLR0913  (each is an option)
    ctx: typer.Context,
    *,
    tool: ToolNames = None,
    event: EventNames = None,
    since: Since = None,
    until: Until = None,
    state: States = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Remove events for good; without --state those that wait and those that were refused."""
    from usagectl.cli import _spool_pages as pages
    from usagectl.spool import purging

    invocation: Invocation = ctx.obj
    selection = parse_selection(
        invocation.environment, tools=tool, events=event, since=since, until=until
    )
    states = parse_states(state, default=purging.UNSENT)
    if not (yes or dry_run or json) and sys.stdin.isatty() and sys.stderr.isatty():
        planned = purging.purge(
            invocation.environment, states=states, selection=selection, dry_run=True
        )
        if planned:
            from usagectl.cli.machine_id import confirm

            confirm(f"Remove {pages.events(planned)} for good?", skip=False)
    problems: list[UsagectlError] = []
    with pages.purge_meter() as meter:
        gone = purging.purge(
            invocation.environment,
            states=states,
            selection=selection,
            dry_run=dry_run,
            on_progress=meter,
            on_problem=problems.append,
        )
    data = {"purged": gone, "dry_run": dry_run, "states": list(states)}
    answer = _output.Answer(data, lambda: pages.show_purge(gone, dry_run=dry_run), problems)
    _output.emit(answer, invocation, as_json=json)
