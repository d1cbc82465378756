"""`usagectl explain`: the notice, where real clients depart from it, and each tool, in words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from usagectl import catalogue, notice
from usagectl.catalogue.page import markdown, sections
from usagectl.cli import _output
from usagectl.cli._commands import AnsweringCommand, Invocation, new_app
from usagectl.errors import UnknownEventError, UnknownToolError, nearest
from usagectl.settings import variable_of
from usagectl.showing import as_data
from usagectl.tools import do_not_track, instrumented
from usagectl.tools.instrumented import Instrumented

if TYPE_CHECKING:
    from collections.abc import Sequence

    from usagectl.catalogue.entry import Remark
    from usagectl.cli._render import Page
    from usagectl.machine.environment import Environment
    from usagectl.notice import Departure, Event, Field, Notice
    from usagectl.tools.instrumented import Registration

app = new_app()
apps = {"explain": app}


@app.command(cls=AnsweringCommand)
def explain(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="TOPIC",
            help="A tool such as next, DO_NOT_TRACK, an event, a field of one such as "
            "session.machine_id, or a departure such as D03.",
        ),
    ] = None,
    *,
    as_markdown: Annotated[
        bool,
        typer.Option("--markdown", help="Write what is known of the tools as a Markdown page."),
    ] = False,
) -> _output.Answer:
    """Read the notice, or what is known of a tool, in plain words.

    Of an event: its fields, and where real clients are known to go beyond the notice. Of a
    tool: what it sends and where to, its switches and which values they take, its files and
    IDs, what no switch covers, and the evidence for each claim; of a program that records
    through usagectl, what it says of itself. DO_NOT_TRACK is a name as
    well: what it does to each tool.
    """
    if as_markdown:
        return _markdown(name)
    invocation: Invocation = ctx.obj
    ctx.with_resource(notice.declared(instrumented.declarations(invocation.environment)))
    if name is not None:
        return _explain_name(invocation.environment, name)
    found = notice.load()
    return _output.Answer(lambda: _notice_data(found), lambda: _show_all(found))


def _explain_name(environment: Environment, name: str) -> _output.Answer:
    named = tuple(found for found in notice.load().departures if found.id == name.upper())
    if named:
        return _output.Answer(
            lambda: {"departures": as_data(named)}, lambda: _show_departures(_page(), named)
        )
    events = [each.name for each in notice.all_events()]
    program = None if name in events else instrumented.read(environment, name)
    if program is not None:
        return _explain_program(environment, program)
    if name in catalogue.names():
        return _explain_tool(name)
    if name.upper() == do_not_track.NAME:
        return _explain_do_not_track()
    if re.fullmatch(r"D\d+", name, re.IGNORECASE):
        known = [found.id for found in notice.load().departures]
        what = "a departure of real clients"
        raise UnknownEventError(name, known=[f"{known[0]} to {known[-1]}"], what=what)
    programs = [each.name for each in instrumented.read_all(environment)]
    _refuse_near_tool(name, events, [*programs, *catalogue.names()])
    event_name, _, field_name = name.partition(".")
    event = notice.find_event(event_name)
    if not field_name:
        return _output.Answer(lambda: _event_data(event), lambda: _show_event(event))
    field = notice.find_field(event_name, field_name)
    departures = notice.departures_of(event_name, field.pointer)
    return _output.Answer(
        lambda: as_data({"field": field, "departures": departures}),
        lambda: _show_field(field, departures),
    )


def _refuse_near_tool(name: str, events: Sequence[str], tools: Sequence[str]) -> None:
    """Refuse a name that is no event's, and nearly that of a tool.

    Raises:
        UnknownToolError: it is.
    """
    is_event = name.partition(".")[0] in events or nearest(name.lower(), events)
    if not is_event and nearest(name.lower(), tools):
        raise UnknownToolError(name, known=tools)


def _explain_program(environment: Environment, program: Registration) -> _output.Answer:
    """Show what a program that records through usagectl says of itself, and what it heeds."""
    name = program.name
    declared = [each for each in notice.load().declared_events if name in each.tools]
    variable = variable_of(name)
    endpoint = program.endpoint or "none is named: it sends nothing by itself"
    files = [each.path for each in Instrumented(program).identity_files(environment)]

    def show() -> None:
        page = _page()
        page.line(f"{name}: a program that records through usagectl", style="bold")
        if program.problem:
            page.indented(program.problem)
        page.heading("What it records")
        page.rows([(each.name, each.meaning) for each in declared])
        if program.members:
            page.rows([("cli_cmd", f"has {', '.join(program.members)} too")])
        page.indented("Beside what it declares, events of the notice; no parameter's value.")
        page.section("Where to", [("telemetry", endpoint), ("moved by", "ANALYTICS_API")])
        heeded = "whatever stops usagectl's own recording stops this one's"
        switches = [(variable, "off, local or on; any other text is off"), ("others", heeded)]
        page.section("Switches", switches)
        terms = program.terms
        begins = {
            "off": "nothing is recorded",
            "ask": "nothing is recorded until its user says yes",
        }
        settled = [
            ("without a switch", begins.get(terms.default, "recorded here, and not sent")),
            ("its author says", terms.told),
            ("its own commands", terms.commands and f"{terms.commands} status, show, on, off"),
        ]
        page.section("What its author settles", [row for row in settled if row[1]])
        page.section("Its files", [("machine ID", str(file)) for file in files])
        page.next_step(f"usagectl status {name}, usagectl preview {name}")

    data = {
        "events": [each.name for each in declared],
        "not_covered": [],
        "tool": {
            **{key: getattr(program, key) for key in _TOLD},
            **program.terms._asdict(),
            "opt_out": {variable: "off"},
        },
    }
    return _output.Answer(lambda: data, show)


_TOLD = ("name", "version", "endpoint", "program", "problem", "delivers", "members")


def _explain_tool(name: str) -> _output.Answer:
    entry = catalogue.entry(name)
    found = notice.load()
    events = [each for each in (*found.events, *found.undocumented_events) if name in each.tools]
    if entry.module == "instrumented":
        events = [notice.find_event("cli_cmd")]

    def show() -> None:
        page = _page()
        page.line(f"{entry.title}: {entry.summary}", style="bold")
        if events:
            page.heading("Events of the notice")
            page.rows([(event.name, event.meaning) for event in events])
        for section in sections(entry):
            page.section(*section)
        page.next_step(f"usagectl status {name}")

    data = {
        "events": [each.name for each in events],
        "not_covered": as_data(entry.uncovered),
        "tool": catalogue.data(name),
    }
    return _output.Answer(lambda: data, show)


def _explain_do_not_track() -> _output.Answer:
    found = do_not_track.rows()

    def show() -> None:
        page = _page()
        page.line(do_not_track.summary(found), style="bold")
        page.line("It has no single meaning: what a value does is up to each tool.")
        page.heading("What each value does")
        heads = ("", *(f"={value or '(empty)'}" for value in do_not_track.VALUES))
        readers = [row for row in found if row.is_read]
        page.rows([heads, *((row.tool, *row.effects.values()) for row in readers)])
        page.heading("Which values they take")
        page.rows([(row.tool, row.meaning) for row in readers])
        page.heading("Not read by")
        page.indented(", ".join(row.tool for row in found if not row.is_read))
        page.next_step('eval "$(usagectl env)" sets each tool\'s own opt-out.')

    return _output.Answer(lambda: {"tools": as_data(found)}, show)


def _markdown(name: str | None) -> _output.Answer:
    names = [name] if name else catalogue.names()
    for each in names:
        if each not in catalogue.names():
            raise UnknownToolError(each, known=catalogue.names())
    text = markdown([catalogue.entry(each) for each in names])
    return _output.Answer(lambda: {"markdown": text}, lambda: typer.echo(text, nl=False))


def _uncovered() -> list[Remark]:
    """List what no opt-out of the notice's own tools reaches."""
    return [each for name in catalogue.modules() for each in catalogue.entry(name).uncovered]


