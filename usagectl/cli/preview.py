"""Own `usagectl preview`."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from usagectl import consent, notice, tools
from usagectl.cli import _output
from usagectl.cli._commands import RecordedCommand, new_app
from usagectl.cli._options import Json  # noqa: TC001  (Typer reads the annotations)
from usagectl.errors import InvalidValueError, UsageError
from usagectl.preview import preview as build
from usagectl.tools import registry
from usagectl.tools.base import is_version
from usagectl.tools.requests import PreviewWish

if TYPE_CHECKING:
    from collections.abc import Sequence

    from usagectl.cli._invocation import Invocation
    from usagectl.machine.environment import Environment
    from usagectl.preview import Preview
    from usagectl.tools.base import Tool
    from usagectl.tools.requests import Live, Request

app = new_app()
apps = {"preview": app}


@app.command(cls=RecordedCommand)
def preview(  # noqa: PLR0913  (each is an option)
    ctx: typer.Context,
    tool: Annotated[
        str | None,
        typer.Argument(
            metavar="[TOOL]",
            help=f"Which tool: {', '.join(tools.names())}. All of them without a name.",
            show_default=False,
        ),
    ] = None,
    *,
    if_enabled: Annotated[
        bool, typer.Option("--if-enabled", help="Show what would be sent if it were on.")
    ] = False,
    localstack_version: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION",
            help="Follow the rules of this LocalStack version, not of the installed one.",
            show_default=False,
        ),
    ] = None,
    waiting: Annotated[
        bool,
        typer.Option(
            "--waiting",
            help="Show every recorded event that waits, in the requests of a replay.",
        ),
    ] = False,
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Ask Docker, as LocalStack does, and the LocalStack that runs on this machine.",
        ),
    ] = False,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="Print the bytes of the bodies alone; one TOOL has one body."),
    ] = False,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show the auth token whole instead of masked.")
    ] = False,
    json: Json = False,
) -> None:
    """Show the exact requests that would be sent: method, URL, headers, body.

    For LocalStack that is its session event, after the rules of the installed
    version; its other events are seen with `usagectl capture`. For usagectl it
    is the event of its last and of its present command, for a tool that records
    through usagectl what waits of it; with --waiting, everything that
    `usagectl replay` would send. No socket is opened except with --live, and then
    only on this machine: a Docker elsewhere (DOCKER_HOST) is not asked.

    The auth token is masked unless --reveal; the machine ID is shown whole. A
    member that is drawn when it is sent (session ID, time) is marked as varying.
    """
    invocation: Invocation = ctx.obj
    if raw and json:
        raise UsageError("--raw and --json cannot be had at once.", hint="usagectl preview --raw")
    if localstack_version is not None and not is_version(localstack_version):
        raise InvalidValueError(
            "LocalStack version", localstack_version, wanted="use one such as 4.12.0"
        )
    ctx.with_resource(notice.declared(registry.declarations(invocation.environment)))
    chosen = tools.select(invocation.environment, [tool] if tool else [])
    wish = PreviewWish(if_enabled=if_enabled, reveal=reveal, version=localstack_version)
    previews, notices = _collect(invocation, chosen, wish, live=live, waiting=waiting)
    again = shlex.join(["usagectl", *invocation.arguments, "--if-enabled"])
    if raw:
        _print_raw(previews, again)
        return
    answer = _output.Answer(_data(previews, notices), lambda: _show(previews, notices, again))
    _output.emit(answer, invocation, as_json=json)


def _collect(
    invocation: Invocation, chosen: Sequence[Tool], wish: PreviewWish, *, live: bool, waiting: bool
) -> tuple[list[Preview], list[str]]:
    environment = invocation.environment
    previews: list[Preview] = []
    notices: list[str] = []
    for tool in chosen:
        is_here = tool.always_counts or len(chosen) == 1 or tool.find(environment).installed
        if not tool.is_ours and not is_here:
            continue
        asked = _ask(environment, tool, notices) if live else None
        found, remarks = build(
            environment,
            tool,
            wish._replace(live=asked),
            present=invocation.event,
            waiting=waiting,
        )
        previews += found
        notices += remarks
    return previews, notices


def _ask(environment: Environment, tool: Tool, notices: list[str]) -> Live | None:
    from usagectl import live  # it opens sockets; nothing else may load it

    url = tool.instance_url(environment)
    if not url:
        return None
    answer, problems = live.ask(environment, url)
    notices += [f"{problem.message} ({problem.code})" for problem in problems]
    return answer


def _print_raw(previews: list[Preview], again: str) -> None:
    bodies = [request.body for found in previews for request in found.requests]
    sys.stdout.flush()
    sys.stdout.buffer.write(b"\n".join(bodies) + (b"\n" if len(bodies) > 1 else b""))
    sys.stdout.buffer.flush()
    for found in previews:
        if not found.requests:
            _output.print_notice(_why_nothing(found), hint=again)
        elif any(request.masked for request in found.requests):
            _output.print_notice(f"{found.consent.name}: the token is masked; --reveal shows it.")


def _data(previews: list[Preview], notices: list[str]) -> dict[str, object]:
    decider = next((found for found in previews if found.would_send), None) or (
        previews[0] if previews else None
    )
    return {
        "requests": [_request_data(request) for found in previews for request in found.requests],
        "would_send": any(found.would_send for found in previews),
        "decided_by": _output.switch_data(decider.consent.decided_by) if decider else None,
        "verdicts": [
            {
                "tool": found.consent.tool,
                "part": found.consent.part,
                "telemetry": found.consent.telemetry,
                "would_send": found.would_send,
                "decided_by": _output.switch_data(found.consent.decided_by),
            }
            for found in previews
        ],
        "warnings": [
            _output.caution_data(caution) for found in previews for caution in found.cautions
        ],
        "notices": notices,
    }


def _request_data(request: Request) -> dict[str, object]:
    return {
        "tool": request.tool,
        "part": request.part,
        "version": request.version,
        "method": request.method,
        "url": request.url,
        "headers": dict(request.headers),
        "body": request.body.decode("utf-8"),
        "events": list(request.events),
        "masked": list(request.masked),
        "varying": list(request.varying),
    }


def _why_nothing(found: Preview) -> str:
    part = found.consent
    if found.would_send:
        absent = "" if part.installation.installed else " if it were on this machine"
        return f"{part.name} would send events{absent}. {found.cautions[0].message}"
    if found.is_unknown and found.cautions:
        reason = found.cautions[0].message
        return f"{part.name} is off. If it were on, it would send events. {reason}"
    if found.cautions:
        return f"{part.name}: nothing would be sent. {found.cautions[0].message}"
    decider = consent.describe(part.decided_by)
    return f"{part.name}: {part.telemetry}; nothing would be sent. Decided by {decider}."


def _show(previews: list[Preview], notices: list[str], again: str) -> None:
    from usagectl.cli._preview_page import draw  # it loads rich

    draw(previews, notices, why_nothing=_why_nothing, again=again)
