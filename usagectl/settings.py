"""Settings of the user, policy of the machine and project files: read as data, written by key.

Reading never raises: a file that cannot be read or parsed becomes a problem of the
result, and consent turns that into off (design, rule 2).
"""

from __future__ import annotations

import os
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeGuard, get_args

from usagectl.errors import (
    FileCorruptError,
    FileUnreadableError,
    FileUnwritableError,
    InvalidValueError,
)
from usagectl.machine import file_errors, files, owners
from usagectl.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from usagectl.machine.environment import Environment

Mode = Literal["off", "local", "on"]
MODES: Final[tuple[Mode, ...]] = get_args(Mode)

MAX_BYTES = 64 * 1024
"""Settings of a hundred tools are smaller."""

DeliveryFormat = Literal["events", "otlp"]
DELIVERY_FORMATS: Final[tuple[DeliveryFormat, ...]] = get_args(DeliveryFormat)
"""The protocols of a delivery: the notice's own, and OpenTelemetry's."""

MODE_VARIABLE = "USAGECTL_TELEMETRY"

OWN_NAME = "usagectl"
"""The tool whose switches stand in the table `telemetry`; any other has `tools.NAME`."""

_HEADER = "# usagectl's own settings; `usagectl settings` says what each one means.\n"

Name = Literal[
    "mode",
    "mode_since",
    "mode_set_by",
    "mode_endpoint",
    "endpoint",
    "delivery_format",
    "cache_dir",
    "spool_max_bytes",
    "spool_max_days",
]

PLACES: Final[Mapping[str, tuple[str, str]]] = {
    "mode": ("telemetry", "mode"),
    "mode_since": ("telemetry", "since"),
    "mode_set_by": ("telemetry", "set_by"),
    "mode_endpoint": ("telemetry", "for_endpoint"),
    "endpoint": ("telemetry", "endpoint"),
    "delivery_format": ("delivery", "format"),
    "cache_dir": ("localstack", "cache_dir"),
    "spool_max_bytes": ("spool", "max_bytes"),
    "spool_max_days": ("spool", "max_days"),
}


class ToolSettings(Value):
    """Settings of one tool that records its events through usagectl."""

    mode: Mode | None = None  # The telemetry mode it asks for.
    mode_since: datetime | None = None  # When that mode was chosen, aware.
    mode_set_by: str | None = None  # `disable` when that command chose it.
    mode_endpoint: str | None = None  # The endpoint that `on` was chosen for; None: any.
    endpoint: str | None = None  # Base URL for the tool's events.


class SettingsFile(Value):
    """Content of one settings, policy or project file, and what is wrong with it."""

    file: Path | None  # Its path, None without a folder for it.
    exists: bool = False  # Whether there is such a file.
    cache_dir: str | None = None  # Folder that holds a LocalStack volume's `machine.json`.
    spool_max_bytes: int | None = None  # Size that the queue may grow to.
    spool_max_days: int | None = None  # Age in days that a waiting event may reach.
    chosen_format: DeliveryFormat | None = None  # The protocol that events are sent in.
    problem: str = ""  # A sentence if it cannot be read, parsed or trusted, else empty.
    hint: str = ""  # A command that helps with the problem, if there is a better one than `cat`.
    ignored: str = ""  # A sentence if it counts for nothing, else empty.
    unknown: tuple[str, ...] = ()  # Keys that usagectl does not know.
    tools: Mapping[str, ToolSettings] = MappingProxyType({})  # By name, usagectl's own too.

    def of_tool(self, name: str) -> ToolSettings:
        """Return the settings of one tool; the table `telemetry` is usagectl's own."""
        return self.tools.get(name, ToolSettings())

    @property
    def delivery_format(self) -> DeliveryFormat:
        """The protocol that holds where no command names one."""
        return self.chosen_format or DELIVERY_FORMATS[0]

    @property
    def mode(self) -> Mode | None:
        """The mode that the table `telemetry` asks for."""
        return self.of_tool(OWN_NAME).mode


def load(environment: Environment) -> SettingsFile:
    """Read the user's settings file."""
    file = files.settings_file(environment)
    return SettingsFile(file=None) if file is None else _read_own(environment, file)


