"""`usagectl settings`: usagectl's own settings, each with its source; set and unset them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from usagectl import identity, tools
from usagectl import settings as stored
from usagectl.cli import _output
from usagectl.cli._commands import AnsweringCommand, AnsweringGroup, Invocation, new_app
from usagectl.cli._options import DryRun  # noqa: TC001  (Typer reads the annotations)
from usagectl.consent import evaluate_tool
from usagectl.endpoint import complete
from usagectl.errors import InvalidValueError, nearest
from usagectl.sensitive import mask_url_credentials
from usagectl.showing import as_data
from usagectl.spool import Bounds
from usagectl.tools import instrumented

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from usagectl.machine.environment import Environment

app = new_app(cls=AnsweringGroup, invoke_without_command=True)
apps = {"settings": app}

KEYS: Mapping[str, stored.Name] = {
    "telemetry.mode": "mode",
    "telemetry.endpoint": "endpoint",
    "delivery.format": "delivery_format",
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
def settings(ctx: typer.Context) -> _output.Answer | None:
    """Show usagectl's own settings, each with the place it comes from."""
    if ctx.invoked_subcommand is not None:
        return None
    invocation: Invocation = ctx.obj
    user = stored.load(invocation.environment)
    rows = tuple(_collect(invocation.environment, user))
    return _output.Answer(
        lambda: as_data({"file": user.file, "problem": user.problem, "settings": rows}),
        lambda: _show(rows, user),
    )


@app.command("set", cls=AnsweringCommand)
def set_value(
    ctx: typer.Context,
    name: SettingName,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="The new value.")],
    *,
    dry_run: DryRun = False,
) -> _output.Answer:
    """Store a setting; other lines and comments of the file stay."""
    invocation: Invocation = ctx.obj
    values = _parse(invocation.environment, name, value)
    return _save(invocation, name, values, dry_run=dry_run)


@app.command("unset", cls=AnsweringCommand)
def unset(ctx: typer.Context, name: SettingName, *, dry_run: DryRun = False) -> _output.Answer:
    """Remove a setting, so that its default holds again."""
    invocation: Invocation = ctx.obj
    key = _key(name)[1]
    values: dict[stored.Name, object] = {key: None}
    if key == "mode":
        values |= dict.fromkeys(("mode_since", "mode_set_by", "mode_endpoint"))
    return _save(invocation, name, values, dry_run=dry_run)


def _parse(environment: Environment, name: str, value: str) -> dict[stored.Name, object]:
    tool, key = _key(name)
    if key == "mode":
        registered = instrumented.read(environment, tool) or instrumented.Registration(tool)
        emitter = instrumented.Instrumented(registered)
        return emitter.mode_settings(environment, stored.parse_mode(value))
    if key == "endpoint":
        return {"endpoint": stored.parse_endpoint(value)}
    if key == "delivery_format":
        return {key: stored.parse_delivery_format(value)}
    if key == "cache_dir":
        return {"cache_dir": str(stored.parse_folder(environment, value))}
    return {key: stored.parse_count(value)}


def _key(name: str) -> tuple[str, stored.Name]:
    """Split a name into the tool and its setting."""
    of_tool = _TOOL_KEY.fullmatch(name)
    if of_tool:
        return instrumented.validate_name(of_tool[1]), KEYS[f"telemetry.{of_tool[2]}"]
    if name not in KEYS:
        near = nearest(name, NAMES)
        wanted = f"{f'did you mean {near}? Use' if near else 'use'} {', '.join(NAMES)}"
        raise InvalidValueError("setting", name, wanted=wanted, hint="usagectl settings")
    return stored.OWN_NAME, KEYS[name]


def _save(
    invocation: Invocation, name: str, values: Mapping[stored.Name, object], *, dry_run: bool
) -> _output.Answer:
    tool = _key(name)[0]
    saved = stored.save(invocation.environment, values, tool=tool, dry_run=dry_run)
    if not dry_run:
        _warn_if_beaten(invocation.environment, name)

    def show() -> None:
        verb = ("would change" if dry_run else "changed") if saved.changed else "stays as it is"
        _output.print_line(f"{saved.file} {verb}.")
        if saved.set_aside:
            _output.print_line(f"What could not be understood is now {saved.set_aside}.")

    return _output.Answer(lambda: {**as_data(saved), "dry_run": dry_run}, show)


