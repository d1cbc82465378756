"""`usagectl replay`: the events that wait, or those of a file, sent to an endpoint."""

from __future__ import annotations

import shlex
import sys
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from usagectl import endpoint
from usagectl.cli import _output
from usagectl.cli._commands import AnsweringCommand, Invocation, new_app
from usagectl.cli._filters import selecting
from usagectl.cli._options import Yes  # noqa: TC001  (Typer reads the annotations)
from usagectl.errors import (
    ConfirmationNeededError,
    FileUnreadableError,
    UsageError,
    count_of,
)
from usagectl.sensitive import mask_url_credentials
from usagectl.spool import ALL, Selection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from usagectl.delivery.replay import Options
    from usagectl.delivery.replay_files import FileEvents
    from usagectl.delivery.routing import Route
    from usagectl.spool import Spool

app = new_app()
apps = {"replay": app}


def _refuse_nan(seconds: float) -> float:
    if isnan(seconds):  # It is neither below nor above any bound.
        raise typer.BadParameter("nan is not a number of seconds.")
    return seconds


@app.command(cls=AnsweringCommand)
@selecting
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
    selection: Selection,
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
            callback=_refuse_nan,
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
) -> _output.Answer:
    """Send the events that wait in the spool, and keep what is not taken.

    Each request carries up to --batch-size events, their bytes as `usagectl
    spool show --raw` prints them. What an endpoint acknowledges moves to the sent
    log; what it refuses for good stays under `usagectl spool list --rejected`;
    everything else goes on waiting. An interrupted replay goes on where it ended.

    Nothing is sent while telemetry is off, unless --to names this machine. Before
    anything leaves it, a terminal is asked; where there is none, give --yes, unless
    sending is on (usagectl enable usagectl). Exits with 5 when not everything was taken.
    """
    from usagectl.delivery import replay as replaying
    from usagectl.delivery import routing

    invocation: Invocation = ctx.obj
    if raw and (invocation.as_json or not dry_run):
        raise UsageError("--raw goes with --dry-run, and not with --json.")
    if file is not None and rejected:
        raise UsageError("--file and --rejected name two places; give one of them.")
    options = replaying.Options(
        to=to,
        selection=selection,
        limit=limit,
        batch_size=batch_size,
        rejected=rejected,
        copies=copy,
        allow_http=allow_http,
        patience=timedelta(seconds=timeout),
        compress=gzip,
    )
    try:
        route = routing.find(invocation.environment, selection, to=to, allow_http=allow_http)
    except routing.EndpointNotSecureError as error:
        error.hint = _again(invocation, "--allow-http")
        raise
    options = replace(options, selection=route.selection)
    with _store_of(invocation, options, file=file, base=route.base, dry_run=dry_run) as store:
        _say_left_out(invocation, options, route, store)
        if dry_run:
            return _plan(invocation, options, base=route.base, store=store, raw=raw)
        if not yes:
            _ask(invocation, options, route, store=store)
        return _send(invocation, options, base=route.base, store=store)


def _again(invocation: Invocation, *more: str) -> str:
    """Write the same command again, as it was typed, but for what only shows or asks."""
    left_out = ("--dry-run", "--raw", "--json", "--yes", "-y")
    # An address may hold a password.
    words = [
        mask_url_credentials(word) if "://" in word else word
        for word in invocation.arguments
        if word not in left_out
    ]
    return shlex.join(["usagectl", *words, *(word for word in more if word not in words)])


@contextmanager
def _store_of(
    invocation: Invocation, options: Options, *, file: str | None, base: str, dry_run: bool
) -> Iterator[Spool]:
    """Open where the events wait: the spool, or the store of a file or of standard input."""
    from tempfile import TemporaryDirectory

    from usagectl import spool
    from usagectl.delivery import replay_files
    from usagectl.machine import files

    environment = invocation.environment
    if file is None:
        with spool.open_spool(environment, read_only=dry_run) as store:
            yield store
        return
    path = None if file == "-" else environment.cwd / file
    with TemporaryDirectory(prefix="usagectl-") as temporary, _opened(path) as stream:
        folder = Path(temporary) if dry_run else files.require_files_dir(environment)
        keeps = path is not None and not options.copies
        with replay_files.opened(
            environment, folder, file=path, stream=stream, base=base, keeps=keeps
        ) as found:
            _remark(found)
            yield found.store


