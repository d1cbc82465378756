"""Own `usagectl completion`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from usagectl import completions
from usagectl.cli import _output
from usagectl.cli._commands import RecordedCommand, new_app
from usagectl.cli._options import DryRun, Json  # noqa: TC001  (Typer reads the annotations)
from usagectl.errors import InvalidValueError
from usagectl.machine import files, shells

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from usagectl.cli._commands import Invocation

app = new_app()
apps = {"completion": app}


@app.command(cls=RecordedCommand)
def completion(
    ctx: typer.Context,
    shell: Annotated[
        str | None,
        typer.Argument(
            metavar="[SHELL]",
            help=f"{', '.join(completions.SHELLS)}. Yours without a name.",
            show_default=False,
        ),
    ] = None,
    *,
    write: Annotated[
        str | None,
        typer.Option(
            "--write",
            metavar="FOLDER",
            help="Write the file of this SHELL, or of all, into a folder, as packages need them.",
            show_default=False,
        ),
    ] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
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
    if shell is not None and shell not in completions.SHELLS:
        wanted = f"use one of {', '.join(completions.SHELLS)}"
        raise InvalidValueError("shell", shell, wanted=wanted, hint="usagectl completion --help")
    if write is not None:
        folder = invocation.environment.cwd / write
        answer = _write(folder, [shell] if shell else list(completions.SHELLS), dry_run=dry_run)
    else:
        answer = _print(shell or _own_shell(invocation))
    _output.emit(answer, invocation, as_json=json)


def _own_shell(invocation: Invocation) -> str:
    environment = invocation.environment
    return shells.detect_shell(environment.variables.get("SHELL"), environment.system)


def _print(shell: str) -> _output.Answer:
    text = _text(shell)
    return _output.Answer({"shell": shell, "text": text}, lambda: typer.echo(text, nl=False))


def _write(folder: Path, names: list[str], *, dry_run: bool) -> _output.Answer:
    files = list(_write_files(folder, names, dry_run=dry_run))

    def show() -> None:
        verb = "would change" if dry_run else "changed"
        for file in files:
            word = verb if file["changed"] else "stays as it is"
            typer.echo(_output.printable_line(f"{file['path']} {word}."))

    return _output.Answer({"dry_run": dry_run, "files": files}, show)


def _write_files(folder: Path, names: list[str], *, dry_run: bool) -> Iterator[dict[str, object]]:
    for name in names:
        file = folder / completions.SHELLS[name].file_name
        data = _text(name).encode()
        changed = files.read_bytes(file) != data
        if changed and not dry_run:
            files.replace_bytes(file, data, new_mode=0o644)
        yield {"shell": name, "path": str(file), "changed": changed}


def _text(shell: str) -> str:
    from usagectl.cli import _tree  # it imports every command

    return completions.SHELLS[shell].write(_tree.read())