def read_policy(environment: Environment) -> SettingsFile:
    """Read the machine-wide policy, which is root's."""
    return _read_own(environment, files.policy_file(environment), owner=owners.ROOT)


def _read_own(environment: Environment, file: Path, *, owner: int | None = None) -> SettingsFile:
    """Read a file; one that another user could have written is a problem."""
    doubt = owners.doubt_of(environment, file, owner=owner)
    if doubt is None:
        return read(file)
    problem = f"{file} is not obeyed: {doubt.reason}."
    return SettingsFile(file, exists=True, problem=problem, hint=doubt.hint)


def _is_missing(file: Path) -> bool:
    """True if nothing is there; of a folder that may not be searched nobody can say so."""
    try:
        os.lstat(file)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def read_projects(environment: Environment) -> Iterator[SettingsFile]:
    """Read the project files from the working folder up, each when it is asked for.

    Together they may be as large as one settings file. One that another user put into a
    folder for all is ignored.
    """
    left = MAX_BYTES
    for file in files.project_files(environment):
        if reason := owners.why_ignored(environment, file):
            yield SettingsFile(file, exists=True, ignored=f"{file} is ignored: {reason}.")
            continue
        yield read(file, limit=left)
        with suppress(OSError):
            left = max(left - file.stat().st_size, 0)


def read(file: Path, *, limit: int = MAX_BYTES) -> SettingsFile:
    """Read one settings, policy or project file; a problem is part of the result."""
    if _is_missing(file):
        return SettingsFile(file)
    from usagectl.machine import toml  # many have no such file

    try:
        document = toml.read(file, limit=limit)
        return SettingsFile(file) if document is None else _narrow(file, document)
    except (FileUnreadableError, FileCorruptError) as error:
        hint = file_errors.explain_owner(file)[1] if isinstance(error, FileUnreadableError) else ""
        return SettingsFile(file, exists=True, problem=error.message, hint=hint)


def _narrow(file: Path, document: Mapping[str, object]) -> SettingsFile:
    telemetry, localstack, spool, delivery, tools = (
        _table(file, document, name)
        for name in ("telemetry", "localstack", "spool", "delivery", "tools")
    )
    of_tools = {
        name: _narrow_tool(file, _table(file, tools, name, "tools."), place=f"tools.{name}")
        for name in tools
    }
    return SettingsFile(
        file=file,
        exists=True,
        cache_dir=_text(file, localstack, "localstack.cache_dir"),
        spool_max_bytes=_count(file, spool, "spool.max_bytes"),
        spool_max_days=_count(file, spool, "spool.max_days"),
        chosen_format=_delivery_format(file, delivery),
        unknown=tuple(_unknown_keys(document)),
        tools={**of_tools, OWN_NAME: _narrow_tool(file, telemetry, place="telemetry")},
    )


def _narrow_tool(file: Path, table: Mapping[str, object], *, place: str) -> ToolSettings:
    mode, since = table.get("mode"), table.get("since")
    if mode is not None and not is_mode(mode):
        raise FileCorruptError(file, reason=f"{place}.mode is not one of {', '.join(MODES)}")
    if since is not None and not isinstance(since, datetime):
        raise FileCorruptError(file, reason=f"{place}.since is not an instant")
    return ToolSettings(
        mode=mode,
        mode_since=since if since is None or since.tzinfo else since.replace(tzinfo=UTC),
        mode_set_by=_text(file, table, f"{place}.set_by"),
        mode_endpoint=_text(file, table, f"{place}.for_endpoint"),
        endpoint=_text(file, table, f"{place}.endpoint"),
    )


def _delivery_format(file: Path, table: Mapping[str, object]) -> DeliveryFormat | None:
    found = table.get("format")
    if found is None:
        return None
    if not _is_delivery_format(found):
        wanted = ", ".join(DELIVERY_FORMATS)
        raise FileCorruptError(file, reason=f"delivery.format is not one of {wanted}")
    return found


def _unknown_keys(document: Mapping[str, object]) -> Iterator[str]:
    known = set(PLACES.values())
    for table, members in document.items():
        if not isinstance(members, dict) or table not in ("tools", *dict(known)):
            yield table
        elif table == "tools":
            for name, tool in members.items():
                unknown = (key for key in tool if ("telemetry", key) not in known)
                yield from (f"tools.{name}.{key}" for key in unknown)
        else:
            yield from (f"{table}.{key}" for key in members if (table, key) not in known)


