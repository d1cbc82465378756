"""Own `usagectl env`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from usagectl import tools
from usagectl.cli import _output
from usagectl.cli._commands import RecordedCommand, new_app
from usagectl.cli._options import Json  # noqa: TC001  (Typer reads the annotations)
from usagectl.machine import shells

if TYPE_CHECKING:
    from usagectl.cli._commands import Invocation
    from usagectl.machine.environment import Environment

app = new_app()
apps = {"env": app}


@app.command(cls=RecordedCommand)
def env(
    ctx: typer.Context,
    format_name: Annotated[
        str | None,
        typer.Argument(
            metavar="[FORMAT]",
            help=f"{', '.join(shells.FORMATS)}. What bash and zsh read, without a name.",
            show_default=False,
        ),
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Print every opt-out variable, ready for a shell or a file.

    For this shell:      eval "$(usagectl env)"

    For fish:            usagectl env fish | source

    For docker:          docker run $(usagectl env docker) IMAGE

    For GitHub Actions:  usagectl env github >> "$GITHUB_ENV"
    """
    invocation: Invocation = ctx.obj
    environment = invocation.environment
    chosen = format_name or _default_format(environment)
    text = shells.render(tools.OPT_OUT_VARIABLES, chosen)
    data = {"format": chosen, "variables": dict(tools.OPT_OUT_VARIABLES), "text": text}
    answer = _output.Answer(data, lambda: typer.echo(text, nl=False))
    _output.emit(answer, invocation, as_json=json)


def _default_format(environment: Environment) -> str:
    """Choose what `eval "$(usagectl env)"` needs; $SHELL is not always the shell that runs it."""
    found = shells.detect_shell(environment.variables.get("SHELL"), environment.system)
    return found if found == "zsh" or environment.system == "Windows" else "bash"
