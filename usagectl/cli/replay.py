"""`usagectl replay`: the events that wait, or those of a file, sent to an endpoint."""

from __future__ import annotations

import shlex
import sys
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta
from functools import partial
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from usagectl import endpoint
from usagectl.cli import _output
from usagectl.cli._commands import AnsweringCommand, Invocation, new_app
from usagectl.cli._options import Yes, selecting
from usagectl.cli._progress import meter_of_replay
from usagectl.errors import ConfirmationNeededError, UsageError, count_of
from usagectl.machine import file_errors, files
from usagectl.sensitive import mask_url_credentials
from usagectl.settings import DeliveryFormat  # noqa: TC001  (Typer reads the annotations)
from usagectl.showing import as_data
from usagectl.spool import ALL, Selection

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from usagectl.cli._progress import Meter
    from usagectl.delivery.replay import Options, ReplayResult, Route
    from usagectl.delivery.replay_files import FileEvents
    from usagectl.delivery.requests import Post
    from usagectl.spool import Batch, Spool


app = new_app()
apps = {"replay": app}


class PlannedRequest(NamedTuple):
    """A request that would be sent; its numbers of events and bytes."""

    method: str
    url: str
    events: int
    bytes: int


_WAITING = "Another delivery is at work; waiting for it to end (Ctrl-C gives up)."
_MOST_REQUESTS = 1000
_SHOWN_REQUESTS = 20


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
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Send to this base URL; one on this machine is always allowed.",
        ),
    ] = None,
    selection: Selection,
    limit: Annotated[
        int | None,
        typer.Option(min=1, metavar="NUMBER", help="Send at most so many events."),
    ] = None,
    batch_size: Annotated[
        int, typer.Option(min=1, max=100_000, metavar="NUMBER", help="Events of one request.")
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
            metavar="SECONDS",
            help="Time to go on with an endpoint that takes nothing.",
        ),
    ] = 30.0,
    gzip: Annotated[bool, typer.Option("--gzip", help="Send compressed bodies.")] = False,
    delivery_format: Annotated[
        DeliveryFormat | None,
        typer.Option(
            "--format",
            metavar="[events|otlp]",
            help="otlp sends OpenTelemetry logs, to /v1/logs below the base URL; without this "
            "option the setting delivery.format decides.",
        ),
    ] = None,
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
) -> _output.Answer | None:
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

    invocation: Invocation = ctx.obj
    if raw and (invocation.as_json or not dry_run):
        raise UsageError("--raw goes with --dry-run, and not with --json.")
    if file is not None and rejected:
        raise UsageError("--file and --rejected name two places; give one of them.")
    wire = replaying.wire_of(invocation.environment, delivery_format)
    for remark in wire.remarks:
        _output.print_remark(remark)
    try:
        route = replaying.find_route(
            invocation.environment,
            selection,
            to=to,
            delivery_format=wire.name,
            allow_http=allow_http,
        )
    except replaying.EndpointNotSecureError as error:
        error.hint = _again(invocation, "--allow-http")
        raise
    except replaying.EndpointMissingError as error:
        error.hint = _again(invocation, "--to", error.to) + " --dry-run"  # To look at first.
        raise
    options = replaying.Options(
        to=to,
        selection=route.selection,
        limit=limit,
        batch_size=batch_size,
        rejected=rejected,
        copies=copy,
        allow_http=allow_http,
        patience=timedelta(seconds=timeout),
        compress=gzip,
        wire=wire,
    )
    with _store_of(invocation, options, file=file, base=route.base, dry_run=dry_run) as store:
        _say_left_out(invocation, options, route, store)
        if dry_run:
            invocation.recording.forget_since(0)  # It would wait too, and not be in its own plan.
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
    from usagectl import spool
    from usagectl.delivery import replay_files

    environment = invocation.environment
    if file is None:
        with spool.open_spool(environment, read_only=dry_run) as store:
            yield store
        return
    path = None if file == "-" else environment.cwd / file
    try:
        source = nullcontext(sys.stdin.buffer) if path is None else path.open("rb")
    except OSError as error:
        raise file_errors.unreadable(path or Path("-"), error) from error
    with source as stream:
        if dry_run:
            opened = replay_files.planned(environment, file=path, stream=stream, base=base)
        else:
            folder = files.require_files_dir(environment)
            keeps = path is not None and not options.copies
            opened = replay_files.opened(
                environment, folder, file=path, stream=stream, base=base, keeps=keeps
            )
        with opened as found:
            _remark(found)
            yield found.store


def _remark(found: FileEvents) -> None:
    """Print on stderr what a person would not expect of the file."""
    if found.is_resumed:
        _output.print_remark("An earlier replay of this file had begun; this one goes on with it.")
    if others := found.bad_lines.others:
        lines = count_of(others, "line was", "lines were")
        _output.print_remark(f"{lines} meant for another program's host; nothing of that is sent.")
    count, first = found.bad_lines.count, found.bad_lines.first
    if count == 1:
        _output.print_remark(f"Line {first} holds no event and is left out.")
    elif count:
        _output.print_remark(
            f"{count} lines hold no event and are left out (the first is line {first})."
        )
    if long := found.bad_lines.long:
        from usagectl.delivery.replay_files import MOST_BYTES

        longer = count_of(long, "line is", "lines are")
        _output.print_remark(f"{longer} longer than {MOST_BYTES} bytes, and not read.")


