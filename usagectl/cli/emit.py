"""Own `usagectl emit`: one event of the notice, or of a declared kind, from a shell script."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import typer

from usagectl import notice
from usagectl.cli import _emit_options, _output
from usagectl.cli._commands import RecordedCommand, RecordedGroup, new_app
from usagectl.cli._data import as_data
from usagectl.cli._options import Json  # noqa: TC001  (Typer reads the annotations)
from usagectl.tools import registry
from usagectl.tools.base import MASK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from usagectl.cli._commands import Invocation
    from usagectl.cli._emit_options import Field, Form
    from usagectl.consent import Consent
    from usagectl.emitting.permission import Emitter
    from usagectl.machine.environment import Environment


class EmitGroup(RecordedGroup):
    """Be a group with one command for each event of the notice, and of the declared kinds."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """List the events of the notice, then those that registered programs declare."""
        return [*self.commands, *(each.name for each in _declarations(ctx))]

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]  # noqa: ANN401
        """Find the command of an event; a declared kind's is made on the way."""
        for each in _declarations(ctx):
            if each.name == cmd_name:
                one = new_app()
                _add_command(one, cmd_name, each.schema)
                command = typer.main.get_command(one)
                command.name = cmd_name
                return command
        return super().get_command(ctx, cmd_name)


def _declarations(context: typer.Context) -> tuple[notice.Declaration, ...]:
    return registry.declarations(context.obj.environment) if context.obj else ()


app = new_app(cls=EmitGroup, invoke_without_command=True)
apps = {"emit": app}


@app.callback()
def emit(ctx: typer.Context, *, json: Json = False) -> None:
    """Record one event of the notice from a shell script, under its tool's switches.

    Every field is typed and closed: a name, a number, a word of a list, or a text
    that is scrubbed of whatever looks like a value. What does not fit is refused.

    Without EVENT the events and their options are listed.
    """
    if ctx.invoked_subcommand is not None:
        return
    invocation: Invocation = ctx.obj
    forms = list(_forms(invocation.environment))
    data = {"events": [_form_data(form) for form in forms]}
    answer = _output.Answer(data, lambda: _show_forms(forms))
    _output.emit(answer, invocation, as_json=json)


def _forms(environment: Environment) -> Iterator[Form]:
    for event in notice.load().events:
        yield _emit_options.form_of(event.name, notice.event_schema(event.name))
    for each in registry.declarations(environment):
        yield _emit_options.form_of(each.name, each.schema)


def _form_data(form: Form) -> dict[str, object]:
    fields = [
        {
            "name": each.name,
            "option": each.option,
            "required": each.is_required,
            "default": each.default,
            "meaning": each.help,
        }
        for each in form.fields
    ]
    return {"name": form.name, "fields": fields}


def _show_forms(forms: list[Form]) -> None:
    from usagectl.cli._render import Page

    page = Page()
    page.line("An event is recorded with usagectl emit EVENT, and its fields as options.")
    page.line("Those in brackets may be left out.")
    page.line()
    page.rows([(form.name, " ".join(map(_option_shown, form.fields))) for form in forms])
    page.line()
    page.line("Next: usagectl emit cli_cmd --help, or add --dry-run to see the exact bytes.")


def _option_shown(field: Field) -> str:
    return field.option if field.is_required else f"[{field.option}]"


def _add_command(to: typer.Typer, name: str, schema: Mapping[str, Any]) -> None:
    form = _emit_options.form_of(name, schema)
    function = _emit_options.signed(form, partial(_emit_one, form))
    meaning = str(schema["description"])
    function.__doc__ = f"Record {name}: {meaning[0].lower()}{meaning[1:]}"
    to.command(name, cls=RecordedCommand)(function)


def _emit_one(form: Form, *, ctx: typer.Context, **values: Any) -> None:  # noqa: ANN401
    """Build the event, record it if the tool's switches let it, and say what became of it."""
    from usagectl import spool
    from usagectl.emitting import permission

    invocation: Invocation = ctx.obj
    environment = invocation.environment
    emitter = permission.emitter_of(environment, _tool_of(form, values[_emit_options.TOOL], ctx))
    is_dry = values[_emit_options.DRY_RUN]
    verdict = permission.verdict_of(environment, emitter)
    is_off = is_dry or verdict.telemetry == "off"
    body, session_id = _build(environment, form, emitter, values, keeps=not is_off)
    given = None if is_off else permission.permit(environment, emitter)
    shown = _masked(environment, body, values)
    if given is not None:
        spool.append(environment, body, tool=emitter.name, kind=form.name, consent=given.consent)
        permission.deliver(environment, given)
    data = {
        "event": form.name,
        "tool": emitter.name,
        "telemetry": verdict.telemetry,
        "recorded": given is not None,
        "decided_by": as_data(verdict.decided_by),
        "session_id": session_id,
        "body": shown,
        "masked": ["/payload/api_key"] if shown != body.decode("utf-8") else [],
        "dry_run": is_dry,
    }
    answer = _output.Answer(
        data, lambda: _show(form.name, verdict, shown, is_dry=is_dry, is_recorded=given is not None)
    )
    _output.emit(answer, invocation, as_json=values["json"])