def _table(
    file: Path, document: Mapping[str, object], name: str, above: str = ""
) -> Mapping[str, object]:
    found = document.get(name, {})
    if not isinstance(found, dict):
        raise FileCorruptError(file, reason=f"{above}{name} is not a table")
    return found


def _text(file: Path, table: Mapping[str, object], place: str) -> str | None:
    value = table.get(place.rpartition(".")[2])
    if value is not None and not isinstance(value, str):
        raise FileCorruptError(file, reason=f"{place} is not text")
    return value


def _count(file: Path, table: Mapping[str, object], place: str) -> int | None:
    value = table.get(place.rpartition(".")[2])
    if value is not None and (type(value) is not int or value < 1):
        raise FileCorruptError(file, reason=f"{place} is not a whole number of at least 1")
    return value


def is_mode(value: object) -> TypeGuard[Mode]:
    """True if a value is one of the three modes."""
    return value in MODES


def _is_delivery_format(value: object) -> TypeGuard[DeliveryFormat]:
    return value in DELIVERY_FORMATS


def parse_delivery_format(text: str) -> DeliveryFormat:
    """Turn what a person typed into the protocol of a delivery.

    Raises:
        InvalidValueError: it is another word.
    """
    found = text.strip().lower()
    if not _is_delivery_format(found):
        wanted = f"use {' or '.join(DELIVERY_FORMATS)}"
        raise InvalidValueError("delivery format", text, wanted=wanted)
    return found


def parse_mode(text: str) -> Mode:
    """Turn what a person typed into a mode.

    Raises:
        InvalidValueError: it is another word.
    """
    mode = text.strip().lower()
    if not is_mode(mode):
        raise InvalidValueError("telemetry mode", text, wanted=f"use {', '.join(MODES)}")
    return mode


def parse_count(text: str) -> int:
    """Turn what a person typed into a whole number of at least 1.

    Raises:
        InvalidValueError: it is something else.
    """
    if not text.strip().isdecimal() or not 0 < int(text) < 1 << 48:
        raise InvalidValueError("number", text, wanted="use a whole number of at least 1")
    return int(text)


def parse_endpoint(text: str) -> str:
    """Turn what a person typed into a base URL without a trailing slash.

    Raises:
        InvalidValueError: it has no http or https, no host, or it has credentials.
    """
    from urllib.parse import urlsplit  # only a command that writes needs it

    wanted = "use a base URL such as http://127.0.0.1:8123/v1"
    url = text.strip()
    parts = urlsplit(url if is_http_url(url) else "")
    if not parts.scheme or parts.username or parts.query or parts.fragment:
        shown = "the text given" if "@" in text else text
        raise InvalidValueError("endpoint", shown, wanted=wanted)
    return url.rstrip("/")


def parse_folder(environment: Environment, text: str) -> Path:
    """Turn what a person typed into an absolute folder, which need not exist; `~` is home.

    Raises:
        InvalidValueError: it is empty, or a file is in the way.
    """
    if not text.strip() or "\0" in text:
        raise InvalidValueError("folder", text, wanted="name a folder such as ./volume/cache")
    folder = environment.cwd / text
    first, _, rest = text.partition("/")
    if first == "~" and environment.home:
        folder = environment.home / rest.lstrip("/")
    # os.path answers where pathlib raises: a loop of links, a folder that may not be searched.
    folder = Path(os.path.realpath(folder))
    try:
        str(folder).encode("utf-8")
    except UnicodeEncodeError as error:
        wanted = "its whole name has to be UTF-8 to be kept in the settings"
        raise InvalidValueError("folder", text, wanted=wanted) from error
    if os.path.exists(folder) and not os.path.isdir(folder):  # noqa: PTH110, PTH112
        raise InvalidValueError("folder", text, wanted="there is a file of that name")
    return folder


def is_http_url(url: str) -> bool:
    """True if a client can post to a URL: http or https, a host, a valid port."""
    from urllib.parse import urlsplit  # only what writes or previews needs it

    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


