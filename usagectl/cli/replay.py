"""Own `usagectl replay`."""

from __future__ import annotations

import shlex
import sys
import time
from dataclasses import replace
from datetime import timedelta
from math import isnan
from typing import TYPE_CHECKING, Annotated

import typer

from usagectl.cli import _output
from usagectl.cli._commands import RecordedCommand, new_app
from usagectl.cli._filters import (
    EventNames,
    Since,
    ToolNames,
    Until,
    parse_selection,
)
from usagectl.cli._options import Json, Yes  # noqa: TC001
from usagectl.cli._replay_files import folder_of_events, say_left_out, say_waiting
from usagectl.errors import ConfirmationNeededError, UsagectlError, UsageError
from usagectl.tools.base import mask_credentials

if TYPE_CHECKING:
    from usagectl.cli._commands import Invocation
    from usagectl.cli._replay_files import Place
    from usagectl.delivery.replay import Options
    from usagectl.delivery.routing import Route

app = new_app()
apps = {"replay": app}


def _refuse_what_is_no_number(seconds: float) -> float:
    if isnan(seconds):  # It is neither below nor above any bound.
        raise typer.BadParameter("nan is not a number of seconds.")
    return seconds


class ReplayInterruptedError(UsagectlError):
    """Tell that a replay was interrupted; what was not sent waits."""

    code = "interrupted"
    exit_status = 130

    def __init__(self) -> None:
        super().__init__("Interrupted; what was not sent still waits.", hint="usagectl replay")


