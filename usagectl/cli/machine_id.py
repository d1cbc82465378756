"""`usagectl machine-id`, `reset-machine-id` and `cache-dir`: the ID, and where it lives."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from usagectl import catalogued_identity, identity, settings, tools
from usagectl.cli import _output
from usagectl.cli._commands import AnsweringCommand, AnsweringGroup, Invocation, new_app
from usagectl.cli._options import DryRun, Reveal, Tools, Yes  # noqa: TC001  (Typer reads them)
from usagectl.errors import ConfirmationNeededError, InvalidValueError, count_of, nearest
from usagectl.showing import as_data, shown_id, told_replacement
from usagectl.tools.catalogued import PART

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from usagectl.identity import MachineId, Replacement
    from usagectl.machine.environment import Environment
    from usagectl.tools.base import Caution, Tool

reset_app = new_app()
cache_app = new_app(cls=AnsweringGroup, invoke_without_command=True)
_WHY = {
    "setting": "chosen with usagectl cache-dir set; usagectl cache-dir unset takes it back",
    "environment": "chosen by a variable: XDG_CACHE_HOME, or LOCALAPPDATA on Windows",
    "default": "the default on this system",
    "state": "this is a container, as LocalStack sees it",
}


class _ShowGroup(AnsweringGroup):
    """The group whose sub-command `show` need not be typed before the name of a tool."""

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]  # noqa: ANN401
        """Take a first word that is no sub-command, nor nearly one, for a tool of `show`."""
        if not nearest(args[0], self.list_commands(ctx), cutoff=0.7):
            args = ["show", *args]
        return super().resolve_command(ctx, args)


show_app = new_app(cls=_ShowGroup, invoke_without_command=True)
apps = {"machine-id": show_app, "reset-machine-id": reset_app, "cache-dir": cache_app}


@show_app.callback()
def machine_id(ctx: typer.Context, *, reveal: Reveal = False) -> _output.Answer | None:
    """Show the machine ID in every place where a tool that is here keeps it.

    An ID that a tool left behind when it went is shown, too. The kind tells how it
    came about: random, or derived from this machine, so that it comes back when the
    file is deleted. With a TOOL, that of the tool alone:
    usagectl machine-id next.
    """
    if ctx.invoked_subcommand is not None:
        return None
    invocation: Invocation = ctx.obj
    return _show_ids(invocation.environment, (), reveal=reveal)


@show_app.command("show", cls=AnsweringCommand)
def show_id(ctx: typer.Context, names: Tools = None, *, reveal: Reveal = False) -> _output.Answer:
    """Show the machine ID of a tool, in every place where it keeps it."""
    invocation: Invocation = ctx.obj
    return _show_ids(invocation.environment, names or (), reveal=reveal)


def _show_ids(environment: Environment, names: Sequence[str], *, reveal: bool) -> _output.Answer:
    chosen = tools.select(environment, names)
    named = {tool.name for tool in chosen}
    found = [mid for mid in identity.read_all(environment) if mid.place.tool in named]
    found += [mid for tool in chosen for mid in catalogued_identity.read(environment, tool)]
    here = {tool.name for tool in chosen if tool.name in names or _is_here(environment, tool)}
    found = [mid for mid in found if mid.place.tool in here or mid.kind != "missing"]
    cautions = _cautions(environment, chosen)
    return _output.Answer(
        lambda: {
            "places": [_place_data(mid, reveal=reveal) for mid in found],
            "warnings": as_data([caution for _, caution in cautions]),
        },
        lambda: _show_places(found, cautions, names, reveal=reveal),
    )


def _is_here(environment: Environment, tool: Tool) -> bool:
    return tool.is_ours or tool.find(environment).is_found


def _cautions(environment: Environment, chosen: Sequence[Tool]) -> list[tuple[str, Caution]]:
    named = {tool.name for tool in chosen}
    own = [pair for pair in identity.cautions(environment) if pair[0] in named]
    return [*own, *catalogued_identity.cautions(environment, chosen)]


@show_app.command("set", cls=AnsweringCommand)
def set_id(
    ctx: typer.Context,
    machine_id: Annotated[
        str, typer.Argument(metavar="ID", help="1 to 64 letters, digits, '_', '-' or '.'.")
    ],
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TOOL",
            help="Whose; that of LocalStack and lstk without a name.",
        ),
    ] = None,
    *,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> _output.Answer:
    """Write an ID of your own into every place where LocalStack and lstk keep one.

    A program that records through usagectl keeps its own random one, unless it
    is named: usagectl machine-id set ID mytool.
    """
    invocation: Invocation = ctx.obj
    environment = invocation.environment
    whole = identity.validate(machine_id)
    own = {tool.name for tool in tools.emitters(environment)}
    chosen = [tool.name for tool in tools.select(environment, names or ())]
    _refuse_other_forms(environment, names or ())
    bodies = {name: whole for name in chosen if names or name not in own}
    planned = identity.replace(environment, bodies, prefix="", dry_run=True)
    is_lost = any(found.changed and found.before.exists for found in planned)
    if is_lost and not (yes or dry_run or invocation.as_json):
        _output.confirm(f"Replace the machine ID of {_whose(planned)} by {whole}?")
    replacements = identity.replace(environment, bodies, prefix="", dry_run=dry_run)
    cautions = [pair for pair in identity.cautions(environment) if pair[0] in bodies]
    return _answer(replacements, cautions, dry_run=dry_run, is_typed=True)


def _refuse_other_forms(environment: Environment, names: Sequence[str]) -> None:
    """Refuse tools that would not take an ID of any form.

    Raises:
        InvalidValueError: one of them is such a tool.
    """
    able = [*dict.fromkeys(place.tool for place in identity.places(environment))]
    for name in names:
        if name not in able:
            wanted = f"an ID of your own can be set for {', '.join(able)}"
            hint = f"usagectl reset-machine-id {name}"
            raise InvalidValueError("tool", name, wanted=wanted, hint=hint)


@reset_app.command(cls=AnsweringCommand)
def reset_machine_id(
    ctx: typer.Context,
    names: Tools = None,
    *,
    yes: Yes = False,
    dry_run: DryRun = False,
    reveal: Reveal = False,
) -> _output.Answer:
    """Replace the machine ID by a new random one, everywhere a tool keeps it.

    For LocalStack, deleting the file would not do: the client would derive the same ID from
    this machine again, so a new one is written. LocalStack and lstk get different IDs. In the
    file of any other tool an ID of digits is replaced by a random one of its form; any other
    is taken out, and the tool draws a new one. Other keys
    of a file stay. Where an ID is derived from this machine, that is said: only switching
    off helps.
    """
    invocation: Invocation = ctx.obj
    environment = invocation.environment
    chosen = tools.select(environment, names or ())
    if not (yes or dry_run or invocation.as_json):
        planned = _reset(environment, chosen, dry_run=True)
        _output.confirm(f"Replace the machine ID of {_whose(planned)}?")
    replacements = _reset(environment, chosen, dry_run=dry_run)
    cautions = _cautions(environment, chosen)
    return _answer(replacements, cautions, dry_run=dry_run, reveal=reveal)


def _reset(
    environment: Environment, chosen: Sequence[Tool], *, dry_run: bool
) -> tuple[Replacement, ...]:
    """Write new IDs, and take out those that only their tools can draw."""
    named = {tool.name for tool in chosen}
    bodies = {n: body for n, body in identity.plan_reset(environment).items() if n in named}
    replaced = identity.replace(environment, bodies, dry_run=dry_run)
    others = (catalogued_identity.reset(environment, each, dry_run=dry_run) for each in chosen)
    return (*replaced, *(found for each in others for found in each))


def _whose(replacements: Sequence[Replacement]) -> str:
    """Name the tools whose machine ID is about to change."""
    names = dict.fromkeys(found.place.tool for found in replacements if found.changed)
    return ", ".join(names) or "no tool"


def _answer(
    replacements: Sequence[Replacement],
    cautions: Sequence[tuple[str, Caution]],
    *,
    dry_run: bool,
    reveal: bool = False,
    is_typed: bool = False,
) -> _output.Answer:
    data = [as_data(found, reveal=reveal) for found in replacements]
    if is_typed:
        for each, found in zip(data, replacements, strict=True):
            each["after"] = found.after
    sentence = partial(told_replacement, dry_run=dry_run, reveal=reveal, is_typed=is_typed)
    warnings = as_data([caution for _, caution in cautions])
    return _output.Answer(
        lambda: {"dry_run": dry_run, "replaced": data, "warnings": warnings},
        lambda: _show_replacements(replacements, sentence, cautions),
        identity.failures(replacements),
    )


def _place_data(found: MachineId, *, reveal: bool) -> dict[str, object]:
    place = found.place
    data = {"tool": place.tool, "part": place.part, **as_data(found, reveal=reveal)}
    return {**data, "source": place.source, "problem": found.problem}


def _show_places(
    found: Sequence[MachineId],
    cautions: Sequence[tuple[str, Caution]],
    names: Sequence[str],
    *,
    reveal: bool,
) -> None:
    page, rows = _output.new_page(), []
    for mid in found:
        value = shown_id(mid.value, reveal=reveal) if mid.exists and not mid.problem else "-"
        is_whole = mid.place.part == PART or (mid.place.form == "entry" and not mid.exists)
        part = "" if is_whole else f" {mid.place.part}"
        place = f"{mid.place.tool}{part}"
        rows.append((place, value, mid.kind, mid.problem or str(mid.place.path)))
    if not any(mid.exists for mid in found):
        whose = f" of {', '.join(names)}" if names else ""
        page.line(f"No file holds a machine ID{whose} yet.")
    page.rows([*dict.fromkeys(rows)])  # Of one file with several IDs that are not there, one row.
    page.cautions(cautions)
    if any(mid.exists and mid.kind != "derived" for mid in found):
        page.next_step(" ".join(("usagectl reset-machine-id", *names, "replaces it by a new one.")))


def _show_replacements(
    replacements: Sequence[Replacement],
    sentence: Callable[[Replacement], str],
    cautions: Sequence[tuple[str, Caution]] = (),
) -> None:
    page = _output.new_page()
    told: set[str] = set()  # A file that holds none of several IDs is named once.
    for found in replacements:
        if found.problem is None and (text := sentence(found)) not in told:
            told.add(text)
            page.line(text)
        if found.set_aside:
            page.indented(f"What could not be understood is now {found.set_aside}.")
    if not replacements:
        page.line("No tool keeps a machine ID here; nothing was changed.")
    page.cautions(cautions)


@cache_app.callback()
def cache_dir(ctx: typer.Context) -> _output.Answer | None:
    """Show the folder of LocalStack's machine ID, and what chose it."""
    if ctx.invoked_subcommand is not None:
        return None
    invocation: Invocation = ctx.obj
    folder, source = identity.cache_dir(invocation.environment)
    places = [place.path for place in identity.places(invocation.environment)]
    data = {"path": folder, "source": source, "places": places}

    def show() -> None:
        _output.print_line(str(folder))
        _output.print_line(f"  {_WHY.get(source, source)}")

    return _output.Answer(lambda: as_data(data), show)