class SaveResult(Value):
    """Result of saving: the file, whether it changed, what was set aside."""

    file: Path
    changed: bool
    set_aside: Path | None = None


def save(
    environment: Environment,
    values: Mapping[Name, object],
    *,
    tool: str = OWN_NAME,
    dry_run: bool = False,
) -> SaveResult:
    """Write settings, and remove those that are None; other lines and comments stay.

    A file that cannot be parsed is set aside first, never overwritten. Mode and endpoint
    are those of `tool`.

    Raises:
        FolderUnknownError: this account has no home.
        FileUnreadableError: the file exists and cannot be read.
        FileUnwritableError: nothing was changed.
        LockTimeoutError: another process holds the settings' lock.
    """
    file = files.require_settings_file(environment)
    if doubt := owners.doubt_of(environment, file):
        raise FileUnwritableError(file, reason=doubt.reason, hint=doubt.hint)
    placed = {place_of(name, tool): value for name, value in values.items()}
    with nullcontext() if dry_run else files.lock(environment.state_dir or file.parent):
        return _save(file, placed, now=environment.now(), dry_run=dry_run)


def place_of(name: Name, tool: str = OWN_NAME) -> tuple[str, ...]:
    """Return the tables and the key that hold a setting."""
    table, key = PLACES[name]
    return (table, key) if tool == OWN_NAME or table != "telemetry" else ("tools", tool, key)


def _save(
    file: Path, values: Mapping[tuple[str, ...], object], *, now: datetime, dry_run: bool
) -> SaveResult:
    before = files.read_bytes(file, limit=MAX_BYTES)
    is_corrupt = before is not None and bool(read(file).problem)
    if is_corrupt and not any(place[-1] == "mode" for place in values):
        # The file may hold an off, which setting it aside would undo.
        raise FileCorruptError(file, reason="so nothing is written to it")
    text = _HEADER if before is None or is_corrupt else before.decode("utf-8")
    try:
        after = _edit(text, values)
    except ValueError as error:
        reason = "its keys are written in a form that cannot be edited, so nothing is written to it"
        raise FileCorruptError(file, reason=reason) from error
    is_same = after == text and not is_corrupt
    if dry_run or is_same:
        return SaveResult(file, changed=not is_same)
    aside = files.set_aside(file, now) if is_corrupt else None
    try:
        if after.strip() == _HEADER.strip():
            files.remove(file)
        else:
            files.replace_bytes(file, after.encode("utf-8"))
    except FileUnwritableError:
        if aside is not None:
            files.put_back(aside, file)
        raise
    return SaveResult(file, changed=True, set_aside=aside)


def _edit(text: str, values: Mapping[tuple[str, ...], object]) -> str:
    """Change keys in a TOML text; comments and other keys stay.

    Raises:
        ValueError: the form of the text allows no such change.
    """
    import tomllib

    import tomlkit  # only a command that writes needs it

    document = tomlkit.parse(text)
    for (*tables, key), value in values.items():
        if value is not None:
            _make(document, tables)[key] = value
        else:
            _take_out(document, tables, key)
    after = tomlkit.dumps(document)
    # Where dotted keys and inline tables are mixed, tomlkit writes invalid TOML, or moves a key.
    if tomllib.loads(after) != document.unwrap():
        raise ValueError(after)
    return after


def _make(table: Any, names: list[str]) -> Any:  # noqa: ANN401  (tomlkit's own containers)
    """Return a table below another; make the missing ones on the way."""
    import tomlkit

    for at, name in enumerate(names):
        if name not in table:
            table[name] = tomlkit.table(is_super_table=at + 1 < len(names))
        table = table[name]
    return table


def _take_out(table: Any, names: list[str], key: str) -> None:  # noqa: ANN401
    """Remove a key, and every table on the way that is then empty."""
    if not names:
        table.pop(key, None)
    elif names[0] in table:
        _take_out(table[names[0]], names[1:], key)
        if not table[names[0]]:
            del table[names[0]]


def variable_of(name: str) -> str:
    """Name the variable that holds a tool's own mode: `MYTOOL_TELEMETRY`."""
    return f"{name.upper().replace('-', '_')}_TELEMETRY"
