"""`usagectl env` and `usagectl run`: every opt-out variable, printed or set for a command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from usagectl import consent
from usagectl.cli import _output
from usagectl.cli._commands import AnsweringCommand, Invocation, new_app
from usagectl.machine import processes, shells
from usagectl.settings import variable_of
from usagectl.showing import as_data
from usagectl.tools import instrumented
from usagectl.tools.opt_outs import opt_out_variables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from usagectl.machine.environment import Environment
    from usagectl.tools.base import Caution

env_app = new_app()
run_app = new_app()
apps = {"env": env_app, "run": run_app}


@env_app.command(cls=AnsweringCommand)
def env(
    ctx: typer.Context,
    format_name: Annotated[
        str | None,
        typer.Argument(
            metavar="FORMAT",
            help=f"{', '.join(shells.FORMATS)}. What bash and zsh read, without a name.",
        ),
    ] = None,
    *,
    names: Annotated[
        list[str] | None,
        typer.Option("--tool", metavar="TOOL", help="What this tool heeds; can be repeated."),
    ] = None,
) -> _output.Answer:
    """Print every opt-out variable, ready for a shell or a file.

    Each known tool is silenced, here or not yet, by its own variable and the one
    value that is safe for it; `usagectl disable --shell` keeps them for good.

    For this shell:      eval "$(usagectl env)"

    For fish:            usagectl env fish | source

    For docker:          docker run $(usagectl env docker) IMAGE

    For GitHub Actions:  usagectl env github >> "$GITHUB_ENV"
    """
    invocation: Invocation = ctx.obj
    environment = invocation.environment
    found = shells.detect_shell(environment.variables.get("SHELL"), environment.system)
    # $SHELL is not always the shell that runs `eval "$(usagectl env)"`.
    default = found if found == "zsh" or environment.system == "Windows" else "bash"
    chosen = format_name or default
    defeats = _defeats(environment, names or ())
    variables = _opt_outs(environment, names or ())
    text = shells.render(variables, chosen)
    if not variables and not invocation.as_json:
        hint = f"usagectl explain {next(iter(names or ()))}"
        _output.print_remark("No variable switches off what was asked for.", hint=hint)
    for caution in () if invocation.as_json else defeats:
        _output.print_remark(caution.message, hint=caution.hint)
    data = {
        "format": chosen,
        "variables": variables,
        "text": text,
        "warnings": as_data(defeats),
    }
    return _output.Answer(lambda: data, lambda: typer.echo(text, nl=False))


def _opt_outs(environment: Environment, names: Sequence[str]) -> dict[str, str]:
    """Return what silences the named tools, a program that records through usagectl too.

    Without a name no such program is: each of them heeds usagectl's own variable.
    """
    registered = {each.name for each in instrumented.read_all(environment)}
    programs = [name for name in names if name in registered]
    others = [name for name in names if name not in registered]
    found = opt_out_variables(others) if others or not names else {}
    return found | {variable_of(name): "off" for name in programs}


def _defeats(environment: Environment, names: Sequence[str]) -> list[Caution]:
    """List what keeps a tool on, or would but for one of the variables, when all are set."""
    changed = {**environment.variables, **opt_out_variables()}
    return [
        caution
        for part in consent.evaluate(environment._replace(variables=changed), names)
        for caution in part.cautions
        if caution.code.startswith("flags-")
    ]


class _RunCommand(AnsweringCommand):
    """A command whose answer is another program's, and so are the options after its name."""

    takes_json = False


@run_app.command(cls=_RunCommand, context_settings={"allow_interspersed_args": False})
def run(
    ctx: typer.Context,
    command: Annotated[
        list[str], typer.Argument(metavar="-- CMD [ARGS]", help="The command to run.")
    ],
) -> None:
    """Run a command with every known opt-out set for it and its children.

    Signals reach the command, and its exit status is that of usagectl: 127
    when there is no such command, 126 when it cannot be run.
    """
    invocation: Invocation = ctx.obj
    variables = {**invocation.environment.variables, **opt_out_variables()}
    raise typer.Exit(processes.run_child(command, variables))