@app.command(cls=RecordedCommand)
def replay(  # noqa: PLR0913  (each is an option)
    ctx: typer.Context,
    *,
    file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Send the events of this file instead; - reads from standard input.",
            show_default=False,
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Send to this base URL; one on this machine is always allowed.",
            show_default=False,
        ),
    ] = None,
    tool: ToolNames = None,
    event: EventNames = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Send at most so many events.", show_default=False),
    ] = None,
    batch_size: Annotated[
        int, typer.Option(min=1, max=100_000, help="Events of one request.")
    ] = 500,
    rejected: Annotated[
        bool, typer.Option("--rejected", help="Try those again that were rejected before.")
    ] = False,
    copy: Annotated[
        bool, typer.Option("--copy", help="Send copies; the events stay where they wait.")
    ] = False,
    timeout: Annotated[
        float,
        typer.Option(
            min=0.1,
            max=86_400,
            callback=_refuse_what_is_no_number,
            help="Seconds to go on with an endpoint that takes nothing.",
        ),
    ] = 30.0,
    gzip: Annotated[bool, typer.Option("--gzip", help="Send compressed bodies.")] = False,
    allow_http: Annotated[
        bool, typer.Option("--allow-http", help="Take plain http to other machines too.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say which requests would be sent; send nothing.")
    ] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="With --dry-run: print the bodies alone, one a line.")
    ] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Send the events that wait in the spool, and keep what is not taken.

    Each request carries up to --batch-size events, their bytes as `usagectl
    spool show --raw` prints them. What an endpoint acknowledges moves to the sent
    log; what it refuses for good stays under `usagectl spool list --rejected`;
    everything else goes on waiting. An interrupted replay goes on where it ended.
    What programs left in memory when they were killed is taken into the spool first,
    also with --dry-run.

    Nothing is sent while telemetry is off, unless --to names this machine. Before
    anything leaves it, a terminal is asked; where there is none, give --yes, unless
    sending is on (usagectl enable usagectl). Exits with 5 when not everything was taken.
    """
    from usagectl.delivery import attempts, routing
    from usagectl.delivery import replay as replaying

    invocation: Invocation = ctx.obj
    if raw and (json or not dry_run):
        raise UsageError("--raw goes with --dry-run, and not with --json.")
    if file is not None and rejected:
        raise UsageError("--file and --rejected name two places; give one of them.")
    selection = parse_selection(
        invocation.environment, tools=tool, events=event, since=since, until=until
    )
    options = replaying.Options(
        to=to,
        selection=selection,
        limit=limit,
        batch_size=batch_size,
        rejected=rejected,
        copies=copy,
        allow_http=allow_http,
        policy=attempts.Policy(patience=timedelta(seconds=timeout), compress=gzip),
    )
    try:
        route = routing.find(invocation.environment, selection, to=to, allow_http=allow_http)
    except routing.EndpointNotSecureError as error:
        error.hint = again(invocation, "--allow-http")
        raise
    options, base = replace(options, selection=route.selection), route.base
    with folder_of_events(invocation, options, file=file, base=base, dry_run=dry_run) as place:
        say_left_out(invocation, place, route.left_out)
        if dry_run:
            _plan(invocation, options, base=base, place=place, raw=raw, as_json=json)
            return
        if not yes:
            _ask(invocation, options, route, place=place, as_json=json)
        _send(invocation, options, base=base, place=place, as_json=json)


def again(invocation: Invocation, *more: str) -> str:
    """Write the same command again, as it was typed, but for what only shows or asks."""
    left_out = ("--dry-run", "--raw", "--json", "--yes", "-y")
    # An address may hold a password.
    words = [
        mask_credentials(word) if "://" in word else word
        for word in invocation.arguments
        if word not in left_out
    ]
    return shlex.join(["usagectl", *words, *(word for word in more if word not in words)])


def _plan(
    invocation: Invocation,
    options: Options,
    *,
    base: str,
    place: Place,
    raw: bool,
    as_json: bool,
) -> None:
    from usagectl.cli import _replay_page
    from usagectl.delivery import replay as replaying
    from usagectl.spool.lines import ALL

    posts = replaying.posts(options, base=base, folder=place.folder)
    if raw:
        sys.stdout.flush()
        for post, _ in posts:
            sys.stdout.buffer.write(post.body + b"\n")
        sys.stdout.buffer.flush()
        return
    planned = _replay_page.summarise(posts)
    answer = _output.Answer(
        {**_replay_page.plan_data(planned, base), "dry_run": True},
        lambda: _replay_page.show_plan(
            planned, base, is_chosen=options.selection != ALL, again=again(invocation)
        ),
    )
    _output.emit(answer, invocation, as_json=as_json)


def _send(
    invocation: Invocation,
    options: Options,
    *,
    base: str,
    place: Place,
    as_json: bool,
) -> None:
    from usagectl.cli import _replay_page
    from usagectl.delivery import replay as replaying
    from usagectl.spool.lines import ALL

    started = time.monotonic()
    done = replaying.Progress()
    planned = 0
    place.is_finished = False

    def note(progress: replaying.Progress, total: int) -> None:
        nonlocal done, planned
        done, planned = progress, total
        meter.update(progress, total)

    with _replay_page.meter() as meter:
        try:
            result = replaying.run(
                invocation.environment,
                options,
                base=base,
                folder=place.folder,
                on_wait=say_waiting,
                on_progress=note,
            )
        except KeyboardInterrupt:
            seconds = time.monotonic() - started
            result = replaying.ReplayResult(planned, done, seconds, ReplayInterruptedError())
    rest = replace(options, limit=None)
    # A limit leaves the rest of a file for the next replay of it.
    place.is_finished = not result.kept and (
        options.limit is None or not replaying.plan(rest, base=base, folder=place.folder).events
    )
    place.was_sent = place.is_finished
    if result.problem and result.problem.hint.startswith("usagectl replay"):
        result.problem.hint = again(invocation, *result.problem.hint.split()[2:])
    answer = _output.Answer(
        {**_replay_page.result_data(result, base), "dry_run": False},
        lambda: _replay_page.show_result(
            result, base, copies=options.copies, is_chosen=options.selection != ALL
        ),
        [result.problem] if result.problem else [],
    )
    _output.emit(answer, invocation, as_json=as_json)


def _ask(
    invocation: Invocation, options: Options, route: Route, *, place: Place, as_json: bool
) -> None:
    """Ask before anything leaves the machine; where nobody can be asked, a switch must be on.

    Raises:
        ConfirmationNeededError: it is not.
        typer.Exit: the answer was no; the status is 1.
    """
    from usagectl import endpoint

    if endpoint.is_loopback(route.base):
        return
    from usagectl.delivery import replay as replaying

    is_asked = _output.can_ask()
    if route.is_on and (as_json or not is_asked):
        return
    count = replaying.plan(options, base=route.base, folder=place.folder).events
    if not count:
        return
    origin = endpoint.origin_of(route.base)
    events = "1 event" if count == 1 else f"{count} events"
    if not is_asked:
        what = f"send {events} to {origin}"
        raise ConfirmationNeededError(what, hint=again(invocation, "--yes"))
    if not typer.confirm(f"Send {events} to {origin}?", err=True):
        _output.print_notice("Nothing was sent.")
        raise typer.Exit(1)