def _show_uncovered(page: Page, uncovered: Sequence[Remark]) -> None:
    """List traffic and traces beside usage events; nothing where none are known."""
    if uncovered:
        page.heading("What no opt-out covers")
        page.bullets([each.whole for each in uncovered])


def _notice_data(found: Notice) -> dict[str, object]:
    data: dict[str, Any] = as_data(found)
    for member in ("events", "declared_events", "undocumented_events"):
        data[member] = [_event_data(event) for event in getattr(found, member)]
    for member in ("switch", "licence"):
        del data[member]["id"]
    data["not_covered"] = as_data(_uncovered())
    return data


def _event_data(event: Event) -> dict[str, object]:
    departures = [departure.id for departure in notice.departures_of(event.name)]
    return {**as_data(event), "departures": departures}


def _show_all(found: Notice) -> None:
    page = _page()
    page.line("What the notice says is collected", style="bold")
    for event in found.events:
        page.line()
        page.line(event.name, style="bold cyan")
        page.indented(event.meaning)
        page.indented(f"Fields: {', '.join(field.name for field in event.fields)}", "dim")
    if found.declared_events:
        page.heading("What programs on this machine record beyond it, as they declare")
        page.rows([(event.name, event.meaning) for event in found.declared_events])
    page.heading("What it says is never collected")
    page.bullets([promise.meaning for promise in found.never_collected])
    page.heading("What real clients send beyond it")
    page.rows([(event.name, event.meaning) for event in found.undocumented_events])
    page.heading("Where real clients depart from it")
    page.rows([(d.id, f"{d.title} ({_versions(d.since, d.until)})") for d in found.departures])
    _show_uncovered(page, _uncovered())
    page.heading("Opting out")
    page.indented(found.switch.meaning)
    page.indented(found.licence.meaning)
    page.next_step("usagectl explain session, usagectl explain session.machine_id")


