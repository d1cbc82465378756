"""The command `capture`: run a command, or serve, and sum up what was sent."""

from __future__ import annotations

import ipaddress
import sys
import time
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from usagectl import endpoint
from usagectl.cli import _output
from usagectl.cli._commands import AnsweringCommand, Invocation, new_app
from usagectl.errors import InvalidValueError, UsagectlError, UsageError, count_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from usagectl.capture import Arrival, Capture, Options
    from usagectl.cli._capture_page import Outcome

_MOST_FIRST = 5

app = new_app()
apps = {"capture": app}


class UnexpectedEventsError(UsagectlError):
    """Something arrived where nothing was expected."""

    code = "unexpected-events"
    exit_status = 1

    def __init__(self, count: int, *, first: Sequence[str]) -> None:
        more = f" and {count - len(first)} more" if count > len(first) else ""
        super().__init__(
            f"Nothing was to be sent, and {count_of(count, 'request')} arrived: "
            f"{'; '.join(first)}{more}.",
            hint="usagectl status",
        )


class SilenceUnprovenError(UsagectlError):
    """A request was turned away, so that nobody knows what it would have been."""

    code = "silence-unproven"
    exit_status = 1

    def __init__(self, refused: int) -> None:
        what = f"{count_of(refused, 'request')} {'was' if refused == 1 else 'were'}"
        super().__init__(
            f"Nobody knows what was sent: {what} turned away, as of a browser, for another host, "
            "or no HTTP.",
            hint="usagectl capture --live -- CMD",
        )


class NoticeNotKeptError(UsagectlError):
    """What arrived departs from the notice."""

    code = "notice-not-kept"
    exit_status = 1

    def __init__(self, errors: int, *, unread: int = 0) -> None:
        loud = f"{count_of(errors, 'finding')} of the level error" if errors else ""
        dark = f"{unread} of what arrived could not be read" if unread else ""
        super().__init__(
            f"What arrived departs from the notice: {', '.join(filter(None, (loud, dark)))}.",
            hint="usagectl audit --list-rules",
        )


@app.command(
    cls=AnsweringCommand,
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
)
def capture(  # noqa: PLR0913  (each is an option of the command)
    ctx: typer.Context,
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[-- CMD [ARGS]...]",
            help="The command to watch. Without one the endpoint serves until Ctrl-C.",
        ),
    ] = None,
    *,
    expect: Annotated[
        Literal["none", "notice"] | None,
        typer.Option(
            help="Exit with 1 if anything arrives; with `notice`, if what arrives breaks it.",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Keep what arrives in this file, for audit, spool and replay.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it is there.")] = False,
    as_if_enabled: Annotated[
        bool,
        typer.Option("--as-if-enabled", help="Lift the opt-outs for CMD, to see what it hides."),
    ] = False,
    answer: Annotated[
        Literal["on", "off", "error", "hang", "refuse", "slow"],
        typer.Option(
            help="How the endpoint behaves: track_events true or false, status 500, no answer, "
            "nothing listening, an answer after two seconds."
        ),
    ] = "on",
    bind: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Listen on this address, so that containers reach the endpoint.",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Listen on this port; 0 takes a free one.")
    ] = 0,
    grace: Annotated[
        float,
        typer.Option(
            min=0, max=600, help="Seconds to wait at most for what CMD leaves running behind it."
        ),
    ] = 10.0,
    live: Annotated[
        bool, typer.Option("--live", help="Show each request on stderr as it arrives.")
    ] = False,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Keep tokens and all headers in clear.")
    ] = False,
) -> _output.Answer:
    """Run a command and record the usage events that variables lead here instead of out.

    CMD runs against an endpoint on loopback: its output and its exit status stay
    its own, and the summary goes to stderr. Its events are held against the
    notice. Without CMD the endpoint serves until Ctrl-C, and the variables that
    lead a program to it are printed.

    A program that posts to a URL of its own, whatever these variables say, is not
    caught: what it sends goes out, and nothing is seen of it here.

    To prove in CI that an opt-out works:

    usagectl capture --expect none -- localstack config show
    """
    invocation: Invocation = ctx.obj
    words = command or []
    _check(expect=expect, answer=answer, force=force, output=output, bind=bind)
    from usagectl import capture as capturing
    from usagectl.cli import _capture_page as page

    options = capturing.Options(
        file=None if output is None else invocation.environment.cwd / output,
        overwrite=force,
        answer=answer,
        address="127.0.0.1" if bind == "localhost" else bind,
        port=port,
        as_if_enabled=as_if_enabled,
        reveal=reveal,
        grace_seconds=grace,
    )
    is_reached = options.reaches_containers or not page.has_containers(
        invocation.environment, words
    )
    if expect and words and not is_reached:
        _output.print_remark(
            "Containers cannot reach this endpoint, so this proves nothing about them; --bind "
            "172.17.0.1 or 0.0.0.0 lets them."
        )
    if words:  # Stdout is left to CMD: our own answer goes to stderr.
        ctx.with_resource(redirect_stdout(sys.stderr))
    with page.watch(is_wanted=live, has_table=not words) as show:
        outcome = _capture(ctx, options, words, show)
    return _output.Answer(
        lambda: page.outcome_data(outcome),
        lambda: page.show_outcome(outcome),
        _errors(outcome, expect),
        status=outcome.status or 0,
    )


