"""The command `capture`: run a command, or serve, and sum up what was sent."""

from __future__ import annotations

import os
import sys
import time
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from usagectl import endpoint
from usagectl.cli import _output
from usagectl.cli._capture_options import Chosen, check, choosing
from usagectl.cli._commands import AnsweringCommand, Invocation, new_app
from usagectl.errors import UsagectlError, UsageError, count_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from usagectl.capture import Arrival, Capture, Options, Refusal
    from usagectl.cli._capture_page import Outcome, Watcher
    from usagectl.machine.environment import Environment

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
    """Nobody knows whether the command sent something.

    A request was turned away, came by an address that the command was not given, or the command
    is a tool that posts to an address of its own.
    """

    code = "silence-unproven"
    exit_status = 1

    def __init__(
        self,
        turned_away: Mapping[Refusal, int],
        *,
        foreign: int = 0,
        not_led: Sequence[str] = (),
    ) -> None:
        first = sorted(turned_away.items(), key=lambda each: -each[1])[:_MOST_FIRST]
        told = [f"{count} {refusal.what}" for refusal, count in first]
        rest = sum(turned_away.values()) - sum(count for _, count in first)
        told += [f"{rest} more"] if rest else []
        reasons = [f"turned away: {', '.join(told)}"] if told else []
        if foreign:
            reasons.append(f"{count_of(foreign, 'request')} by another address than CMD's")
        reasons += [f"{name} posts to an address of its own" for name in not_led]
        helps = f" To mend the first: {first[0][0].advice}." if first else ""
        super().__init__(
            f"Nobody knows what was sent: {'; '.join(reasons)}.{helps}",
            hint=f"usagectl status {not_led[0]}" if not_led else "usagectl capture --live -- CMD",
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
    words, environment = command or [], invocation.environment
    check(chosen, cwd=environment.cwd)
    if words:
        _check_command(words, invocation)
    from usagectl.cli import _capture_page as page

    summary = None if chosen.summary is None else environment.cwd / chosen.summary
    if summary is not None:
        page.check_summary(summary, replaces=chosen.force)
    options = _options(chosen, environment, has_command=bool(words))
    not_led = _not_led(words)
    _warn(chosen, options, words, not_led, environment)
    if words:  # Stdout is left to CMD: our own answer goes to stderr.
        ctx.with_resource(redirect_stdout(sys.stderr))
    with page.watch(is_wanted=chosen.live, has_table=not words) as watcher:
        outcome = _capture(ctx, options, words, watcher)._replace(output=chosen.output)
    errors = _errors(outcome, chosen.expect, not_led)
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
        grace_seconds=chosen.grace,
    )


def _warn(
    chosen: Chosen,
    options: Options,
    words: Sequence[str],
    not_led: Sequence[str],
    environment: Environment,
) -> None:
    """Say before the command runs what of it will not be seen."""
    from usagectl.cli import _capture_page as page

    is_reached = options.reaches_containers or not page.has_containers(environment, words)
    if chosen.expect and words and not is_reached:
        _output.print_remark(
            "Containers cannot reach this endpoint, so this proves nothing about them; --bind "
            "172.17.0.1 or 0.0.0.0 lets them."
        )
    for name in not_led:
        _output.print_remark(
            f"{name} posts to an address of its own, which this capture does not move: what it "
            "sends goes out, and nothing is seen of it here.",
            hint=f"usagectl explain {name}",
        )


def _not_led(words: Sequence[str]) -> list[str]:
    """Name the tools that go by the command's name and post where no variable of ours leads."""
    from usagectl import catalogue

    names = catalogue.index().executables.get(os.path.basename(words[0]), ()) if words else ()  # noqa: PTH119
    entries = map(catalogue.entry, names)
    return [each.name for each in entries if not each.module and each.default != "off"]


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


def _capture(ctx: typer.Context, options: Options, words: list[str], watcher: Watcher) -> Outcome:
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
        watcher.on_arrival(shown)
        if len(first) < _MOST_FIRST and not (words and arrival.is_foreign):
            first.append(shown)

    def on_refusal(refusal: Refusal) -> None:
        watcher.on_refusal(page.refusal_shown(refusal, name))

    with capturing.opened(
        environment, options, on_arrival=on_arrival, on_refusal=on_refusal
    ) as capture:
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
        return page.Outcome(capture, sums, first, page.judge(found), status)


def _serve(capture: Capture, *, as_json: bool) -> None:
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


def _errors(
    outcome: Outcome, expect: Literal["none", "notice"] | None, not_led: Sequence[str]
) -> list[UsagectlError]:
    """List the expectations that failed; what could not be written proves nothing."""
    found: list[UsagectlError] = []
    sums = outcome.sums
    own = sums.requests - sums.foreign
    if expect == "none" and own:
        shown = [_describe(each) for each in outcome.first]
        found.append(UnexpectedEventsError(own, first=shown))
    if expect and (sums.refused or sums.foreign or not_led) and not found:
        unproven = SilenceUnprovenError(sums.turned_away, foreign=sums.foreign, not_led=not_led)
        found.append(unproven)
    if expect == "notice" and (outcome.loud or outcome.unread):
        found.append(NoticeNotKeptError(outcome.loud, unread=outcome.unread))
    if outcome.capture.file.problem is not None:
        found.append(outcome.capture.file.problem)
    return found


def _describe(arrival: Arrival) -> str:
    names = ", ".join(sorted(set(arrival.names))) or arrival.problem
    return f"{arrival.method} {arrival.path} ({names})"
