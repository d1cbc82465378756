"""Own `usagectl settings`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from usagectl import identity, settings_writer, tools
from usagectl import settings as stored
from usagectl.cli import _output
from usagectl.cli._commands import RecordedCommand, RecordedGroup, new_app
from usagectl.cli._data import as_data
from usagectl.cli._options import DryRun, Json  # noqa: TC001  (Typer reads the annotations)
from usagectl.consent import evaluate
from usagectl.errors import InvalidValueError
from usagectl.machine import paths
from usagectl.spool import bounds
from usagectl.tools import instrumented, registry
from usagectl.tools.base import mask_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from usagectl.cli._commands import Invocation
    from usagectl.machine.environment import Environment

app = new_app(cls=RecordedGroup, invoke_without_command=True)
apps = {"settings": app}

KEYS: Mapping[str, stored.Name] = {
    "telemetry.mode": "mode",
    "telemetry.endpoint": "endpoint",
    "localstack.cache_dir": "cache_dir",
    "spool.max_bytes": "spool_max_bytes",
    "spool.max_days": "spool_max_days",
}
NAMES = tuple(KEYS)
_TOOL_KEY = re.compile(r"tools\.([^.]+)\.(mode|endpoint)")

SettingName = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help=f"One of {', '.join(NAMES)}; for a tool that records through usagectl, "
        "tools.TOOL.mode or tools.TOOL.endpoint.",
    ),
]


@app.callback()
def settings(ctx: typer.Context, *, json: Json = False) -> None:
    """Show usagectl's own settings, each with the place it comes from."""
    if ctx.invoked_subcommand is not None:
        return
    invocation: Invocation = ctx.obj
    rows = _collect(invocation.environment)
    user = stored.load(invocation.environment)
    data = {
        "file": str(user.file) if user.file else None,
        "problem": user.problem,
        "settings": rows,
    }
    answer = _output.Answer(data, lambda: _show(rows, user))
    _output.emit(answer, invocation, as_json=json)


