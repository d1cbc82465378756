"""Own how a previewed request looks to a person."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from usagectl import consent, notice
from usagectl.cli._render import Page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from usagectl.preview import Preview
    from usagectl.tools.requests import Request


def draw(
    previews: list[Preview],
    notices: list[str],
    *,
    why_nothing: Callable[[Preview], str],
    again: str,
) -> None:
    """Draw every request: request line, headers, body, a line for each field.

    `again` is the command line that shows what would be sent if it were on.
    """
    page = Page()
    for index, found in enumerate(previews):
        if index:
            page.line()
        if not found.requests:
            page.line(why_nothing(found), style="bold red" if found.would_send else "green")
            hint = found.cautions[0].hint if found.cautions else again
            page.indented(f"try: {hint}")
            continue
        page.line(_headline(found), style="bold red" if found.would_send else "bold")
        for request in found.requests:
            _draw_request(page, request, is_ours=found.consent.is_ours)
        page.cautions([(found.consent.name, caution) for caution in found.cautions])
    for text in notices:
        page.line()
        page.line(text, style="yellow")


def _headline(found: Preview) -> str:
    part = found.consent
    decider = consent.describe(part.decided_by)
    if found.would_send:
        return f"{part.name} would send this. Decided by: {decider}."
    if part.telemetry == "local":
        return f"{part.name} records this here and sends nothing. Decided by: {decider}."
    return f"{part.name} is off. If it were on, it would send this. Decided by: {decider}."


def _draw_request(page: Page, request: Request, *, is_ours: bool) -> None:
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
    page.body(request.body.decode("utf-8"))
    page.line()
    page.rows(list(_field_rows(request)))


def _instants(request: Request, *, is_ours: bool) -> Iterator[str]:
    """Say when each event is sent: the notice does for its clients, a declared event itself."""
    declared = {event.name: event.when for event in notice.load().declared_events}
    for name in dict.fromkeys(request.events):
        if not is_ours:
            yield f"{name}: {notice.find_event(name).when}"
        elif declared.get(name):
            yield f"{name}: {declared[name]}"


def _field_rows(request: Request) -> Iterator[tuple[str, str]]:
    """Say in one plain line what each member is, and whether the notice names it."""
    body = json.loads(request.body)
    events = body.get("events", [body])
    seen: set[tuple[str, str]] = set()
    for event in events:
        for group in ("metadata", "payload"):
            for key in event[group]:
                pointer = f"/{group}/{key}"
                if (event["name"], pointer) not in seen:
                    seen.add((event["name"], pointer))
                    yield f"{group}.{key}", _describe(event["name"], pointer, request)


def _describe(event: str, pointer: str, request: Request) -> str:
    field = notice.describe(event, pointer)
    text = field.meaning if field else "not described anywhere."
    marks = []
    if field is None or not field.documented:
        marks.append("NOT IN THE NOTICE")
    if pointer in request.varying:
        marks.append("varying: drawn when it is sent")
    if pointer in request.masked:
        marks.append("masked: --reveal shows it")
    return f"{text} [{'; '.join(marks)}]" if marks else text