def _check(*, expect: str | None, answer: str, force: bool, output: str | None, bind: str) -> None:
    """Refuse options that do not go together, and a host name for --bind.

    A name may stand for another machine's address, and would be looked up.
    """
    if expect and answer == "refuse":
        raise UsageError("--answer refuse takes nothing in, so it can prove nothing.")
    if force and output is None:
        raise UsageError("--force goes with --output FILE.")
    if output in ("", "-"):
        raise UsageError(
            '--output needs a file name; "-" and "" are not allowed.',
            hint="usagectl capture --output capture.jsonl -- CMD",
        )
    try:
        ipaddress.ip_address("127.0.0.1" if bind == "localhost" else bind)
    except ValueError:
        raise InvalidValueError(
            "--bind", bind, wanted="use an IP address of this machine", hint="usagectl capture"
        ) from None


def _capture(
    ctx: typer.Context, options: Options, words: list[str], show: Callable[[Arrival], None]
) -> Outcome:
    """Run the command, or serve without one, and audit what arrived."""
    from usagectl import audit
    from usagectl import capture as capturing
    from usagectl.cli import _capture_page as page

    environment = ctx.obj.environment
    name = page.names_shown(environment, is_revealed=options.reveal)
    first: list[Arrival] = []

    def on_arrival(arrival: Arrival) -> None:
        """Pass a request on, without the names in it that reveal something of this machine."""
        shown = arrival._replace(path=name(arrival.path), names=[*map(name, arrival.names)])
        show(shown)
        if len(first) < _MOST_FIRST:
            first.append(shown)

    with capturing.opened(environment, options, on_arrival=on_arrival) as capture:
        host = f"[{options.address}]" if ":" in options.address else options.address
        if not endpoint.is_loopback(f"http://{host}"):
            _output.print_remark(
                f"The endpoint listens on {options.address}: whoever reaches this machine there "
                "can post to it."
            )
        status = capture.run(words) if words else None
        if not words:
            _serve(capture, as_json=ctx.obj.as_json)
        capture.finish()
        found = audit.audit_capture(environment, capture.file.path, words)
        sums = page.sums_shown(capture.file.sums, name)
        return page.Outcome(capture, sums, first, found, status)


def _serve(capture: Capture, *, as_json: bool) -> None:
    """Print how to lead a program here, and serve until a signal."""
    from usagectl.machine import processes, shells

    text = shells.render(capture.variables, "bash")
    with processes.noting_end() as ended:
        typer.echo(text, nl=False, err=as_json)
        sys.stdout.flush()
        _output.print_remark("Set these where the program runs. Serving until Ctrl-C.")
        while not ended:
            time.sleep(0.2)
    capture.wait_for_late()


def _errors(outcome: Outcome, expect: Literal["none", "notice"] | None) -> list[UsagectlError]:
    """List the expectations that failed; what could not be written proves nothing."""
    found: list[UsagectlError] = []
    sums = outcome.sums
    if expect == "none" and sums.requests:
        shown = [_describe(each) for each in outcome.first]
        found.append(UnexpectedEventsError(sums.requests, first=shown))
    if expect and sums.refused and not found:
        found.append(SilenceUnprovenError(sums.refused))
    if expect == "notice" and (outcome.loud or outcome.unread):
        found.append(NoticeNotKeptError(outcome.loud, unread=outcome.unread))
    if outcome.capture.file.problem is not None:
        found.append(outcome.capture.file.problem)
    return found


def _describe(arrival: Arrival) -> str:
    names = ", ".join(sorted(set(arrival.names))) or arrival.problem
    return f"{arrival.method} {arrival.path} ({names})"
