"""The command `capture`: run a command, or serve, and sum up what was sent."""

from __future__ import annotations

import shlex
import sys
import time
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, cast

import typer

from usagectl import endpoint
from usagectl.cli import _output
from usagectl.cli._capture_options import Chosen, check, choosing
from usagectl.cli._commands import AnsweringCommand, Invocation, new_app
from usagectl.errors import FileExistsAlreadyError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from usagectl.capture import Options
    from usagectl.cli._capture_hosts import Mode, Sight
    from usagectl.cli._capture_live import Watcher
    from usagectl.cli._capture_page import Outcome, Recorded, Run
    from usagectl.machine.environment import Environment

_WAYS = ("--sealed", "--proxy")
_FILES = ("-o", "--output", "--summary")
_LONGEST_LINE = 200

app = new_app()
apps = {"capture": app}


@app.command(
    cls=AnsweringCommand,
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
)
@choosing
def capture(
    ctx: typer.Context,
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="-- CMD [ARGS]",
            help="The command to watch. Without one the endpoint serves until Ctrl-C.",
        ),
    ] = None,
    *,
    chosen: Chosen,
) -> _output.Answer:
    """Run a command and record what it tries to send, by one of three ways.

    Without --sealed and --proxy, variables lead the usage events of known tools
    here instead of out. A program that posts to a URL of its own, whatever these
    variables say, is not caught: what it sends goes out, and nothing is seen of it
    here. Without CMD the endpoint serves until Ctrl-C, and the variables that lead
    a program to it are printed.

    With --sealed (Linux) CMD runs with no network but a recorder, whatever it is
    written in: each look-up, connection and request is seen, and nothing leaves
    this machine. With --proxy, CMD is told to use the recorder as its proxy; a
    program may pass that by.

    CMD's output and its exit status stay its own, and the summary goes to stderr.
    Events that the notice knows are held against it.

    To prove in CI that an opt-out works:

    usagectl capture --sealed --expect none -- localstack config show
    """
    invocation: Invocation = ctx.obj
    words, environment = command or [], invocation.environment
    check(chosen, has_command=bool(words), cwd=environment.cwd)
    if words:
        _check_command(words, invocation)
    from usagectl.cli import _capture_expectations, _capture_live
    from usagectl.cli import _capture_page as page

    summary = None if chosen.summary is None else environment.cwd / chosen.summary
    if summary is not None:
        with _leading_to_force(invocation):
            page.check_summary(summary, replaces=chosen.force)
    options = _options(chosen, environment, has_command=bool(words))
    if chosen.mode == "redirect":
        _warn(chosen, options, words, environment)
    if words:  # Stdout is left to CMD: our own answer goes to stderr.
        ctx.with_resource(redirect_stdout(sys.stderr))
    watching = _capture_live.watch(is_wanted=chosen.live, has_table=not words)
    with watching as watcher, _capture_live.Wait(chosen.grace) as wait:
        options = replace(options, on_wait=wait.tell)
        outcome = _capture(ctx, chosen, options, words, watcher)
    errors = _capture_expectations.failed(outcome, chosen.expect, words)
    for each in errors if words else ():
        each.hint = _retyped(each.hint, invocation, words)
    if words and chosen.output is not None:
        errors += page.note_run(outcome, words, environment)
    if summary is not None:
        errors += page.write_summary(outcome, errors, summary)
    return _output.Answer(
        lambda: page.outcome_data(outcome),
        lambda: page.show_outcome(outcome),
        errors,
        status=outcome.status or 0,
        heeds_columns=True,
    )


def _options(chosen: Chosen, environment: Environment, *, has_command: bool) -> Options:
    from usagectl.capture import Options

    return Options(
        file=None if chosen.output is None else environment.cwd / chosen.output,
        overwrite=chosen.force,
        answer=chosen.answer,
        address=chosen.address,
        port=chosen.port,
        as_if_enabled=chosen.as_if_enabled,
        reveal=chosen.reveal,
        has_secret=has_command,
        own=tuple(chosen.own or ()),
        offline=chosen.offline,
        grace_seconds=chosen.grace,
    )