def _show_event(event: Event) -> None:
    page = _page()
    is_declared = event in notice.load().declared_events
    mark = "" if event.documented else " [NOT IN THE NOTICE]"
    mark = " [DECLARED BY ITS PROGRAM]" if is_declared else mark
    page.line(f"{event.name}{mark}", style="bold")
    page.indented(event.meaning)
    senders = ", ".join(event.tools)
    versions = "" if is_declared else f" ({_versions(event.since, event.until)})"
    rows = [
        *([("sent", event.when)] if event.when else []),
        ("to", f"/{event.endpoint}"),
        ("by", f"{senders}{versions}"),
    ]
    if event.sentence:
        rows.append(("notice", f'"{event.sentence}"'))
    page.rows(rows)
    _show_fields(page, "Fields", event.fields)
    _show_fields(page, "Fields that usagectl adds where an author wants them", event.added_fields)
    _show_fields(page, "Fields that the notice does not name", event.undocumented_fields)
    _show_departures(page, notice.departures_of(event.name))


def _show_fields(page: Page, heading: str, fields: tuple[Field, ...]) -> None:
    if fields:
        page.heading(heading)
        page.rows([(f.name, f.type, f.privacy, f.meaning) for f in fields])


def _show_field(field: Field, departures: tuple[Departure, ...]) -> None:
    page = _page()
    mark = "" if field.documented else " [NOT IN THE NOTICE]"
    page.line(f"{field.event}.{field.name}{mark}", style="bold")
    page.indented(field.meaning)
    privacy = f"{field.privacy}: {notice.load().privacy_classes.get(field.privacy, '')}"
    rows = [("type", field.type), ("privacy", privacy), ("place", field.pointer)]
    if field.example is not None:
        rows.append(("example", str(field.example)))
    if field.sentence:
        rows.append(("notice", f'"{field.sentence}"'))
    if field.since or field.until:
        rows.append(("versions", _versions(field.since, field.until)))
    page.rows(rows)
    _show_departures(page, departures)


def _show_departures(page: Page, departures: tuple[Departure, ...]) -> None:
    if not departures:
        return
    page.heading("Where real clients depart from the notice")
    for departure in departures:
        versions = _versions(departure.since, departure.until)
        page.indented(f"{departure.id} {departure.title} ({versions}; {departure.evidence})")
        page.indented(departure.text, "dim", by=6)


def _versions(since: str | None, until: str | None) -> str:
    if since and until:
        return since if since == until else f"{since} to {until}"
    if since:
        return f"since {since}"
    return f"until {until}" if until else "all versions read"


def _page() -> Page:
    return _output.new_page(is_prose=True)
