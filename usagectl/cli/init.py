"""`usagectl init`: the file with which an author has `usagectl verify` prove a tool's switches."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Annotated

import typer

from usagectl.cli import _output
from usagectl.cli._commands import AnsweringCommand, Invocation, new_app
from usagectl.cli._options import DryRun  # noqa: TC001  (Typer reads the annotations)
from usagectl.errors import FileExistsAlreadyError, InvalidValueError, quote
from usagectl.machine import files, toml

if TYPE_CHECKING:
    from collections.abc import Sequence

    from usagectl.machine.environment import Environment
    from usagectl.tools.instrumented import Registration

app = new_app()
apps = {"init": app}

_ENDPOINT = """
[[endpoint]]
url = {url}
"""
_NO_ENDPOINT = """
# [[endpoint]] url = "https://…": the one that it declares. Without it, whatever is sent counts.
"""


@app.command(cls=AnsweringCommand)
def init(
    ctx: typer.Context,
    tool: Annotated[
        str, typer.Argument(metavar="MYTOOL", help="The name that it is instrumented under.")
    ],
    *,
    commands: Annotated[
        list[str] | None,
        typer.Option(
            "--command",
            metavar="LINE",
            help="A command line that is recorded, such as 'mytool build'; can be repeated.",
        ),
    ] = None,
    endpoint: Annotated[
        str,
        typer.Option(
            "--endpoint",
            metavar="URL",
            help="Where it sends; else what it registered here when it last recorded.",
        ),
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="FILE", help="Write this file instead of MYTOOL.usagectl.toml."
        ),
    ] = None,
    dry_run: DryRun = False,
) -> _output.Answer:
    """Write the file with which verify proves the switches of a tool that records through usagectl.

    It has the form of the catalogue's entries: the tool's switches and what each takes, where it
    sends, and the commands to run. No file is overwritten.

    Then:  usagectl verify ./mytool.usagectl.toml
    """
    from usagectl.endpoint import check_declared
    from usagectl.tools import instrumented

    invocation: Invocation = ctx.obj
    environment = invocation.environment
    if tool == instrumented.NAME:
        raise InvalidValueError("tool name", tool, wanted="it is usagectl's own; name your tool")
    instrumented.validate_name(tool)
    check_declared(endpoint)
    known = instrumented.read(environment, tool) or instrumented.Registration(tool)
    file = environment.cwd / _name_of(output, tool)
    if os.path.lexists(file):
        hint = f"usagectl init {tool} --output {quote(f'{tool}-2.usagectl.toml')}"
        raise FileExistsAlreadyError(file, hint=hint)
    text = write(known, environment, file=file, commands=commands or (), endpoint=endpoint)
    files.write_lines(file, [text.encode()], replaces=False, dry_run=dry_run)

    def show() -> None:
        verb = "would be written" if dry_run else "written"
        _output.print_line(f"{file} {verb}.")
        if dry_run:
            _output.print_raw([text.encode()])
        else:
            typer.echo()
            _output.print_line(f"Next: usagectl verify {quote(f'./{file.name}')}")

    data = {"tool": tool, "file": str(file), "text": text, "dry_run": dry_run}
    return _output.Answer(lambda: data, show)


def _name_of(output: Path | None, tool: str) -> Path:
    """Return the name of the file: `verify` and pytest know one by how it ends."""
    if output is None:
        return Path(f"{tool}.usagectl.toml")
    if output.suffix != ".toml":
        wanted = "use a name that ends in .usagectl.toml"
        raise InvalidValueError("file for --output", str(output), wanted=wanted)
    return output


def write(
    known: Registration,
    environment: Environment,
    *,
    file: Path,
    commands: Sequence[str] = (),
    endpoint: str = "",
) -> str:
    """Write the file's text: what the tool said about itself, and what its author adds.

    Raises:
        InvalidValueError: a command has no words.
    """
    from usagectl.settings import variable_of

    program = _program_of(known, environment, file.parent)
    declared = known.endpoint.rstrip("/")
    url = endpoint.rstrip("/") or declared
    variables = {variable_of(known.name): "on"}
    if url != declared:  # It may name another one, or none.
        variables["ANALYTICS_API"] = url
    text = Template(files.read_data("tool.usagectl.toml")).substitute(
        name=known.name,
        name_text=toml.to_text(known.name),
        file=file.name,
        default=_DEFAULTS[known.terms.default or "local"],
        own_command=_own_command(known, program),
        variable=variable_of(known.name),
        program=toml.to_text(program),
        endpoint=_ENDPOINT.format(url=toml.to_text(url)) if url else _NO_ENDPOINT,
        commands=", ".join(toml.to_text(_lead(each, known.name, program)) for each in commands)
        or toml.to_text(_word(program)),
        silent=toml.to_text(f"{_word(program)} --help"),
        variables=", ".join(f"{name} = {toml.to_text(value)}" for name, value in variables.items()),
    )
    return text.rstrip("\n")


_DEFAULTS = {
    "local": '"local"            # Recorded on the machine; nothing is sent before a Yes.',
    "off": '"off"              # Nothing is recorded until its user says so.',
    "ask": '"asks"             # Nothing is recorded until its user has answered.',
}


def _own_command(known: Registration, program: str) -> str:
    """Return the block of the tool's own command for switching off; a comment without one."""
    own = known.terms.commands
    if not own:
        return f'# The tool\'s own command, if it has one: [[command]] run = "{known.name} off"'
    run = toml.to_text(f"{_lead(own, known.name, program)} off")
    return f"# The tool's own command.\n[[command]]\nrun = {run}"


def _program_of(known: Registration, environment: Environment, folder: Path) -> str:
    """Return the tool's name if it is on PATH, else its file: beside ours, or as it registered."""
    path = environment.variables.get("PATH", os.defpath)
    if shutil.which(known.name, path=path):
        return known.name
    for each in (folder / known.name, Path(known.program or folder / known.name)):
        if each.is_file() and os.access(each, os.X_OK):
            is_below = each.is_relative_to(folder)
            return f"{{here}}/{each.relative_to(folder)}" if is_below else str(each)
    return known.name


def _lead(command: str, tool: str, program: str) -> str:
    """Have a command line run the tool's program."""
    words = shlex.split(command)
    if not words:
        raise InvalidValueError("command", command, wanted=f"use one such as '{tool} build'")
    if words[0] in (tool, f"./{tool}"):
        words[0] = program
    return " ".join(map(_word, words))


def _word(text: str) -> str:
    """Quote a word of a command line unless it needs none but for the places in it."""
    bare = text.replace("{here}", "x").replace("{value}", "x")
    return text if shlex.quote(bare) == bare else shlex.quote(text)
