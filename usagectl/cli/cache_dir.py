"""`usagectl cache-dir`: the folder of LocalStack's machine ID; choose it, or clear it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from usagectl import identity, settings
from usagectl.cli import _output
from usagectl.cli._commands import AnsweringCommand, AnsweringGroup, Invocation, new_app
from usagectl.cli._options import DryRun  # noqa: TC001  (Typer reads the annotations)
from usagectl.cli._output import as_data
from usagectl.cli.machine_id import show_replacements, whose
from usagectl.errors import ConfirmationNeededError, count_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from usagectl.identity import Replacement

app = new_app(cls=AnsweringGroup, invoke_without_command=True)
apps = {"cache-dir": app}

_WHY = {
    "setting": "chosen with usagectl cache-dir set; usagectl cache-dir unset takes it back",
    "environment": "chosen by a variable: XDG_CACHE_HOME, or LOCALAPPDATA on Windows",
    "default": "the default on this system",
    "state": "this is a container, as LocalStack sees it",
}


@app.callback()
def cache_dir(ctx: typer.Context) -> _output.Answer | None:
    """Show the folder of LocalStack's machine ID, and what chose it."""
    if ctx.invoked_subcommand is not None:
        return None
    invocation: Invocation = ctx.obj
    folder, source = identity.cache_dir(invocation.environment)
    places = [place.path for place in identity.places(invocation.environment)]
    data = as_data({"path": folder, "source": source, "places": places})
    return _output.Answer(data, lambda: _show(folder, source))


@app.command("set", cls=AnsweringCommand)
def set_dir(
    ctx: typer.Context,
    path: Annotated[str, typer.Argument(metavar="PATH", help="The folder; it need not exist yet.")],
    *,
    dry_run: DryRun = False,
) -> _output.Answer:
    """Choose the folder that holds the ID, such as ./volume/cache of a Docker Compose project.

    It is kept in usagectl's settings. The folders that LocalStack itself would
    use are still looked at. usagectl cache-dir unset takes it back.
    """
    invocation: Invocation = ctx.obj
    folder = settings.parse_folder(invocation.environment, path)
    saved = settings.save(invocation.environment, {"cache_dir": str(folder)}, dry_run=dry_run)
    data = {"path": str(folder), **as_data(saved), "dry_run": dry_run}

    def show() -> None:
        verb = "would be" if dry_run else "is"
        typer.echo(_output.printable_line(f"The cache dir {verb} {folder} ({saved.file})."))

    return _output.Answer(data, show)


@app.command("unset", cls=AnsweringCommand)
def unset_dir(ctx: typer.Context, *, dry_run: DryRun = False) -> _output.Answer:
    """Undo `usagectl cache-dir set`; no machine ID and no folder is touched."""
    invocation: Invocation = ctx.obj
    saved = settings.save(invocation.environment, {"cache_dir": None}, dry_run=dry_run)

    def show() -> None:
        if not saved.changed:
            text = f"No cache dir was chosen in {saved.file}; it stays as it is."
        elif dry_run:
            text = f"The chosen cache dir would be taken out of {saved.file}."
        else:
            folder = identity.cache_dir(invocation.environment)[0]
            text = f"The cache dir is {folder} again ({saved.file})."
        typer.echo(_output.printable_line(text))

    return _output.Answer({**as_data(saved), "dry_run": dry_run}, show)


@app.command("clear", cls=AnsweringCommand)
def clear(
    ctx: typer.Context,
    *,
    yes: Annotated[
        bool,
        typer.Option("--yes", "-y", help="Do not ask; needed with --json and without a terminal."),
    ] = False,
    dry_run: DryRun = False,
) -> _output.Answer:
    """Remove the machine ID's file from every place; no other file is touched.

    The client makes a new ID on its next start, often the same one again, since
    it derives it from this machine. usagectl reset-machine-id is what changes it,
    and usagectl cache-dir unset what takes a chosen folder back.
    """
    invocation: Invocation = ctx.obj
    if not (yes or dry_run):
        _require_yes(identity.clear(invocation.environment, dry_run=True), invocation)
    removed = identity.clear(invocation.environment, dry_run=dry_run)
    gone = [found for found in removed if found.changed]
    data = {"dry_run": dry_run, "removed": as_data([found.place.path for found in gone])}

    def show() -> None:
        show_replacements(removed, (), dry_run=dry_run, reveal=False)
        is_derived = any("derived" in found.before.kind for found in gone)
        if is_derived and not dry_run and sys.stderr.isatty():
            _output.print_notice(
                "A derived ID comes back on the next start.", hint="usagectl reset-machine-id"
            )

    return _output.Answer(data, show, identity.failures(removed))


def _require_yes(planned: Sequence[Replacement], invocation: Invocation) -> None:
    """Ask before IDs are removed; where nobody can be asked, refuse: a removed ID is lost.

    Raises:
        ConfirmationNeededError: there is no terminal, or the answer is for a program.
    """
    if not any(found.changed for found in planned):
        return
    what = f"remove the machine ID of {whose(planned)} ({count_of(len(planned), 'file')})"
    if invocation.as_json or not _output.can_ask():
        raise ConfirmationNeededError(what, hint="usagectl cache-dir clear --yes")
    _output.confirm(f"{what[0].upper()}{what[1:]}?", skip=False)


def _show(folder: Path, source: str) -> None:
    typer.echo(_output.printable_line(str(folder)))
    typer.echo(f"  {_WHY.get(source, source)}")