def _warn_if_beaten(environment: Environment, name: str) -> None:
    """Print on stderr that a value was stored and another place decides, with what helps."""
    user = stored.load(environment)
    rows = {row.name: row for row in _collect(environment, user)}
    if name not in rows:  # Of a tool that has not registered yet.
        tool = instrumented.Instrumented(instrumented.Registration(_key(name)[0]))
        rows |= {
            r.name: r for r in _tool_rows(environment, user, tool, prefix=f"tools.{tool.name}")
        }
    row = rows[name]
    if row.is_beaten:
        where = row.origin if row.origin not in ("", row.source) else f"the {row.source}"
        sentence = f"{name} is stored as {row.stored} and stays {row.value}: {where} decides."
        _output.print_remark(sentence, hint="usagectl settings")


class Row(NamedTuple):
    """One setting as it holds.

    Attributes:
        source: what kind of place chose the value.
        origin: that place: a file, a variable, or empty for a default.
        stored: what the user's file says, though something may beat it.
    """

    name: str
    value: object
    source: str
    origin: str = ""
    stored: object = None

    @property
    def is_beaten(self) -> bool:
        """True if something is stored that does not hold."""
        return self.stored is not None and str(self.stored) != str(self.value)


def _collect(environment: Environment, user: stored.SettingsFile) -> Iterator[Row]:
    """List the settings of usagectl, then those of each tool that records through it."""
    own, *others = tools.emitters(environment)
    file = str(user.file or "")
    mode, endpoint = _tool_rows(environment, user, own, prefix="telemetry")
    yield mode
    since = user.of_tool(stored.OWN_NAME).mode_since
    yield _stored_row("telemetry.since", since, file)._replace(stored=None)
    yield endpoint
    yield from _delivery_rows(environment, user, file)
    folder, source = identity.cache_dir(environment)
    variable = "LOCALAPPDATA" if environment.system == "Windows" else "XDG_CACHE_HOME"
    origin = {"setting": file, "environment": variable}.get(source, "")
    yield Row("localstack.cache_dir", folder, source, origin, user.cache_dir)
    defaults = Bounds()
    yield _stored_row("spool.max_bytes", user.spool_max_bytes, file, defaults.max_bytes)
    yield _stored_row("spool.max_days", user.spool_max_days, file, defaults.max_days)
    for tool in others:
        yield from _tool_rows(environment, user, tool, prefix=f"tools.{tool.name}")


def _tool_rows(
    environment: Environment,
    user: stored.SettingsFile,
    tool: instrumented.Instrumented,
    *,
    prefix: str,
) -> Iterator[Row]:
    """Show the mode and the endpoint of a tool that records through usagectl."""
    found = evaluate_tool(environment, tool)[0]
    decider, chosen = found.decided_by, user.of_tool(tool.name)
    yield Row(f"{prefix}.mode", found.telemetry, decider.source, decider.origin, chosen.mode)
    base, source, origin = tool.endpoint(environment, user)
    kept = chosen.endpoint and mask_url_credentials(complete(chosen.endpoint, user.delivery_format))
    yield Row(f"{prefix}.endpoint", mask_url_credentials(base), source, origin, kept)


def _delivery_rows(environment: Environment, user: stored.SettingsFile, file: str) -> Iterator[Row]:
    """Show the protocol of deliveries, and what OpenTelemetry's variables say of it."""
    default = stored.DELIVERY_FORMATS[0]
    yield _stored_row("delivery.format", user.chosen_format, file, default)
    if user.delivery_format == "otlp":
        from usagectl.delivery import otlp_options  # few choose it

        options = otlp_options.read(environment.variables)
        for remark in options.remarks:
            _output.print_remark(remark)
        for name, value, variable in options.settings:
            yield Row(f"otlp.{name}", value, "environment" if variable else "default", variable)


def _stored_row(name: str, chosen: object, file: str, default: object = None) -> Row:
    """Show a setting that nothing but the file can choose."""
    if chosen:
        return Row(name, chosen, "setting", file, chosen)
    return Row(name, default, "default")


def _where(row: Row) -> str:
    # The settings file stands below the table, once.
    is_told = row.source == "setting" or row.origin in ("", row.source)
    text = row.source if is_told else f"{row.source} {row.origin}"
    return f"{text}; stored: {row.stored}" if row.is_beaten else text


def _show(rows: Sequence[Row], user: stored.SettingsFile) -> None:
    page = _output.new_page()
    page.rows([(row.name, str(as_data(row.value) or "-"), _where(row)) for row in rows])
    page.line()
    page.line(user.problem or f"File: {user.file}{'' if user.exists else ' (not there yet)'}")
    if user.hint:
        page.line(f"  try: {user.hint}")
