"""`usagectl spool`: what waits, what was sent or refused; export it, remove it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from usagectl import spool as store
from usagectl.cli import _output
from usagectl.cli._commands import AnsweringCommand, AnsweringGroup, Invocation, new_app
from usagectl.cli._filters import Rejected, Sent, States, parse_states, selecting
from usagectl.cli._options import DryRun, Yes  # noqa: TC001  (Typer reads the annotations)
from usagectl.cli._output import as_data
from usagectl.errors import UsagectlError, UsageError, count_of
from usagectl.machine import files
from usagectl.spool import Entry, Selection  # noqa: TC001  (as above)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

app = new_app(cls=AnsweringGroup, invoke_without_command=True)
apps = {"spool": app}

_SHORTEST_UID = 4
_SHOWN = 20


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
    from usagectl.cli import _spool_pages as pages

    invocation: Invocation = ctx.obj
    found = store.state(invocation.environment)
    data = {**as_data(found), "problem": found.problem or found.unwritable}
    return _output.Answer(data, lambda: pages.show_state(found))


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
        typer.Option(min=0, max=10**9, help="Show the newest so many events; 0 shows all."),
    ] = 50,
) -> _output.Answer:
    """List events, one a line: those that wait, unless another state is asked for."""
    from usagectl.cli import _spool_pages as pages

    invocation: Invocation = ctx.obj
    states = parse_states(state, sent=sent, rejected=rejected)
    with store.open_spool(invocation.environment, read_only=True) as spool:
        total = spool.count(states, selection)
        # Of many events their bodies would fill the memory, and none is shown.
        found = [
            entry._replace(body=b"")
            for entry in spool.entries(states, selection, newest=limit or None)
        ]
    data = {"events": as_data(found), "shown": len(found), "total": total}
    return _output.Answer(data, lambda: pages.show_list(found, total, states))


@app.command("show", cls=AnsweringCommand)
@selecting
def show(
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
    from usagectl.cli import _spool_pages as pages

    invocation: Invocation = ctx.obj
    asked = tuple(uids or ())
    _check_uids(asked)
    if raw and invocation.as_json:
        raise UsageError(
            "--raw and --json cannot be had at once.", hint="usagectl spool show --raw"
        )
    states = parse_states(
        state, sent=sent, rejected=rejected, default=store.STATES if uids else ("pending",)
    )
    selection = selection._replace(uids=asked)
    missing = set(asked)
    most = None if raw or invocation.as_json else _SHOWN
    with store.open_spool(invocation.environment, read_only=True) as spool:
        for uid in asked:
            if spool.count(states, selection._replace(uids=(uid,))):
                missing.discard(uid)
        errors = [UnknownUidError(uid) for uid in asked if uid in missing]
        entries = spool.entries(states, selection, newest=most)
        if raw:
            _write_raw(entry.body for entry in entries)
            return _output.Answer({}, lambda: None, errors)
        shown, total = list(entries), spool.count(states, selection)
    if asked and not total:
        raise errors[0]
    data = {"events": [{**as_data(each), "body": each.body.decode("utf-8")} for each in shown]}
    return _output.Answer(data, lambda: pages.show_whole(shown, total), errors)


def _check_uids(uids: Sequence[str]) -> None:
    short = next((uid for uid in uids if len(uid) < _SHORTEST_UID), None)
    if short is not None:
        sentence = f"{short!r} is too short: give {_SHORTEST_UID} characters of a uid."
        raise UsageError(sentence, hint="usagectl spool list")


def _write_raw(texts: Iterable[bytes]) -> None:
    sys.stdout.flush()
    for text in texts:
        sys.stdout.buffer.write(text + b"\n")
    sys.stdout.buffer.flush()


@app.command("stats", cls=AnsweringCommand)
@selecting
def stats(ctx: typer.Context, *, selection: Selection, state: States = None) -> _output.Answer:
    """Count events by name, tool, state and day, with a small chart on a terminal."""
    from usagectl.cli import _spool_pages as pages

    invocation: Invocation = ctx.obj
    states = parse_states(state, default=store.STATES)
    with store.open_spool(invocation.environment, read_only=True) as spool:
        found, losses = spool.stats(states, selection), spool.losses()
    data = {
        "events": found.total,
        "bytes": found.bytes,
        **{
            f"by_{name}": {each: count for (each,), count in pages.count_by(found, name).items()}
            for name in ("state", "tool", "event")
        },
        "by_day": [{**as_data(group), "count": count} for group, count in found.groups.items()],
        "lost": as_data(losses),
    }
    return _output.Answer(data, lambda: pages.show_stats(found, losses, states))


@app.command("export", cls=AnsweringCommand)
@selecting
def export(
    ctx: typer.Context,
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]", help="Where to write; stdout without one.", show_default=False
        ),
    ] = None,
    *,
    selection: Selection,
    state: States = None,
    events: Annotated[
        bool, typer.Option("--events", help="Write the events alone, without their envelopes.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    dry_run: DryRun = False,
) -> _output.Answer:
    """Write events to a file or to stdout, one a line, exactly as they are in the spool.

    Each line is an envelope whose last member is the event's exact bytes, the
    form that `usagectl replay --file` reads; it reads --events as well. The
    spool stays as it is. FILE appears whole or not at all.
    """
    from usagectl.cli import _spool_pages as pages

    invocation: Invocation = ctx.obj
    if invocation.as_json and file is None:
        raise UsageError("--json needs a FILE: stdout cannot hold both.")
    states = parse_states(state)
    with store.open_spool(invocation.environment, read_only=True) as spool:
        texts = _texts(spool.entries(states, selection), events=events)
        if file is None:
            _write_raw(() if dry_run else texts)
            return _output.Answer({}, lambda: None)
        target = invocation.environment.cwd / file
        count, size = files.write_lines(target, texts, replaces=force, dry_run=dry_run)
    form = "events" if events else "records"
    data = {"file": str(target), "events": count, "bytes": size, "form": form, "dry_run": dry_run}
    return _output.Answer(data, lambda: pages.show_export(target, count, size, dry_run=dry_run))


def _texts(entries: Iterable[Entry], *, events: bool) -> Iterator[bytes]:
    return (entry.body if events else entry.line for entry in entries)


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
    from usagectl.cli import _spool_pages as pages

    invocation: Invocation = ctx.obj
    environment = invocation.environment
    states = parse_states(state, default=store.UNSENT)
    is_asked = not (yes or dry_run or invocation.as_json) and _output.can_ask()
    gone = 0
    if dry_run or is_asked:
        with store.open_spool(environment, read_only=True) as spool:
            gone = spool.count(states, selection)
    if is_asked and gone:
        _output.confirm(f"Remove {count_of(gone, 'event')} for good?", skip=False)
    if not dry_run:
        gone = store.purge(environment, states=states, selection=selection)
    data = {"purged": gone, "dry_run": dry_run, "states": list(states)}
    return _output.Answer(data, lambda: pages.show_purge(gone, dry_run=dry_run))