def _say_left_out(invocation: Invocation, options: Options, route: Route, store: Spool) -> None:
    """Print on stderr whose events wait here and go elsewhere, or nowhere."""
    from usagectl.delivery import replay as replaying

    for name in route.selection.without:
        only = replace(options, selection=Selection(tools=(name,)), limit=None)
        if waiting := replaying.count(only, store):
            stay = count_of(waiting, f"event of {name} stays", f"events of {name} stay")
            why, hint = replaying.why_left_out(invocation.environment, name, options.wire.name)
            _output.print_remark(f"{stay} here: {why}.", hint=hint)


def _plan(
    invocation: Invocation, options: Options, *, base: str, store: Spool, raw: bool
) -> _output.Answer | None:
    from usagectl.delivery import replay as replaying

    posts = replaying.posts(options, base=base, store=store)
    if raw:
        _output.print_raw(post.body for post, _ in posts)
        return None
    plan, requests = _summarise(posts)
    again = _again(invocation)
    return _output.Answer(
        lambda: {**_data(plan, base), "requests": as_data(requests), "dry_run": True},
        lambda: _show_plan(plan, base, requests, options, again=again),
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
    _output.confirm(f"{what.capitalize()}?", otherwise="Nothing was sent.")


def _send(invocation: Invocation, options: Options, *, base: str, store: Spool) -> _output.Answer:
    from usagectl.delivery import replay as replaying

    with meter_of_replay(endpoint.origin_of(base)) as meter:
        result = replaying.run(
            invocation.environment,
            options,
            base=base,
            store=store,
            on_wait=partial(_wait, meter),
            on_progress=meter.progress,
            on_delay=meter.delay,
        )
    if result.problem and result.problem.hint.startswith("usagectl replay"):
        result.problem.hint = _again(invocation, *result.problem.hint.split()[2:])
    return _output.Answer(
        lambda: {**_data(result, base), "dry_run": False},
        lambda: _show_result(result, base, options),
        [result.problem] if result.problem else [],
    )


def _wait(meter: Meter) -> None:
    """Say at once that another delivery goes on, and go on saying so."""
    _output.print_remark(_WAITING)
    meter.delay("waiting for another delivery to end")


def _summarise(posts: Iterable[tuple[Post, Batch]]) -> tuple[ReplayResult, list[PlannedRequest]]:
    """Count requests without keeping them; URL, events and bytes of the first thousand stay."""
    from usagectl.delivery.replay import Progress, ReplayResult

    requests: list[PlannedRequest] = []
    count = events = size = 0
    for post, batch in posts:
        held = len(batch.ids)
        if count < _MOST_REQUESTS:
            url = mask_url_credentials(post.url)
            requests.append(PlannedRequest("POST", url, held, len(post.body)))
        count += 1
        events += held
        size += len(post.body)
    return ReplayResult(events, Progress(batches=count, bytes=size), seconds=0.0), requests


def _data(result: ReplayResult, base: str) -> dict[str, object]:
    """Return an outcome, or a plan as the outcome that it would have, in its public JSON form."""
    seconds = round(result.seconds, 3)
    return {**as_data(result), "seconds": seconds, "endpoint": mask_url_credentials(base)}


def _show_plan(
    plan: ReplayResult, base: str, requests: list[PlannedRequest], options: Options, *, again: str
) -> None:
    """Draw what would be sent; `again` is the same command without --dry-run."""
    page = _output.new_page()
    if not plan.planned:
        page.line(f"{_nothing(options)}, so nothing would be sent.")
        page.line("Next: usagectl spool says what was recorded and sent so far.")
        return
    count, size = plan.progress.batches, plan.progress.bytes
    page.line(
        f"{count_of(plan.planned, 'event')} would go to {endpoint.origin_of(base)} in "
        f"{count_of(count, 'request')}, {size} bytes. Nothing was sent.",
        style="bold",
    )
    page.line()
    rows = [
        (f"{each.method} {each.url}", count_of(each.events, "event"), f"{each.bytes} bytes")
        for each in requests[:_SHOWN_REQUESTS]
    ]
    page.rows(rows)
    page.more(count - len(rows))
    page.next_step(f"{again} sends them; with --dry-run --raw it prints the bytes.")


def _nothing(options: Options) -> str:
    return "Nothing waits" if options.selection == ALL else "Nothing that waits was chosen"


def _show_result(result: ReplayResult, base: str, options: Options) -> None:
    """Draw what was sent; the problem, if any, follows as an error."""
    page, done = _output.new_page(), result.progress
    if not result.planned and result.problem is None:
        page.line(f"{_nothing(options)}, so nothing was sent.")
        return
    page.line(
        f"{count_of(done.sent, 'event')} sent to {endpoint.origin_of(base)} in "
        f"{count_of(done.batches, 'request')}, {done.bytes} bytes, {result.seconds:.1f} s.",
        style="bold",
    )
    if done.rejected:
        page.line(f"{count_of(done.rejected, 'event')} rejected.", style="red")
    if done.refused:
        refused = count_of(done.refused, "event")
        page.line(f"{refused} refused by the receiver, which does not say which.", style="red")
    if result.message and not result.problem:
        page.line(f"The receiver says: {result.message}", style="yellow")
    if result.kept:
        page.line(f"{count_of(result.kept, 'event')} still waiting.", style="yellow")
    if options.copies:
        page.line("These were copies: the events stay where they wait.")
    elif done.sent:
        page.line("Next: usagectl spool list --sent shows what was sent.")
