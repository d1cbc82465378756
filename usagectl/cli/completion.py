"""`usagectl completion`: print the completion script of a shell, or write all of them."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup

from usagectl import notice, tools
from usagectl.cli import _output
from usagectl.cli._commands import AnsweringCommand, Invocation, new_app
from usagectl.cli._completion_scripts import SHELLS, Argument, CommandNode, Option, Values
from usagectl.cli._options import DryRun  # noqa: TC001  (Typer reads the annotations)
from usagectl.cli._output import as_data
from usagectl.cli.settings import NAMES as SETTING_NAMES
from usagectl.errors import InvalidValueError
from usagectl.machine import files, shells

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


app = new_app()
apps = {"completion": app}


@app.command(cls=AnsweringCommand)
def completion(
    ctx: typer.Context,
    shell: Annotated[
        str | None,
        typer.Argument(
            metavar="[SHELL]",
            help=f"{', '.join(SHELLS)}. Yours without a name.",
        ),
    ] = None,
    *,
    write: Annotated[
        str | None,
        typer.Option(
            "--write",
            metavar="FOLDER",
            help="Write the file of this SHELL, or of all, into a folder, as packages need them.",
        ),
    ] = None,
    dry_run: DryRun = False,
) -> _output.Answer:
    """Print the script that completes usagectl in a shell; put it where the shell looks.

    A Tab press then runs that text alone: it starts no usagectl.

    \b
    bash        ~/.local/share/bash-completion/completions/usagectl
                (without bash-completion: a file that ~/.bashrc sources)
    zsh         _usagectl in a folder of $fpath
    fish        ~/.config/fish/completions/usagectl.fish
    PowerShell  at the end of $PROFILE

    \b
    Such as:
    usagectl completion fish > ~/.config/fish/completions/usagectl.fish
    """  # noqa: D301  (Click takes the backspace for: keep these lines as they are)
    invocation: Invocation = ctx.obj
    invocation.recording.forget()  # Completion leaves no event (design, section 5).
    if shell is not None and shell not in SHELLS:
        wanted = f"use one of {', '.join(SHELLS)}"
        raise InvalidValueError("shell", shell, wanted=wanted, hint="usagectl completion --help")
    if write is not None:
        folder = invocation.environment.cwd / write
        return _write(folder, [shell] if shell else list(SHELLS), dry_run=dry_run)
    environment = invocation.environment
    shell = shell or shells.detect_shell(environment.variables.get("SHELL"), environment.system)
    text = SHELLS[shell].write(read_tree())
    return _output.Answer(
        lambda: {"shell": shell, "text": text}, lambda: typer.echo(text, nl=False)
    )


def _write(folder: Path, names: list[str], *, dry_run: bool) -> _output.Answer:
    found = [_write_file(folder, name, dry_run=dry_run) for name in names]

    def show() -> None:
        verb = "would change" if dry_run else "changed"
        for each in found:
            word = verb if each.changed else "stays as it is"
            typer.echo(_output.printable_line(f"{each.path} {word}."))

    return _output.Answer(lambda: {"dry_run": dry_run, "files": as_data(found)}, show)


class WrittenFile(NamedTuple):
    """A script that was written, or would be."""

    shell: str
    path: Path
    changed: bool


def _write_file(folder: Path, shell: str, *, dry_run: bool) -> WrittenFile:
    file = folder / SHELLS[shell].file_name
    data = SHELLS[shell].write(read_tree()).encode()
    changed = files.read_bytes(file) != data
    if changed and not dry_run:
        files.replace_bytes(file, data, new_mode=0o644)
    return WrittenFile(shell, file, changed)


@cache
def word_values() -> Mapping[str, Values]:
    """Say what may stand for each word of the usage lines, such as TOOL.

    A new word has to be added here; it is `text` where nothing can be offered.
    """
    from usagectl.audit.rules import RULES

    text, folder = Values("text"), Values("folder")
    return {
        "ADDRESS": text,
        "CMD": Values("command"),
        "FILE": Values("file"),
        "EVENT": Values("choice", tuple(_event_names())),
        "FOLDER": folder,
        "FORMAT": Values("choice", shells.FORMATS),
        "ID": text,
        "NAME": Values("choice", SETTING_NAMES),
        "PROGRAM": text,
        "UUID": text,
        "VARIABLE": text,
        "PATH": folder,
        "RULE": Values("choice", tuple(rule.id for rule in RULES)),
        "SHELL": Values("choice", tuple(SHELLS)),
        "STATE": Values("choice", ("waiting", "sent", "rejected")),
        "TOOL": Values("choice", tools.names()),
        "VALUE": text,
        "UID": text,
        "URL": text,
        "WHEN": text,
        "INT": text,
        "FLOAT": text,
        "NUMBER": text,
        "VERSION": text,
        "WORD": Values("choice", tuple(name for name in _event_names() if "." not in name)),
    }


def read_tree() -> CommandNode:
    """Read the tree of commands as Typer has built them; every command module is imported."""
    from usagectl.cli import app

    return _read_command(typer.main.get_command(app), "usagectl", parent=None)


def _event_names() -> Iterator[str]:
    found = notice.load()
    for event in found.events + found.undocumented_events:
        yield event.name
        for field in event.fields + event.undocumented_fields:
            yield f"{event.name}.{field.name}"


def _read_command(command: Any, name: str, *, parent: typer.Context | None) -> CommandNode:  # noqa: ANN401
    context = typer.Context(command, info_name=name, parent=parent, **command.context_settings)
    parameters = [each for each in command.get_params(context) if not each.hidden]
    children = []
    if isinstance(command, TyperGroup):
        for child_name in command.list_commands(context):
            child: Any = command.get_command(context, child_name)
            if child is not None and not child.hidden:
                children.append(_read_command(child, child_name, parent=context))
    return CommandNode(
        name,
        help=command.get_short_help_str(limit=200),
        options=tuple(
            _read_option(each) for each in parameters if each.param_type_name == "option"
        ),
        arguments=tuple(
            Argument(_values(each), is_variadic=each.nargs == -1)
            for each in parameters
            if each.param_type_name == "argument"
        ),
        children=tuple(children),
    )


def _read_option(option: Any) -> Option:  # noqa: ANN401
    takes_value = not (option.is_flag or option.count)
    # Click keeps the spellings of --help in a set: their order changes from run to run.
    spellings = sorted(
        (*option.opts, *option.secondary_opts), key=lambda each: (each[:2] != "--", each)
    )
    return Option(
        tuple(spellings),
        help=option.help or "",
        values=_values(option) if takes_value else None,
        is_repeatable=option.multiple or option.count,
    )


def _values(parameter: Any) -> Values:  # noqa: ANN401
    choices = getattr(parameter.type, "choices", ())
    if choices:
        return Values("choice", tuple(choices))
    word = re.search("[A-Z]+", parameter.metavar or parameter.type.name.upper())
    return word_values()[word[0] if word else ""]
