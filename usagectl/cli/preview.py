"""`usagectl preview`: the exact requests that would be sent, with a line for each field."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from usagectl import notice, tools
from usagectl.cli import _output
from usagectl.cli._commands import AnsweringCommand, Invocation, new_app
from usagectl.errors import InvalidValueError, UsagectlError, UsageError
from usagectl.preview import preview as build
from usagectl.showing import headline, preview_data, why_nothing
from usagectl.tools import instrumented
from usagectl.tools.base import is_version
from usagectl.tools.previews import PreviewWish

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from usagectl.cli._render import Page
    from usagectl.machine.environment import Environment
    from usagectl.preview import Preview
    from usagectl.tools.base import Tool
    from usagectl.tools.previews import Live, Request

app = new_app()
apps = {"preview": app}


class NothingToPrintError(UsagectlError):
    """The bytes of requests are asked for, and no tool has any."""

    code = "nothing-to-print"
    exit_status = 1

    def __init__(self, reasons: Sequence[str], *, hint: str) -> None:
        super().__init__(" ".join(reasons) or "Nothing would be sent.", hint=hint)


@app.command(cls=AnsweringCommand)
def preview(  # noqa: PLR0913  (each is an option)
    ctx: typer.Context,
    tool: Annotated[
        str | None,
        typer.Argument(
            metavar="TOOL",
            help="Which tool, such as localstack; usagectl status --all lists their names. "
            "Without a name, those that are found here.",
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
) -> _output.Answer | None:
    """Show the exact requests that would be sent: method, URL, headers, body.

    For LocalStack that is its session event, after the rules of the installed
    version; its other events are seen with `usagectl capture`. For usagectl it
    is the event of its last and of its present command, for a tool that records
    through usagectl what waits of it; with --waiting, everything that
    `usagectl replay` would send. No socket is opened except with --live, and then
    only on this machine: a Docker elsewhere (DOCKER_HOST) is not asked. What a
    running LocalStack was started with is read from Docker or /proc, else unknown.

    The auth token is masked unless --reveal; the machine ID is shown whole. A
    member that is drawn when it is sent (session ID, time) is marked as varying.
    """
    invocation: Invocation = ctx.obj
    if raw and invocation.as_json:
        raise UsageError("--raw and --json cannot be had at once.", hint="usagectl preview --raw")
    if localstack_version is not None and not is_version(localstack_version):
        raise InvalidValueError(
            "LocalStack version", localstack_version, wanted="use one such as 4.12.0"
        )
    ctx.with_resource(notice.declared(instrumented.declarations(invocation.environment)))
    chosen = tools.select(invocation.environment, [tool] if tool else [])
    wish = PreviewWish(if_enabled, reveal, localstack_version, is_named=tool is not None)
    previews, notices = _collect(invocation, chosen, wish, live=live, waiting=waiting)
    again = shlex.join(["usagectl", *invocation.arguments, "--if-enabled"])
    again = "usagectl status" if if_enabled else again
    if raw:
        _print_raw(previews, again)
        return None
    return _output.Answer(
        lambda: preview_data(previews, notices), lambda: _show(previews, notices, again)
    )


def _collect(
    invocation: Invocation, chosen: Sequence[Tool], wish: PreviewWish, *, live: bool, waiting: bool
) -> tuple[list[Preview], list[str]]:
    environment = invocation.environment
    previews: list[Preview] = []
    notices: list[str] = []
    for tool in chosen:
        is_here = wish.is_named or tool.is_previewed_absent or tool.find(environment).installed
        if not tool.is_ours and not is_here:
            continue
        asked = _ask(environment, tool, notices) if live else None
        found, remarks = build(
            environment,
            tool,
            wish._replace(live=asked),
            present=invocation.recording.event,
            waiting=waiting,
        )
        previews += found
        notices += remarks
    return previews, notices


def _ask(environment: Environment, tool: Tool, notices: list[str]) -> Live | None:
    from usagectl import live  # it opens sockets; nothing else may load it

    urls = tool.instance_urls(environment)
    if not urls:
        return None
    answer, problems = live.ask(environment, *urls)
    notices += [f"{problem.message} ({problem.code})" for problem in problems]
    return answer


def _print_raw(previews: list[Preview], again: str) -> None:
    """Print the bodies; of a tool that has none, say why on stderr.

    Raises:
        NothingToPrintError: no tool has one.
    """
    empty = [found for found in previews if not found.requests]
    if len(empty) == len(previews):
        hint = _next_step(empty[0], again) if empty else again
        raise NothingToPrintError([*map(why_nothing, empty)], hint=hint)
    bodies = [request.body for found in previews for request in found.requests]
    sys.stdout.flush()
    sys.stdout.buffer.write(b"\n".join(bodies) + (b"\n" if len(bodies) > 1 else b""))
    sys.stdout.buffer.flush()
    for found in empty:
        _output.print_remark(why_nothing(found), hint=_next_step(found, again))
    for found in previews:
        if any(request.unknown for request in found.requests):
            _output.print_remark(f"{found.consent.name}: {found.cautions[0].message}")
        if any(request.masked for request in found.requests):
            _output.print_remark(f"{found.consent.name}: the token is masked; --reveal shows it.")


def _next_step(found: Preview, again: str) -> str:
    return found.cautions[0].hint if found.cautions else again


def _show(previews: list[Preview], notices: list[str], again: str) -> None:
    """Draw every request: request line, headers, body, a line for each field.

    `again` is the command line that shows what would be sent if telemetry were on.
    """
    page = _output.new_page()
    for index, found in enumerate(previews):
        if index:
            page.line()
        _show_preview(page, found, again)
    for text in notices:
        page.line()
        page.line(text, style="yellow")


def _show_preview(page: Page, found: Preview, again: str) -> None:
    if not found.requests:
        page.line(why_nothing(found), style="bold red" if found.would_send else "green")
        page.indented(f"try: {_next_step(found, again)}")
        return
    page.line(headline(found), style="bold red" if found.would_send else "bold")
    for request in found.requests:
        _show_request(page, request, is_ours=found.consent.is_ours)
    page.cautions([(found.consent.name, caution) for caution in found.cautions])


def _show_request(page: Page, request: Request, *, is_ours: bool) -> None:
    page.line()
    instants = list(_instants(request, is_ours=is_ours))
    for text in instants:
        page.line(text)
    if instants:
        page.line()
    page.line(f"{request.method} {request.url}", style="bold")
    for name, value in request.headers.items():
        page.line(f"{name}: {value}", style="dim")
    page.line()
    _show_body(page, request)
    page.line()
    page.rows(list(_field_rows(request)))


def _show_body(page: Page, request: Request) -> None:
    """Draw a body as it is; one that nobody can read as the JSON of the same message."""
    text = _readable(request)
    if text.encode() != request.body:
        size = len(request.body)
        page.line(f"{size} bytes, which --raw prints; they hold what this JSON says:", style="dim")
        page.line()
    page.body(text)


def _readable(request: Request) -> str:
    """Return a body as text; that of protobuf, or a compressed one, as JSON."""
    is_text = request.headers.get("Content-Type", "application/json") == "application/json"
    if is_text and "Content-Encoding" not in request.headers:
        return request.body.decode("utf-8")
    from usagectl.delivery import otlp  # few choose it

    return otlp.to_json(request.body, request.headers).decode("utf-8")


def _instants(request: Request, *, is_ours: bool) -> Iterator[str]:
    """Name when each event is sent, in the words of the notice or of the event's declaration."""
    declared = {event.name: event.when for event in notice.load().declared_events}
    for name in dict.fromkeys(request.events):
        if not is_ours:
            yield f"{name}: {notice.find_event(name).when}"
        elif declared.get(name):
            yield f"{name}: {declared[name]}"


