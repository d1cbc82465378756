"""The command `usagectl emit`: one event of the notice, or of a declared kind, from a script.

The options of each event are read off the notice's data, or off the declaration of a kind.
"""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from usagectl import notice
from usagectl.cli import _output
from usagectl.cli._commands import AnsweringCommand, AnsweringGroup, new_app
from usagectl.errors import UsagectlError
from usagectl.sensitive import MASK
from usagectl.showing import as_data
from usagectl.tools import instrumented

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from usagectl.cli._commands import Invocation
    from usagectl.consent import Consent
    from usagectl.emitting.permission import Emitter, Permit
    from usagectl.machine.environment import Environment

# What a script need not say: the same as the library takes for granted.
_DEFAULTS: Mapping[str, object] = {
    "is_internal": False,
    "region": "us-east-1",
    "account_id": "000000000000",
    "user_agent": "",
    "count": 1,
    "is_testing": False,
}
_MEASURED = {"session": ("session_id", "machine_id", "api_key", "system", "is_ci", "is_docker")}
"""Fields that are found out here and not typed."""

_TYPES: Mapping[str, tuple[Any, str | None]] = {
    "string": (str, "VALUE"),
    "integer": (int, "INT"),
    "number": (float, "FLOAT"),
    "boolean": (bool, None),
}
"""By the type in the schema: the type of an option, and what the help shows for its value."""


class EventOption(NamedTuple):
    """One field of an event, the option that it is typed as, and the parameter for Typer."""

    name: str
    option: str
    required: bool
    default: object
    meaning: str
    parameter: inspect.Parameter


class EventForm(NamedTuple):
    """An event as it is typed.

    Attributes:
        name: the event.
        fields: those that are typed.
        list_name: the member that holds them as the one item of a list; empty without one.
        has_session: whether its metadata names a session.
    """

    name: str
    fields: tuple[EventOption, ...]
    list_name: str
    has_session: bool

    def payload(self, values: Mapping[str, Any]) -> dict[str, object]:
        """Build the payload of typed values; what was not typed is left out."""
        found = {each.name: values.get(each.name) for each in self.fields}
        typed = {name: value for name, value in found.items() if value is not None}
        return {self.list_name: [typed]} if self.list_name else typed