def _warn(chosen: Chosen, options: Options, words: Sequence[str], environment: Environment) -> None:
    """Say before the command runs what of it the endpoint will not see."""
    from usagectl.cli import _capture_page as page
    from usagectl.cli._capture_expectations import entries_of

    is_reached = options.reaches_containers or not page.has_containers(environment, words)
    if chosen.expect and words and not is_reached:
        _output.print_remark(
            "Containers cannot reach this endpoint, so this proves nothing about them; --bind "
            "172.17.0.1 or 0.0.0.0 lets them."
        )
    for each in entries_of(words):
        _output.print_remark(
            f"{each.name} posts to an address of its own, which this capture does not move: what "
            "it sends goes out, and nothing is seen of it here.",
            hint="usagectl capture --sealed -- CMD",
        )


def _check_command(words: list[str], invocation: Invocation) -> None:
    """Refuse --json beside a command, and a command that cannot be run: it leaves no file.

    Stdout and stderr are the command's, so that neither holds one object alone.
    """
    if invocation.as_json:
        raise UsageError(
            "--json goes without CMD: beside a command the object goes to --summary FILE.",
            hint="usagectl capture --summary summary.json -- CMD",
        )
    from usagectl.machine import processes

    processes.require_program(words, invocation.environment.variables)


def _capture(
    ctx: typer.Context, chosen: Chosen, options: Options, words: list[str], watcher: Watcher
) -> Outcome:
    """Run the command, or serve without one, and audit what arrived."""
    from usagectl import audit
    from usagectl.cli import _capture_page as page

    environment = ctx.obj.environment
    name = page.names_shown(environment, is_revealed=options.reveal)
    heard, first = page.listening(watcher, name, only_own=bool(words))
    opened = _opened(chosen.mode, environment, options, heard)
    with _leading_to_force(ctx.obj), opened as run:
        if chosen.mode != "sealed":
            _warn_of_address(options)
        status = run.run(words) if words else None
        if not words:
            _serve(run, as_json=ctx.obj.as_json)
        run.finish()
        has_sight = chosen.mode != "redirect"
        found = audit.audit_capture(environment, run.file.path, words, only_known=has_sight)
        return page.Outcome(
            run,
            page.sums_shown(run.file.sums, name),
            first,
            page.judge(found),
            status,
            chosen.output,
            _sight(cast("Recorded", run), chosen, words, name, environment) if has_sight else None,
        )


def _retyped(hint: str, invocation: Invocation, words: Sequence[str]) -> str:
    """Put what was typed in the place of `CMD`: a next step that stands as it can be pasted.

    Options that were typed stay, but for those of another way to catch. A line that may not be
    shown whole, or is long, is not told again.
    """
    start, end = "usagectl capture ", " -- CMD"
    if not (hint.startswith(start) and hint.endswith(end)):
        return hint
    wanted = shlex.split(hint[len(start) : -len(end)])
    options = [each for each in invocation.arguments[1 : -len(words)] if each != "--"]
    way = {*_WAYS} & {*wanted}
    if way and not way & {*options}:
        options = [*_of_any_way(options)]
    if "--force" not in options and any(each.startswith(_FILES) for each in options):
        options.append("--force")  # The files of this run are there by now.
    kept = [each for each in options if each not in _WAYS]
    return _shown_line(["capture", *kept, *wanted, "--", *words], invocation) or hint


def _of_any_way(options: Sequence[str]) -> Iterator[str]:
    """Yield the options that hold for each way to catch, with their values."""
    left = iter(options)
    for each in left:
        if each in ("--bind", "--port"):
            next(left, None)
        elif not each.startswith(("--bind=", "--port=", "--offline")):
            yield each