def _tool_of(form: Form, typed: str, context: typer.Context) -> str:
    """Name whose event it is: that of a declared kind belongs to the tool that declares it."""
    for each in registry.read_all(context.obj.environment):
        if any(kind.name == form.name for kind in each.kinds):
            return each.name
    return typed


def _token(environment: Environment, values: Mapping[str, Any]) -> str:
    """Take the token from the variable that was named; empty without one."""
    variable = values.get(_emit_options.TOKEN_VARIABLE)
    return environment.variables.get(variable, "") if variable else ""


def _check_typed(environment: Environment, values: Mapping[str, Any]) -> None:
    """Refuse of a session what was typed and does not fit: nobody would learn it later.

    Raises:
        EventShapeError: the version is none, or the variable holds no token.
    """
    from usagectl.events.schemas import EventShapeError
    from usagectl.events.text_rules import CLOSINGS

    if CLOSINGS["version"](values["version"]) is None:
        reason = f"must be {notice.closed_form('version')}"
        raise EventShapeError("session", "--version", reason=reason)
    if values.get(_emit_options.TOKEN_VARIABLE) is None:
        return
    # The name is not said again: who mistakes the option hands over the token itself.
    token = _token(environment, values)
    if not token:
        reason = "must name a variable that is set"
    elif CLOSINGS["token"](token) is None:
        reason = f"must name a variable that holds {notice.closed_form('token')}"
    else:
        return
    raise EventShapeError("session", "--api-key-variable", reason=reason)


def _masked(environment: Environment, body: bytes, values: Mapping[str, Any]) -> str:
    """Write the event for a person or a log: its bytes, but for the token."""
    import json

    text, token = body.decode("utf-8"), _token(environment, values)
    return text.replace(json.dumps(token), json.dumps(MASK)) if token else text


def _build(
    environment: Environment,
    form: Form,
    emitter: Emitter,
    values: Mapping[str, Any],
    *,
    keeps: bool,
) -> tuple[bytes, str | None]:
    """Build the exact bytes, and name the session that the event belongs to.

    What is not recorded makes no machine ID either.

    Raises:
        EventShapeError: a value does not fit the notice.
    """
    from usagectl.emitting import permission
    from usagectl.emitting.tracker import session
    from usagectl.events import encoding, schemas

    started = session.start(environment)
    if typed := values.get(_emit_options.SESSION_ID):
        started = started._replace(session_id=typed)
    if form.name == "session":
        _check_typed(environment, values)
        body = session.build_event(
            environment,
            emitter._replace(version=values["version"]),
            started,
            token=_token(environment, values) or None,
            is_testing=values["is_testing"],
            machine_id=permission.machine_id(environment, emitter, keep=keeps),
        )
        return body, started.session_id
    shape = schemas.of(form.name, emitter.kinds)
    session_id = started.session_id if form.has_session else ""
    time = encoding.format_client_time(environment.now())
    body = shape.event(shape.payload(form.payload(values)), client_time=time, session_id=session_id)
    return body, session_id or None


def _show(event: str, verdict: Consent, body: str, *, is_dry: bool, is_recorded: bool) -> None:
    from usagectl import consent

    if is_dry:
        what = "would be recorded" if verdict.telemetry != "off" else "would not be recorded"
        typer.echo(f"This {event} of {verdict.tool} {what}:")
        typer.echo(_output.printable_line(body))
        return
    decider = consent.describe(verdict.decided_by)
    if not is_recorded:
        typer.echo(f"Nothing was recorded: {verdict.tool}'s telemetry is off, by {decider}.")
    elif verdict.telemetry == "on":
        typer.echo(f"Recorded {event} of {verdict.tool}; it is sent soon. Decided by {decider}.")
    else:
        typer.echo(f"Recorded {event} of {verdict.tool}; it stays on this machine.")


for _event in notice.load().events:
    _add_command(app, _event.name, notice.event_schema(_event.name))