class EmitGroup(AnsweringGroup):
    """A group with one command for each event of the notice, and for each declared kind."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """List the events of the notice, then those that registered programs declare."""
        return [*self.commands, *(each.name for each in _declarations(ctx))]

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]  # noqa: ANN401
        """Return the command of an event; that of a declared kind is made on demand."""
        for each in _declarations(ctx):
            if each.name == cmd_name:
                one = new_app()
                _add_command(one, cmd_name, each.schema)
                command = typer.main.get_command(one)
                command.name = cmd_name
                return command
        return super().get_command(ctx, cmd_name)


def _declarations(context: typer.Context) -> tuple[notice.Declaration, ...]:
    return instrumented.declarations(context.obj.environment) if context.obj else ()


app = new_app(cls=EmitGroup, invoke_without_command=True)
apps = {"emit": app}


@app.callback()
def emit(ctx: typer.Context) -> _output.Answer | None:
    """Record one event of the notice from a shell script, under its tool's switches.

    Every field is typed and closed: a name, a number, a word of a list, or a text
    that is scrubbed of whatever looks like a value. What does not fit is refused.
    Beyond that it never fails a script, and says nothing but on a terminal.

    Without EVENT the events and their options are listed.
    """
    if ctx.invoked_subcommand is not None:
        return None
    invocation: Invocation = ctx.obj
    forms = [form_of(each.name, notice.event_schema(each.name)) for each in notice.load().events]
    declared = instrumented.declarations(invocation.environment)
    forms += [form_of(each.name, each.schema) for each in declared]
    return _output.Answer(lambda: {"events": as_data(forms)}, lambda: _show_forms(forms))


def _show_forms(forms: list[EventForm]) -> None:
    page, rows = _output.new_page(), []
    page.line("An event is recorded with usagectl emit EVENT, and its fields as options.")
    page.line("Those in brackets may be left out.")
    page.line()
    for form in forms:
        shown = (each.option if each.required else f"[{each.option}]" for each in form.fields)
        rows.append((form.name, " ".join(shown)))
    page.rows(rows)
    page.next_step("usagectl emit cli_cmd --help, or add --dry-run to see the exact bytes.")


def form_of(name: str, schema: Mapping[str, Any]) -> EventForm:
    """Read the form of an event off its schema."""
    payload = schema["properties"]["payload"]
    list_name, members = "", payload
    if len(payload["properties"]) == 1:
        ((only, found),) = payload["properties"].items()
        if found["type"] == "array" and found["items"].get("type") == "object":
            list_name, members = only, found["items"]
    fields = tuple(
        _field(each, members["properties"][each], is_required=each in members["required"])
        for each in members["properties"]
        if each not in _MEASURED.get(name, ())
    )
    metadata = schema["properties"]["metadata"]["properties"]
    return EventForm(name, fields, list_name, "session_id" in metadata and name != "session")


def _field(name: str, schema: Mapping[str, Any], *, is_required: bool) -> EventOption:
    is_list = schema["type"] == "array"
    items = schema["items"] if is_list else schema
    annotation, metavar = _TYPES[items["type"]]
    if is_list:
        annotation = list.__class_getitem__(annotation)
    default = _DEFAULTS.get(name, [] if is_list else None)
    is_required = is_required and default is None
    if default is None and not is_required:
        annotation |= None
    # One option for each item of a list: `--param` for `params`.
    word = name.removesuffix("s") if is_list else name
    option = f"--{word.replace('_', '-')}"
    meaning = str(schema["description"])
    if choices := schema.get("enum") or items.get("enum"):
        meaning += f" One of {', '.join(choices)}."
    shown = default not in (None, "", [], False)
    details = typer.Option(option, help=meaning, show_default=shown, metavar=metavar)
    given = inspect.Parameter.empty if is_required else default
    parameter = _parameter(name, Annotated[annotation, details], given)
    return EventOption(name, option, is_required, default, meaning, parameter)


def _parameter(name: str, annotation: Any, default: object) -> inspect.Parameter:  # noqa: ANN401
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def _add_command(to: typer.Typer, name: str, schema: Mapping[str, Any]) -> None:
    """Add the command of an event; Typer reads its options off the signature that it is given."""
    form = form_of(name, schema)

    def command(**values: Any) -> _output.Answer:  # noqa: ANN401
        return _emit_one(form, **values)

    meaning = str(schema["description"])
    command.__doc__ = f"Record {name}: {meaning[0].lower()}{meaning[1:]}"
    parameters = [_parameter("ctx", typer.Context, inspect.Parameter.empty)]
    parameters += [each.parameter for each in form.fields]
    parameters += _shared_parameters(form)
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    to.command(name, cls=AnsweringCommand)(command)


_Tool = Annotated[
    str, typer.Option("--tool", metavar="PROGRAM", help="Whose event it is; its switches decide.")
]
_TokenVariable = Annotated[
    str | None,
    typer.Option(
        metavar="VARIABLE",
        help="Hand over the token that this environment variable holds; without it, none.",
    ),
]
_SessionId = Annotated[
    str | None,
    typer.Option(metavar="UUID", help="The session it belongs to; without it a new one is drawn."),
]
_Strict = Annotated[
    bool, typer.Option("--strict", help="Fail, and say why, if the event cannot be kept.")
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the exact bytes; record nothing.")]


def _shared_parameters(form: EventForm) -> Iterator[inspect.Parameter]:
    yield _parameter("tool", _Tool, "usagectl")
    if form.name == "session":
        yield _parameter("api_key_variable", _TokenVariable, None)
    if form.has_session or form.name == "session":
        yield _parameter("session_id", _SessionId, None)
    yield _parameter("strict", _Strict, default=False)
    yield _parameter("dry_run", _DryRun, default=False)


def _emit_one(form: EventForm, *, ctx: typer.Context, **values: Any) -> _output.Answer:  # noqa: ANN401
    """Build the event, and record it if the tool's switches allow it."""
    from usagectl.emitting import permission

    invocation: Invocation = ctx.obj
    invocation.recording.forget_since(0)  # A script leaves its own event, and none about it.
    environment = invocation.environment
    emitter = permission.emitter_of(environment, _tool_of(environment, form, values["tool"]))
    is_dry = values["dry_run"]
    verdict = permission.verdict_of(environment, emitter)
    is_off = is_dry or verdict.telemetry == "off"
    body, session_id = _build(environment, form, emitter, values, keeps=not is_off)
    given = None if is_off else permission.permit(environment, emitter)
    shown = _masked(environment, body, values)
    problem = _keep(environment, body, given, kind=form.name) if given else None
    is_recorded = given is not None and problem is None
    data = {
        "event": form.name,
        "tool": emitter.name,
        "telemetry": verdict.telemetry,
        "recorded": is_recorded,
        "problem": problem.code if problem else None,
        "decided_by": as_data(verdict.decided_by),
        "session_id": session_id,
        "body": shown,
        "masked": ["/payload/api_key"] if shown != body.decode("utf-8") else [],
        "dry_run": is_dry,
    }
    return _output.Answer(
        lambda: data,
        lambda: _show(data, verdict, problem),
        [problem] if problem and values["strict"] else [],
    )


