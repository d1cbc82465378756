"""Own `usagectl capture`."""

from __future__ import annotations

import ipaddress
import sys
import time
from contextlib import nullcontext, redirect_stdout
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from usagectl import endpoint
from usagectl.cli import _output
from usagectl.cli._commands import RecordedCommand, new_app
from usagectl.cli._options import Json  # noqa: TC001  (Typer reads the annotations)
from usagectl.errors import InvalidValueError, UsagectlError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from usagectl.capture import Arrival, FirstArrivals, Session
    from usagectl.cli._capture_page import Outcome
    from usagectl.cli._commands import Invocation

app = new_app()
apps = {"capture": app}


class UnexpectedEventsError(UsagectlError):
    """Tell that something arrived where nothing was expected."""

    code = "unexpected-events"
    exit_status = 1

    def __init__(self, count: int, *, first: Sequence[str]) -> None:
        requests = "1 request" if count == 1 else f"{count} requests"
        more = f" and {count - len(first)} more" if count > len(first) else ""
        super().__init__(
            f"Nothing was to be sent, and {requests} arrived: {'; '.join(first)}{more}.",
            hint="usagectl status",
        )


class SilenceUnprovenError(UsagectlError):
    """Tell that something was turned away, so that nobody can say what it was to be."""

    code = "silence-unproven"
    exit_status = 1

    def __init__(self, refused: int) -> None:
        what = "1 request was" if refused == 1 else f"{refused} requests were"
        super().__init__(
            f"What was sent cannot be told: {what} turned away, as of a browser, for another host, "
            "or no HTTP.",
            hint="usagectl capture --live -- CMD",
        )


class NoticeNotKeptError(UsagectlError):
    """Tell that what arrived departs from the notice."""

    code = "notice-not-kept"
    exit_status = 1

    def __init__(self, errors: int, *, unread: int = 0) -> None:
        findings = "1 finding" if errors == 1 else f"{errors} findings"
        loud = f"{findings} of the level error" if errors else ""
        dark = f"{unread} of what arrived could not be read" if unread else ""
        super().__init__(
            f"What arrived departs from the notice: {', '.join(filter(None, (loud, dark)))}.",
            hint="usagectl audit --list-rules",
        )