@app.command("set", cls=RecordedCommand)
def set_value(
    ctx: typer.Context,
    name: SettingName,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="The new value.")],
    *,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Store a setting; other lines and comments of the file stay."""
    invocation: Invocation = ctx.obj
    values = _parse(invocation.environment, name, value)
    _save(invocation, name, values, dry_run=dry_run, as_json=json)


@app.command("unset", cls=RecordedCommand)
def unset(
    ctx: typer.Context, name: SettingName, *, dry_run: DryRun = False, json: Json = False
) -> None:
    """Remove a setting, so that its default holds again."""
    invocation: Invocation = ctx.obj
    key = _key(name)[1]
    values: dict[stored.Name, object] = {key: None}
    if key == "mode":
        values |= {"mode_since": None, "mode_set_by": None}
    _save(invocation, name, values, dry_run=dry_run, as_json=json)


def _parse(environment: Environment, name: str, value: str) -> dict[stored.Name, object]:
    key = _key(name)[1]
    if key == "mode":
        since = environment.now().replace(microsecond=0)
        return {"mode": stored.parse_mode(value), "mode_since": since, "mode_set_by": None}
    if key == "endpoint":
        return {"endpoint": stored.parse_endpoint(value)}
    if key == "cache_dir":
        return {"cache_dir": str(paths.parse_folder(environment, value))}
    return {key: stored.parse_count(value)}


def _key(name: str) -> tuple[str, stored.Name]:
    """Tell whose setting a name is, and which."""
    of_tool = _TOOL_KEY.fullmatch(name)
    if of_tool:
        return registry.validate_name(of_tool[1]), KEYS[f"telemetry.{of_tool[2]}"]
    if name not in KEYS:
        from difflib import get_close_matches  # a slip of the finger alone needs it

        near = get_close_matches(name, NAMES, n=1)
        wanted = f"{f'did you mean {near[0]}? Use' if near else 'use'} {', '.join(NAMES)}"
        raise InvalidValueError("setting", name, wanted=wanted, hint="usagectl settings")
    return stored.OWN_NAME, KEYS[name]


def _save(
    invocation: Invocation,
    name: str,
    values: Mapping[stored.Name, object],
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    tool = _key(name)[0]
    saved = settings_writer.save(invocation.environment, values, tool=tool, dry_run=dry_run)
    data = {**as_data(saved), "dry_run": dry_run}

    def show() -> None:
        verb = ("would change" if dry_run else "changed") if saved.changed else "stays as it is"
        typer.echo(_output.printable_line(f"{saved.file} {verb}."))
        if saved.set_aside:
            aside = f"What could not be understood is now {saved.set_aside}."
            typer.echo(_output.printable_line(aside))

    _output.emit(_output.Answer(data, show), invocation, as_json=as_json)


def _collect(environment: Environment) -> list[dict[str, object]]:
    user = stored.load(environment)
    consent = evaluate(environment, ["usagectl"])[0]
    endpoint, endpoint_source = instrumented.endpoint(environment, user)
    folder, folder_source = identity.cache_dir(environment)
    origin = str(user.file) if user.file else ""
    since = user.mode_since.isoformat() if user.mode_since else None
    decider = consent.decided_by
    return [
        _row("telemetry.mode", consent.telemetry, decider.source, decider.origin, stored=user.mode),
        _row("telemetry.since", since, "setting" if since else "default", origin if since else ""),
        _row(
            "telemetry.endpoint",
            mask_credentials(endpoint),
            endpoint_source,
            _origin(endpoint_source, origin),
            stored=mask_credentials(user.endpoint) if user.endpoint else None,
        ),
        _row(
            "localstack.cache_dir",
            str(folder),
            folder_source,
            _origin(folder_source, origin),
            stored=user.cache_dir,
        ),
        *_spool_rows(user, origin),
        *_tool_rows(environment, user),
    ]


def _tool_rows(environment: Environment, user: stored.SettingsFile) -> Iterator[dict[str, object]]:
    """Show what holds for each tool that records through usagectl."""
    for tool in tools.emitters(environment)[1:]:
        found = evaluate(environment, [tool.name])[0]
        decider, chosen = found.decided_by, user.of_tool(tool.name)
        place = f"tools.{tool.name}"
        yield _row(
            f"{place}.mode", found.telemetry, decider.source, decider.origin, stored=chosen.mode
        )
        base, source = tool.endpoint(environment, user)
        origin = _origin(source, str(user.file) if user.file else "")
        yield _row(
            f"{place}.endpoint",
            mask_credentials(base),
            source,
            origin,
            stored=mask_credentials(chosen.endpoint) if chosen.endpoint else None,
        )


def _spool_rows(user: stored.SettingsFile, origin: str) -> Iterator[dict[str, object]]:
    defaults = bounds.Bounds()
    for name, chosen, default in (
        ("spool.max_bytes", user.spool_max_bytes, defaults.max_bytes),
        ("spool.max_days", user.spool_max_days, defaults.max_days),
    ):
        source = "setting" if chosen else "default"
        yield _row(name, chosen or default, source, origin if chosen else "", stored=chosen)


def _origin(source: str, file: str) -> str:
    return {"setting": file, "environment": "ANALYTICS_API"}.get(source, "")


def _row(
    name: str, value: object, source: str, origin: str, *, stored: object = None
) -> dict[str, object]:
    """Show a setting as it holds; `stored` is what the file says, though something may beat it."""
    return {"name": name, "value": value, "source": source, "origin": origin, "stored": stored}


def _where(row: dict[str, object]) -> str:
    source, origin = str(row["source"]), str(row["origin"])
    # The settings file stands below the table, once.
    is_told = source == "setting" or origin in ("", source)
    text = source if is_told else f"{source} {origin}"
    is_beaten = row["stored"] is not None and row["stored"] != row["value"]
    return f"{text}; stored: {row['stored']}" if is_beaten else text


def _show(rows: list[dict[str, object]], user: stored.SettingsFile) -> None:
    from usagectl.cli._render import Page

    page = Page()
    page.rows([(str(row["name"]), str(row["value"] or "-"), _where(row)) for row in rows])
    page.line()
    page.line(user.problem or f"File: {user.file}{'' if user.exists else ' (not there yet)'}")