def _shown_line(words: Sequence[str], invocation: Invocation) -> str:
    """Write a command line of ours for a hint; empty where it is long, or tells on somebody."""
    from usagectl.capture import privacy_of, records
    from usagectl.cli import _capture_page as page

    environment = invocation.environment
    name = page.names_shown(environment, is_revealed=False)
    privacy = privacy_of(environment, reveal=False)
    line = shlex.join(["usagectl", *words])
    masked = records.masked_command(["usagectl", *map(name, words)], privacy)
    return line if line == masked and len(line) <= _LONGEST_LINE and line.isprintable() else ""


@contextmanager
def _leading_to_force(invocation: Invocation) -> Iterator[None]:
    """Lead from a file that is there to the same command with --force, where that may be shown."""
    try:
        yield
    except FileExistsAlreadyError as error:
        name, *typed = invocation.arguments
        generic = f"usagectl {name} --force --output FILE -- CMD"
        error.hint = _shown_line([name, "--force", *typed], invocation) or generic
        raise


def _opened(
    mode: Mode, environment: Environment, options: Options, heard: Watcher
) -> AbstractContextManager[Run]:
    """Open a capture; the modules of its way alone are loaded."""
    if mode == "sealed":
        from usagectl.capture import sealed

        return sealed.opened(environment, options, **heard._asdict())
    if mode == "proxy":
        from usagectl.capture import proxied

        return proxied.opened(environment, options, **heard._asdict())
    from usagectl import capture

    return capture.opened(
        environment, options, on_arrival=heard.on_arrival, on_refusal=heard.on_refusal
    )


def _sight(
    run: Recorded,
    chosen: Chosen,
    words: Sequence[str],
    name: Callable[[str], str],
    environment: Environment,
) -> Sight:
    """Say what a recorder saw, and how it looked."""
    from usagectl.capture import hosts
    from usagectl.cli import _capture_hosts
    from usagectl.machine.launchers import program_of

    owner_of = hosts.known(own=tuple(chosen.own or ())).owner
    rows, seen = _capture_hosts.rows_shown(run.file.sums, owner_of, name)
    is_quiet = not any(row.is_loud for row in rows)
    may_be_unread = run.lacks and run.file.sums.unparsed
    return _capture_hosts.Sight(
        chosen.mode,
        name(program_of(words).name) if words else "The program",
        rows,
        seen,
        lacks=run.lacks,
        hidden=run.hidden,
        killed=run.killed,
        unread=_capture_hosts.count_unread(run.file.path) if may_be_unread else 0,
        quiet=_tool_that_is_on(words, environment) if is_quiet else "",
        is_offline=chosen.sealed or chosen.offline,
    )


def _tool_that_is_on(words: Sequence[str], environment: Environment) -> str:
    """Name the tool that a command is, if its telemetry is on here; else empty."""
    from usagectl import consent
    from usagectl.cli._capture_expectations import entries_of

    names = [each.name for each in entries_of(words)]
    verdicts = consent.evaluate(environment, names) if names else ()
    return next((each.tool for each in verdicts if each.telemetry == "on"), "")


def _warn_of_address(options: Options) -> None:
    host = f"[{options.address}]" if ":" in options.address else options.address
    if not endpoint.is_loopback(f"http://{host}"):
        _output.print_remark(
            f"The endpoint listens on {options.address}: whoever reaches this machine there "
            "can post to it."
        )


def _serve(capture: Run, *, as_json: bool) -> None:
    """Print how to lead a program here, and serve until a signal."""
    from usagectl.machine import processes, shells

    text = shells.render(capture.variables, "bash")
    with processes.noting_end(hears_interrupt=True) as ended:
        typer.echo(text, nl=False, err=as_json)
        sys.stdout.flush()
        _output.print_remark("Set these where the program runs. Serving until Ctrl-C.")
        while not ended:
            time.sleep(0.2)
    capture.wait_for_late()
