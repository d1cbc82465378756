"""Recording in a program of somebody else's: its commands are recorded, and control that.

One line does it: `instrument(app, "mytool")`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from usagectl.emitting import permission
from usagectl.emitting.instrumentation import record_commands
from usagectl.errors import InvalidValueError
from usagectl.terms import Terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from usagectl.events.kinds import Kind
    from usagectl.terms import Default

App = TypeVar("App")


def instrument(  # noqa: PLR0913  (each is an option)
    app: App,
    tool: str,
    *,
    version: str = "",
    endpoint: str = "",
    kinds: Sequence[Kind] = (),
    members: Sequence[str] = (),
    commands: str = "",
    option: str = "",
    default: Default = "local",
    privacy: str = "",
    privacy_url: str = "",
    is_testing: bool = False,
) -> App:
    """Have an application record its own commands, under its user's consent, and return it.

    A command is recorded when it has ended, however it ended. One that ends the process by
    itself, with `os._exit` or a signal, or becomes another program with `os.exec…`, is not
    recorded. A command that its group does not list, made of what was typed, is named `other`.

    Args:
        app: a Typer application or a Click command.
        tool: its name, as a person types it for `usagectl disable`.
        version: its version.
        endpoint: the base URL to send to when the user lets it; without one nothing is sent.
        kinds: further event kinds that it declares.
        members: what each command's event has beside its name and those of its parameters:
            `version`, `outcome` (ok, error, interrupted, usage) and `duration_ms`. With
            `outcome` bad usage of a command is recorded too, never what was typed.
        commands: the name of a group of commands that control this: with `telemetry` the
            application gets `mytool telemetry status | show | on | off | reset-id`.
        option: an option, such as `--no-telemetry`, with which a run records nothing.
        default: what holds until its user decides: `local` records on this machine and sends
            nothing, `off` records nothing, `ask` asks once, on a terminal, whether it may send.
        privacy: what becomes of the events, in a sentence; shown to its user.
        privacy_url: where more is said.
        is_testing: record what test runners run too, which otherwise leaves nothing.

    Raises:
        InvalidValueError: a name or text is invalid; it asks, and names no endpoint; it can have
            no commands of that name.
        TypeError: the application is neither, its commands are coroutines (asyncclick), or it
            lets nobody note when it runs.
    """
    if default == "ask" and not endpoint:
        wanted = "name the endpoint: the question is whether events may be sent there"
        raise InvalidValueError("default", default, wanted=wanted)
    taken = [name for each in getattr(app, "params", ()) for name in each.opts]
    if option and (not re.fullmatch(r"--[a-z][a-z0-9-]*", option) or option in taken):
        wanted = "use one such as --no-telemetry, which the application has not"
        raise InvalidValueError("option", option, wanted=wanted)
    own = f"{tool} {commands}" if commands else ""
    terms = Terms(default, privacy, privacy_url, own)
    emitter = permission.emitter_here(
        tool, version, endpoint, kinds, is_testing=is_testing, terms=terms, members=members
    )._replace(option=option)
    record_commands(app, emitter)
    if commands:
        from usagectl import own_commands  # most programs have none

        own_commands.mount(app, commands, emitter)
    return app