def _keep(
    environment: Environment, body: bytes, given: Permit, *, kind: str
) -> UsagectlError | None:
    """Put an event into the spool and have it sent; return what went wrong."""
    from usagectl import spool
    from usagectl.emitting import permission

    tool = given.verdict.tool
    try:
        spool.append(environment, body, tool=tool, kind=kind, consent=given.consent)
    except UsagectlError as error:
        return error
    permission.deliver(environment, given)
    return None


def _tool_of(environment: Environment, form: EventForm, typed: str) -> str:
    """Name the tool whose event it is: that of a declared kind is the one that declares it."""
    for each in instrumented.read_all(environment):
        if any(kind.name == form.name for kind in each.kinds):
            return each.name
    return typed


def _token(environment: Environment, values: Mapping[str, Any]) -> str:
    """Return the token in the variable that was named; empty without one."""
    variable = values.get("api_key_variable")
    return environment.variables.get(variable, "") if variable else ""


def _check_typed(environment: Environment, values: Mapping[str, Any]) -> None:
    """Refuse a version or token that was typed and does not fit: a person can correct it.

    Raises:
        EventShapeError: the version is invalid, or the variable holds no valid token.
    """
    from usagectl.events.schemas import EventShapeError
    from usagectl.events.text_rules import RULES

    if RULES["version"](values["version"]) is None:
        reason = f"must be {notice.closed_form('version')}"
        raise EventShapeError("session", "--version", reason=reason)
    token = _token(environment, values)
    if values.get("api_key_variable") is None or (token and RULES["token"](token) is not None):
        return
    # The name is not repeated: who mistakes the option hands over the token itself.
    wanted = f"holds {notice.closed_form('token')}" if token else "is set"
    reason = f"must name a variable that {wanted}"
    raise EventShapeError("session", "--api-key-variable", reason=reason)


def _masked(environment: Environment, body: bytes, values: Mapping[str, Any]) -> str:
    """Return the event's text for a person or a log, with the token masked."""
    import json

    text, token = body.decode("utf-8"), _token(environment, values)
    return text.replace(json.dumps(token), json.dumps(MASK)) if token else text


def _build(
    environment: Environment,
    form: EventForm,
    emitter: Emitter,
    values: Mapping[str, Any],
    *,
    keeps: bool,
) -> tuple[bytes, str | None]:
    """Build the exact bytes, and name the session that the event belongs to.

    Without `keeps` no machine ID is stored.

    Raises:
        EventShapeError: a value does not fit the notice.
    """
    from usagectl.emitting import permission, recorder
    from usagectl.events import record, schemas

    started = recorder.start_session(environment)
    started = started._replace(session_id=values.get("session_id") or started.session_id)
    if form.name == "session":
        _check_typed(environment, values)
        body = recorder.build_session_event(
            environment,
            started,
            emitter=emitter._replace(version=values["version"]),
            token=_token(environment, values) or None,
            is_testing=values["is_testing"],
            machine_id=permission.machine_id(environment, emitter, keep=keeps),
        )
        return body, started.session_id
    shape = schemas.of(form.name, emitter.kinds)
    session_id = started.session_id if form.has_session else ""
    time = record.format_client_time(environment.now())
    body = shape.event(shape.payload(form.payload(values)), client_time=time, session_id=session_id)
    return body, session_id or None


def _show(data: Mapping[str, object], verdict: Consent, problem: UsagectlError | None) -> None:
    """Show the bytes of a dry run; else say what became of the event, where a person reads it."""
    from usagectl import consent

    event, tool, decider = data["event"], verdict.tool, consent.describe(verdict.decided_by)
    if data["dry_run"]:
        what = "would be recorded" if verdict.telemetry != "off" else "would not be recorded"
        typer.echo(f"This {event} of {tool} {what}:")
        _output.print_line(str(data["body"]))
    elif not sys.stdout.isatty():
        return
    elif problem:
        typer.echo(f"Nothing was recorded: {problem.message}")
    elif not data["recorded"]:
        typer.echo(f"Nothing was recorded: {tool}'s telemetry is off, by {decider}.")
    elif verdict.telemetry == "on":
        typer.echo(f"Recorded {event} of {tool}; it is sent soon. Decided by: {decider}.")
    else:
        typer.echo(f"Recorded {event} of {tool}; it stays on this machine.")


for _event in notice.load().events:
    _add_command(app, _event.name, notice.event_schema(_event.name))