@contextmanager
def _opened(path: Path | None) -> Iterator[BinaryIO]:
    if path is None:
        yield sys.stdin.buffer
        return
    try:
        stream = path.open("rb")
    except OSError as error:
        raise FileUnreadableError(path, reason=(error.strerror or "unknown").lower()) from error
    with stream:
        yield stream


def _remark(found: FileEvents) -> None:
    """Say on stderr what a person would not expect of the file."""
    if found.is_resumed:
        _output.print_notice("An earlier replay of this file had begun; this one goes on with it.")
    if found.bad_lines == 1:
        _output.print_notice(f"Line {found.first_bad_line} holds no event and is left out.")
    elif found.bad_lines:
        first = f"the first is line {found.first_bad_line}"
        _output.print_notice(f"{found.bad_lines} lines hold no event and are left out ({first}).")


def _say_left_out(invocation: Invocation, options: Options, route: Route, store: Spool) -> None:
    """Say on stderr whose events wait here and go elsewhere, or nowhere."""
    from usagectl.delivery import replay as replaying
    from usagectl.delivery import routing

    for name in route.selection.without:
        only = replace(options, selection=Selection(tools=(name,)), limit=None)
        if waiting := replaying.count(only, store):
            stay = count_of(waiting, f"event of {name} stays", f"events of {name} stay")
            why = routing.why_left_out(invocation.environment, name)
            _output.print_notice(f"{stay} here: {why.message}.", hint=why.hint)


def _plan(
    invocation: Invocation, options: Options, *, base: str, store: Spool, raw: bool
) -> _output.Answer:
    from usagectl.cli import _replay_page
    from usagectl.delivery import replay as replaying

    posts = replaying.posts(options, base=base, store=store)
    if raw:
        sys.stdout.flush()
        for post, _ in posts:
            sys.stdout.buffer.write(post.body + b"\n")
        sys.stdout.buffer.flush()
        return _output.Answer({}, lambda: None)
    planned = _replay_page.summarise(posts)
    return _output.Answer(
        {**_replay_page.plan_data(planned, base), "dry_run": True},
        lambda: _replay_page.show_plan(
            planned, base, is_chosen=options.selection != ALL, again=_again(invocation)
        ),
    )


def _ask(invocation: Invocation, options: Options, route: Route, *, store: Spool) -> None:
    """Ask before anything leaves the machine; where nobody can be asked, a switch must be on.

    Raises:
        ConfirmationNeededError: it is not.
        typer.Exit: the answer was no; the status is 1.
    """
    if endpoint.is_loopback(route.base):
        return
    from usagectl.delivery import replay as replaying

    is_asked = _output.can_ask()
    if route.is_on and (invocation.as_json or not is_asked):
        return
    count = replaying.count(options, store)
    if not count:
        return
    what = f"send {count_of(count, 'event')} to {endpoint.origin_of(route.base)}"
    if not is_asked:
        raise ConfirmationNeededError(what, hint=_again(invocation, "--yes"))
    if not typer.confirm(f"{what.capitalize()}?", err=True):
        _output.print_notice("Nothing was sent.")
        raise typer.Exit(1)


def _send(invocation: Invocation, options: Options, *, base: str, store: Spool) -> _output.Answer:
    from usagectl.cli import _replay_page
    from usagectl.delivery import replay as replaying

    with _replay_page.meter() as meter:
        result = replaying.run(
            invocation.environment,
            options,
            base=base,
            store=store,
            on_wait=_say_waiting,
            on_progress=meter.update,
        )
    if result.problem and result.problem.hint.startswith("usagectl replay"):
        result.problem.hint = _again(invocation, *result.problem.hint.split()[2:])
    return _output.Answer(
        {**_replay_page.result_data(result, base), "dry_run": False},
        lambda: _replay_page.show_result(
            result, base, copies=options.copies, is_chosen=options.selection != ALL
        ),
        [result.problem] if result.problem else [],
    )


def _say_waiting() -> None:
    _output.print_notice("Another delivery is at work; waiting for it to end (Ctrl-C gives up).")
