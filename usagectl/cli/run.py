"""Own `usagectl run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from usagectl import tools
from usagectl.cli._commands import RecordedCommand, new_app
from usagectl.machine import processes

if TYPE_CHECKING:
    from usagectl.cli._commands import Invocation

app = new_app()
apps = {"run": app}


@app.command(cls=RecordedCommand, context_settings={"allow_interspersed_args": False})
def run(
    ctx: typer.Context,
    command: Annotated[
        list[str], typer.Argument(metavar="-- CMD [ARGS]...", help="The command to run.")
    ],
) -> None:
    """Run a command with every known opt-out set for it and its children.

    Signals reach the command, and its exit status is that of usagectl: 127
    when there is no such command, 126 when it cannot be run.
    """
    invocation: Invocation = ctx.obj
    variables = {**invocation.environment.variables, **tools.OPT_OUT_VARIABLES}
    raise typer.Exit(processes.run_child(command, variables))