@cache_app.command("set", cls=AnsweringCommand)
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
    verb = "would be" if dry_run else "is"
    return _output.Answer(
        lambda: {"path": str(folder), **as_data(saved), "dry_run": dry_run},
        lambda: _output.print_line(f"The cache dir {verb} {folder} ({saved.file})."),
    )


@cache_app.command("unset", cls=AnsweringCommand)
def unset_dir(ctx: typer.Context, *, dry_run: DryRun = False) -> _output.Answer:
    """Undo `usagectl cache-dir set`; no machine ID and no folder is touched."""
    invocation: Invocation = ctx.obj
    saved = settings.save(invocation.environment, {"cache_dir": None}, dry_run=dry_run)
    if not saved.changed:
        text = f"No cache dir was chosen in {saved.file}; it stays as it is."
    elif dry_run:
        text = f"The chosen cache dir would be taken out of {saved.file}."
    else:
        folder = identity.cache_dir(invocation.environment)[0]
        text = f"The cache dir is {folder} again ({saved.file})."
    return _output.Answer(
        lambda: {**as_data(saved), "dry_run": dry_run}, lambda: _output.print_line(text)
    )


@cache_app.command("clear", cls=AnsweringCommand)
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

    def show() -> None:
        _show_replacements(removed, partial(told_replacement, dry_run=dry_run))
        is_derived = any("derived" in found.before.kind for found in gone)
        if is_derived and not dry_run and sys.stderr.isatty():
            _output.print_remark(
                "A derived ID comes back on the next start.", hint="usagectl reset-machine-id"
            )

    return _output.Answer(
        lambda: {"dry_run": dry_run, "removed": as_data([found.place.path for found in gone])},
        show,
        identity.failures(removed),
    )


def _require_yes(planned: Sequence[Replacement], invocation: Invocation) -> None:
    """Ask before IDs are removed; where nobody can be asked, refuse: a removed ID is lost.

    Raises:
        ConfirmationNeededError: there is no terminal, or the answer is for a program.
    """
    if not any(found.changed for found in planned):
        return
    what = f"remove the machine ID of {_whose(planned)} ({count_of(len(planned), 'file')})"
    if invocation.as_json or not _output.can_ask():
        raise ConfirmationNeededError(what, hint="usagectl cache-dir clear --yes")
    _output.confirm(f"{what[0].upper()}{what[1:]}?")