@app.command(
    cls=RecordedCommand,
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
)
def capture(  # noqa: PLR0913  (each is an option of the command)
    ctx: typer.Context,
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[-- CMD [ARGS]...]",
            help="The command to watch. Without one the endpoint serves until Ctrl-C.",
            show_default=False,
        ),
    ] = None,
    *,
    expect: Annotated[
        Literal["none", "notice"] | None,
        typer.Option(
            help="Exit with 1 if anything arrives; with `notice`, if what arrives breaks it.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Keep what arrives in this file, for audit, spool and replay.",
            show_default=False,
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
    json: Json = False,
) -> None:
    """Run a command and record every usage event that it sends; none leaves this machine.

    CMD runs against an endpoint on loopback: its output and its exit status stay
    its own, and the summary goes to stderr. Its events are held against the
    notice. Without CMD the endpoint serves until Ctrl-C, and the variables that
    lead a program to it are printed.

    To prove in CI that an opt-out works:

    usagectl capture --expect none -- localstack config show
    """
    from usagectl import capture as capturing
    from usagectl import notice
    from usagectl.cli import _capture_page as page
    from usagectl.tools import registry

    invocation: Invocation = ctx.obj
    words = command or []
    if expect and answer == "refuse":
        raise UsageError("--answer refuse takes nothing in, so it can prove nothing.")
    if force and output is None:
        raise UsageError("--force goes with --output FILE.")
    if output in ("", "-"):
        raise UsageError(
            "--output takes the name of a file; - and an empty name are none.",
            hint="usagectl capture --output capture.jsonl -- CMD",
        )
    _check_address(bind)
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
    if (
        expect
        and words
        and not options.reaches_containers
        and page.has_containers(invocation.environment)
    ):
        _output.print_notice(
            "Containers cannot reach this endpoint, so nothing is said of them; --bind "
            "172.17.0.1 or 0.0.0.0 lets them."
        )
    first = capturing.FirstArrivals()
    # What CMD writes on stdout is left alone: our own answer goes to stderr.
    with redirect_stdout(sys.stderr) if words else nullcontext():
        with page.watch(is_wanted=live, has_table=not words) as watch:
            on_arrival = _shown(
                _both(first.add, watch.show), page.names_shown(invocation.environment, reveal)
            )
            with capturing.opened(
                invocation.environment, options, on_arrival=on_arrival
            ) as session:
                if not endpoint.is_loopback(f"http://{f'[{bind}]' if ':' in bind else bind}"):
                    _output.print_notice(
                        f"The endpoint listens on {bind}: whoever reaches this machine there can "
                        "post to it."
                    )
                status = session.run(words) if words else None
                if not words:
                    _serve(session, as_json=json)
                session.finish()
                ctx.with_resource(notice.declared(registry.declarations(invocation.environment)))
                found = page.audit_file(invocation.environment, session.file, words)
                outcome = page.Outcome(session, found, status=status, kept=options.file)
                outcome.hide(page.names_shown(invocation.environment, reveal))
        errors = _errors(outcome, first, expect)
        data = page.outcome_data(outcome)
        result = _output.Answer(data, lambda: page.show_outcome(outcome), errors)
        _output.emit(result, invocation, as_json=json)
    raise typer.Exit(status or 0)


def _shown(
    tell: Callable[[Arrival], None], name: Callable[[str], str]
) -> Callable[[Arrival], None]:
    """Tell of requests without the names in them that give something of this machine away."""
    return lambda each: tell(
        each._replace(path=name(each.path), names=[name(text) for text in each.names])
    )


def _check_address(text: str) -> None:
    """Refuse what is no address: a name may stand for another machine's, and is looked up."""
    try:
        ipaddress.ip_address("127.0.0.1" if text == "localhost" else text)
    except ValueError:
        raise InvalidValueError(
            "--bind", text, wanted="use an IP address of this machine", hint="usagectl capture"
        ) from None


def _both(
    first: Callable[[Arrival], None], second: Callable[[Arrival], None]
) -> Callable[[Arrival], None]:
    def tell(arrival: Arrival) -> None:
        first(arrival)
        second(arrival)

    return tell


def _serve(session: Session, *, as_json: bool) -> None:
    """Serve until a signal; say how to lead a program here."""
    from usagectl.machine import processes, shells

    text = shells.render(session.variables, "bash")
    with processes.noting_end() as ended:
        typer.echo(text, nl=False, err=as_json)
        sys.stdout.flush()
        _output.print_notice("Set these where the program runs. Serving until Ctrl-C.")
        while not ended:
            time.sleep(0.2)
    session.wait_for_late()


def _errors(
    outcome: Outcome, first: FirstArrivals, expect: Literal["none", "notice"] | None
) -> list[UsagectlError]:
    """Say what was expected and is not so; what could not be written proves nothing."""
    found: list[UsagectlError] = []
    sums = outcome.sums
    if expect == "none" and sums.requests:
        shown = [_describe(each) for each in first.found[:5]]
        found.append(UnexpectedEventsError(sums.requests, first=shown))
    if expect and sums.refused and not found:
        found.append(SilenceUnprovenError(sums.refused))
    if expect == "notice" and (outcome.loud or outcome.unread):
        found.append(NoticeNotKeptError(outcome.loud, unread=outcome.unread))
    if outcome.problem is not None:
        found.append(outcome.problem)
    return found


def _describe(arrival: Arrival) -> str:
    names = ", ".join(sorted(set(arrival.names))) or arrival.problem
    return f"{arrival.method} {arrival.path} ({names})"