def _field_rows(request: Request) -> Iterator[tuple[str, str]]:
    """Describe each member in one plain line, once, and mark what the notice does not name."""
    for name, group, key in dict.fromkeys(_members(request)):
        yield f"{group}.{key}", _describe(name, f"/{group}/{key}", request)


def _members(request: Request) -> Iterator[tuple[str, str, str]]:
    """List event, group and name of each member of a body."""
    from json import loads

    body = loads(_readable(request))
    if "resourceLogs" in body:
        from usagectl.delivery.otlp_records import members_of  # few choose it

        yield from members_of(body)
        return
    for event in body.get("events", [body]):
        for group in ("metadata", "payload"):
            yield from ((event["name"], group, key) for key in event[group])


def _describe(event: str, pointer: str, request: Request) -> str:
    field = notice.describe(event, pointer)
    text = field.meaning if field else "not described anywhere."
    marks = []
    if field is None or not field.documented:
        marks.append("NOT IN THE NOTICE")
    if pointer in request.varying:
        marks.append("varying: drawn when it is sent")
    if pointer in request.unknown:
        marks.append("unknown: what the instance was started with is not told")
    if pointer in request.masked:
        marks.append("masked: --reveal shows it")
    return f"{text} [{'; '.join(marks)}]" if marks else text
