"""Commands of a program's own that control its telemetry: `mytool telemetry status`, `off`, `on`.

They give the answers of `usagectl status`, `preview`, `disable`, `enable` and `reset-machine-id`
for this one program, to people who have never heard of usagectl; `--json` is the same envelope.
They need neither Typer nor Rich, and are built of the classes of the application that gets them.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from usagectl import identity, preview, switching
from usagectl.consent import describe
from usagectl.emitting import permission
from usagectl.emitting.command_lines import click_of
from usagectl.errors import InvalidValueError, UsagectlError, count_of
from usagectl.machine import environment as surroundings
from usagectl.sensitive import mask_url_credentials
from usagectl.settings import variable_of
from usagectl.showing import (
    JSON_HELP,
    as_data,
    envelope,
    headline,
    part_data,
    preview_data,
    printable_line,
    switch_data,
    told_change,
    told_replacement,
    why_nothing,
)
from usagectl.spool import Selection, open_spool
from usagectl.spool import state as spool_state
from usagectl.status import with_cautions
from usagectl.tools import instrumented
from usagectl.tools.instrumented import Instrumented
from usagectl.tools.previews import PreviewWish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from usagectl.consent import Consent
    from usagectl.emitting.permission import Emitter
    from usagectl.machine.environment import Environment
    from usagectl.switching import SwitchResult

HELP = "See and control what this program records of its use."


class Answer(NamedTuple):
    """What one of the commands answers: for a program, for a person, and what went wrong."""

    data: Mapping[str, object]
    lines: Sequence[str]
    errors: Sequence[UsagectlError] = ()


class Asked(NamedTuple):
    """A program, and what it runs on."""

    emitter: Emitter
    environment: Environment

    @property
    def name(self) -> str:
        """The tool's name."""
        return self.emitter.name

    @property
    def tool(self) -> Instrumented:
        """The program as usagectl sees it."""
        told = permission.registration_of(self.emitter)
        return Instrumented(instrumented.merge(self.environment, told))

    def command(self, verb: str) -> str:
        """Return the command line of another of its commands."""
        return f"{self.emitter.terms.commands} {verb}"


def status(asked: Asked) -> Answer:
    """Show whether anything is recorded or sent, and why."""
    verdict = permission.verdict_of(asked.environment, asked.emitter)._replace(counts=True)
    found = with_cautions(asked.environment, verdict, spool_state(asked.environment))
    ids = [identity.read(each) for each in asked.tool.identity_files(asked.environment)]
    facts = {
        "decided by": describe(found.decided_by),
        "overridden": ", ".join(map(describe, found.overridden)),
        "endpoint": mask_url_credentials(found.endpoint),
        "waiting": _waiting(asked),
        "machine ID": ", ".join(f"in {each.place.path}" for each in ids if each.exists),
        "privacy": found.privacy,
    }
    lines = [f"{asked.name}: {found.state}. {_MEANINGS[found.state]}"]
    lines += [f"  {name}: {text}" for name, text in facts.items() if text]
    lines += [f"  warning: {each.message}" for each in found.cautions]
    verb = "off" if found.telemetry != "off" else "on"
    lines.append(f"To turn it {verb}: {asked.command(verb)}. To see it: {asked.command('show')}.")
    return Answer({"tools": [part_data(found, ids)]}, lines)


_MEANINGS = {
    "on": "What is recorded is sent.",
    "local": "What is recorded stays on this machine; nothing is sent.",
    "off": "Nothing is recorded, and nothing is sent.",
    "asks": "Nothing is recorded until you say yes.",
}


def _waiting(asked: Asked) -> str:
    with open_spool(asked.environment, read_only=True) as store:
        count = store.count(["pending"], Selection(tools=(asked.name,)))
    return f"{count_of(count, 'event')} on this machine" if count else ""


def show(asked: Asked) -> Answer:
    """Show the exact bytes that would be sent."""
    found, remarks = preview.preview(asked.environment, asked.tool, PreviewWish(), waiting=True)
    lines: list[str] = []
    for each in found:
        lines.append(headline(each) if each.requests else why_nothing(each))
        for request in each.requests:
            lines += ["", f"{request.method} {request.url}"]
            lines += [f"{name}: {value}" for name, value in request.headers.items()]
            lines += ["", request.body.decode()]
    return Answer(preview_data(found, remarks), lines)


def on(asked: Asked) -> Answer:
    """Let this program record and send."""
    _register(asked)
    return _switched(asked, switching.enable(asked.environment, [asked.name]))


def off(asked: Asked) -> Answer:
    """Stop it, and remove what waits."""
    _register(asked)
    return _switched(asked, switching.disable(asked.environment, [asked.name]))


def reset_id(asked: Asked) -> Answer:
    """Replace its random machine ID by a new one."""
    planned = identity.plan_reset(asked.environment)
    bodies = {name: body for name, body in planned.items() if name == asked.name}
    found = identity.replace(asked.environment, bodies)
    lines = [told_replacement(each, dry_run=False) for each in found if each.problem is None]
    data = {"dry_run": False, "replaced": as_data(found), "warnings": []}
    nothing = [f"{asked.name} keeps no machine ID here; nothing was changed."]
    return Answer(data, lines or nothing, identity.failures(found))


COMMANDS: Mapping[str, Callable[[Asked], Answer]] = {
    "status": status,
    "show": show,
    "on": on,
    "off": off,
    "reset-id": reset_id,
}
"""The commands by name, in the order of the help; the docstring is the help."""


def _register(asked: Asked) -> None:
    """Make the program known to usagectl, so that either switches it; a failure is told later."""
    instrumented.register(asked.environment, permission.registration_of(asked.emitter))


def _switched(asked: Asked, result: SwitchResult) -> Answer:
    lines = [told_change(each, dry_run=False) for each in result.changes]
    if result.purged:
        lines.append(f"{count_of(result.purged, 'waiting event')} removed, unsent.")
    lines += [_read_back(each) for each in result.consents]
    data = switch_data(asked.environment, result, dry_run=False)
    return Answer(data, lines, result.problems)


def _read_back(found: Consent) -> str:
    sent = (
        f" It sends to {mask_url_credentials(found.endpoint)}." if found.telemetry == "on" else ""
    )
    return f"{found.name}: {found.state} (decided by: {describe(found.decided_by)}).{sent}"


def run(emitter: Emitter, verb: str, *, as_json: bool) -> int:
    """Run one of the commands, print its answer, and return the exit status."""
    asked = Asked(emitter, surroundings.from_process())
    try:
        answer = COMMANDS[verb](asked)
    except UsagectlError as error:
        answer = Answer({}, [], [error])
    command = " ".join(asked.command(verb).split()[1:])
    errors = [(each, _next_step(each, asked)) for each in answer.errors]
    if as_json:
        document = envelope(command, answer.data, errors)
        sys.stdout.write(f"{json.dumps(document, indent=2 if sys.stdout.isatty() else None)}\n")
    else:
        sys.stdout.writelines(f"{printable_line(line)}\n" for line in answer.lines)
        sys.stderr.writelines(_told(errors))
    return answer.errors[0].exit_status if answer.errors else 0


def _told(errors: Sequence[tuple[UsagectlError, str]]) -> Iterator[str]:
    for error, hint in errors:
        yield f"error: {printable_line(error.message)} [{error.code}]\n"
        yield f"  try: {printable_line(hint)}\n"


def _next_step(error: UsagectlError, asked: Asked) -> str:
    """Return the next step in the program's own commands, where it has that one."""
    own = {
        f"usagectl enable {asked.name}": "on",
        f"usagectl disable {asked.name}": "off",
        f"usagectl preview {asked.name}": "show",
        f"usagectl status {asked.name}": "status",
        "usagectl status": "status",
        "": "status",
    }
    if error.hint.startswith("eval "):  # That needs usagectl; a variable needs nothing.
        return f"export {variable_of(asked.name)}=off"
    verb = own.get(error.hint)
    return asked.command(verb) if verb else error.hint


def mount(app: Any, name: str, emitter: Emitter) -> None:  # noqa: ANN401  (Typer's or Click's)
    """Give an application the commands, as a group of this name.

    Raises:
        InvalidValueError: it is a command without sub-commands, or has one of this name.
    """
    taken = _names_in(app)
    if taken is None:
        wanted = "a command alone has no place for others; make it a group"
        raise InvalidValueError("commands", name, wanted=wanted)
    if name in taken:
        raise InvalidValueError("commands", name, wanted="the application has one of that name")
    if hasattr(app, "add_typer"):
        _mount_typer(app, name, emitter)
    else:
        app.add_command(_click_group(app, name, emitter))


def _names_in(app: Any) -> set[str] | None:  # noqa: ANN401
    if hasattr(app, "add_typer"):
        commands = (each.name or _name_by(each.callback) for each in app.registered_commands)
        return {*commands, *(each.name for each in app.registered_groups)}
    return set(app.commands) if hasattr(app, "add_command") else None


def _name_by(callback: Any) -> str:  # noqa: ANN401
    """Return the name that Typer gives a command which has none of its own."""
    return str(callback.__name__).lower().replace("_", "-")


def _mount_typer(app: Any, name: str, emitter: Emitter) -> None:  # noqa: ANN401
    import typer
    from typer.core import TyperGroup

    class Group(TyperGroup):
        is_usagectls = True  # It controls recording, and is not recorded.

    group = typer.Typer(name=name, cls=Group, help=HELP, no_args_is_help=True)
    option = typer.Option(False, "--json", help=JSON_HELP)  # noqa: FBT003
    for verb, function in COMMANDS.items():
        group.command(verb, help=function.__doc__)(_callback(emitter, verb, option))
    app.add_typer(group)


def _callback(emitter: Emitter, verb: str, default: Any = False) -> Callable[..., None]:  # noqa: ANN401, FBT002
    """Return what runs one command; the default is how Typer is told of an option."""

    def command(*, json: bool = default) -> None:
        raise SystemExit(run(emitter, verb, as_json=json))

    command.__annotations__ = {"json": bool, "return": None}  # Typer reads types, not their names.
    return command


def _click_group(app: Any, name: str, emitter: Emitter) -> Any:  # noqa: ANN401
    """Build the group of the classes that the application's own command is made of."""
    click = click_of(app)
    group = click.Group(name, help=HELP)
    group.is_usagectls = True
    group.list_commands = lambda _context: [*COMMANDS]  # Click would sort them by name.
    for verb, function in COMMANDS.items():
        option = click.Option(["--json"], is_flag=True, help=JSON_HELP)
        run_it = _callback(emitter, verb)
        group.add_command(
            click.Command(verb, params=[option], callback=run_it, help=function.__doc__)
        )
    return group
