"""Own the user's settings, the machine's policy and the project file as data.

Reading never raises: a file that cannot be read or understood becomes a
problem of the result, and consent turns that into off (design, rule 2).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeGuard, get_args

from usagectl import _files, paths
from usagectl.errors import (
    FileCorruptError,
    FileUnreadableError,
    FileUnwritableError,
    InvalidValueError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from usagectl.environment import Environment

Mode = Literal["off", "local", "on"]
MODES: Final[tuple[Mode, ...]] = get_args(Mode)

MODE_VARIABLE = "USAGECTL_TELEMETRY"

_HEADER = "# usagectl's own settings; `usagectl settings` says what each one means.\n"

Name = Literal[
    "mode",
    "mode_since",
    "mode_set_by",
    "endpoint",
    "cache_dir",
    "spool_max_bytes",
    "spool_max_days",
]

_PLACES: Final[Mapping[str, tuple[str, str]]] = {
    "mode": ("telemetry", "mode"),
    "mode_since": ("telemetry", "since"),
    "mode_set_by": ("telemetry", "set_by"),
    "endpoint": ("telemetry", "endpoint"),
    "cache_dir": ("localstack", "cache_dir"),
    "spool_max_bytes": ("spool", "max_bytes"),
    "spool_max_days": ("spool", "max_days"),
}


class SettingsFile(NamedTuple):
    """Hold what one TOML file says, and what is wrong with it.

    Attributes:
        file: where it lies, None when there is no place for one.
        exists: whether anything was there.
        mode: the telemetry mode it asks for.
        mode_since: when that mode was chosen, aware.
        mode_set_by: `disable` when that command chose it.
        endpoint: base URL for usagectl's own events.
        cache_dir: folder that holds a LocalStack volume's `machine.json`.
        spool_max_bytes: size that the queue may grow to.
        spool_max_days: age in days that a waiting event may reach.
        problem: a sentence when it cannot be read or understood, else empty.
        unknown: keys that mean nothing to usagectl.
    """

    file: Path | None
    exists: bool = False
    mode: Mode | None = None
    mode_since: datetime | None = None
    mode_set_by: str | None = None
    endpoint: str | None = None
    cache_dir: str | None = None
    spool_max_bytes: int | None = None
    spool_max_days: int | None = None
    problem: str = ""
    unknown: tuple[str, ...] = ()


def load(environment: Environment) -> SettingsFile:
    """Read the user's settings file."""
    file = paths.settings_file(environment)
    return SettingsFile(file=None) if file is None else read(file)


def load_policy(environment: Environment) -> SettingsFile:
    """Read the machine-wide policy file."""
    return read(paths.policy_file(environment))


def load_projects(environment: Environment) -> tuple[SettingsFile, ...]:
    """Read every project file from the working folder up, nearest first."""
    return tuple(read(file) for file in paths.project_files(environment))


def read(file: Path) -> SettingsFile:
    """Read one settings, policy or project file; a problem is part of the answer."""
    try:
        data = _files.read_bytes(file)
    except FileUnreadableError as error:
        return SettingsFile(file=file, exists=True, problem=error.message)
    if data is None:
        return SettingsFile(file=file)
    try:
        return _narrow(file, _parse(file, data))
    except FileCorruptError as error:
        return SettingsFile(file=file, exists=True, problem=error.message)


def _parse(file: Path, data: bytes) -> dict[str, object]:
    import tomllib  # most runs have no such file

    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise FileCorruptError(file, reason="it is not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise FileCorruptError(file, reason="it is not TOML") from error
    except (RecursionError, ValueError, OverflowError) as error:
        raise FileCorruptError(file, reason="it is too deep or holds an odd value") from error


def _narrow(file: Path, document: Mapping[str, object]) -> SettingsFile:
    values = {name: _member(document, *place) for name, place in _PLACES.items()}
    mode, since = values["mode"], values["mode_since"]
    for table in ("telemetry", "localstack", "spool"):
        if not isinstance(document.get(table, {}), dict):
            raise FileCorruptError(file, reason=f"{table} is not a table")
    if mode is not None and not is_mode(mode):
        raise FileCorruptError(file, reason=f"telemetry.mode is none of {', '.join(MODES)}")
    if since is not None and not isinstance(since, datetime):
        raise FileCorruptError(file, reason="telemetry.since is not an instant")
    return SettingsFile(
        file=file,
        exists=True,
        mode=mode,
        mode_since=since if since is None or since.tzinfo else since.replace(tzinfo=UTC),
        mode_set_by=_text(file, values, "mode_set_by"),
        endpoint=_text(file, values, "endpoint"),
        cache_dir=_text(file, values, "cache_dir"),
        spool_max_bytes=_count(file, values, "spool_max_bytes"),
        spool_max_days=_count(file, values, "spool_max_days"),
        unknown=tuple(_unknown_keys(document)),
    )


def _unknown_keys(document: Mapping[str, object]) -> Iterator[str]:
    known = set(_PLACES.values())
    for table, members in document.items():
        if table not in {place[0] for place in known} or not isinstance(members, dict):
            yield table
        else:
            yield from (f"{table}.{key}" for key in members if (table, key) not in known)


def _member(document: Mapping[str, object], table: str, key: str) -> object:
    found = document.get(table)
    return found.get(key) if isinstance(found, dict) else None


def _text(file: Path, values: Mapping[str, object], name: str) -> str | None:
    value = values[name]
    if value is not None and not isinstance(value, str):
        raise FileCorruptError(file, reason=f"{'.'.join(_PLACES[name])} is not text")
    return value


def _count(file: Path, values: Mapping[str, object], name: str) -> int | None:
    value = values[name]
    if value is not None and (type(value) is not int or value < 1):
        reason = f"{'.'.join(_PLACES[name])} is not a whole number of at least 1"
        raise FileCorruptError(file, reason=reason)
    return value


def is_mode(value: object) -> TypeGuard[Mode]:
    """Tell whether a value is one of the three modes."""
    return value in MODES


class SaveResult(NamedTuple):
    """Hold what saving did: the file, whether it changed, what was set aside."""

    file: Path
    changed: bool
    set_aside: Path | None = None


def save(
    environment: Environment, values: Mapping[Name, object], *, dry_run: bool = False
) -> SaveResult:
    """Write settings, each None removed; other lines and comments of the file stay.

    A file that cannot be understood is set aside first, never overwritten.

    Raises:
        FolderUnknownError: this account has no home.
        FileUnreadableError: the file is there but may not be read.
        FileUnwritableError: nothing was changed.
        LockTimeoutError: another process kept the settings locked.
    """
    file = paths.require_settings_file(environment)
    if dry_run:
        return _save(environment, file, values=values, dry_run=True)
    with _files.lock(file.parent):
        return _save(environment, file, values=values, dry_run=False)


def _save(
    environment: Environment,
    file: Path,
    *,
    values: Mapping[Name, object],
    dry_run: bool,
) -> SaveResult:
    before = _files.read_bytes(file)
    is_corrupt = before is not None and bool(read(file).problem)
    if is_corrupt and "mode" not in values:
        # Setting it aside would also lose an off that may stand in it.
        raise FileCorruptError(file, reason="so nothing is written to it")
    text = _HEADER if before is None or is_corrupt else before.decode("utf-8")
    after = _edit(text, values)
    is_same = after == text and not is_corrupt
    if dry_run or is_same:
        return SaveResult(file, changed=not is_same)
    aside = _files.set_aside(file, environment.now()) if is_corrupt else None
    try:
        _write(file, after)
    except FileUnwritableError:
        if aside is not None:
            _files.put_back(aside, file)
        raise
    return SaveResult(file, changed=True, set_aside=aside)


def _write(file: Path, text: str) -> None:
    if text.strip() == _HEADER.strip():
        _files.remove(file)
    else:
        _files.replace_bytes(file, text.encode("utf-8"))


def _edit(text: str, values: Mapping[Name, object]) -> str:
    import tomlkit  # only a command that writes needs it

    document = tomlkit.parse(text)
    for name, value in values.items():
        table_name, key = _PLACES[name]
        table = document.get(table_name)
        if value is not None:
            if table is None:
                table = document[table_name] = tomlkit.table()
            table[key] = value
        elif table is not None and key in table:
            del table[key]
            if not table:
                del document[table_name]
    return tomlkit.dumps(document)


def parse_mode(text: str) -> Mode:
    """Turn what a person typed into a mode.

    Raises:
        InvalidValueError: it is none of the three.
    """
    mode = text.strip().lower()
    if not is_mode(mode):
        raise InvalidValueError("telemetry mode", text, wanted=f"use {', '.join(MODES)}")
    return mode


def parse_count(text: str) -> int:
    """Turn what a person typed into a whole number of at least 1.

    Raises:
        InvalidValueError: it is none.
    """
    if not text.strip().isdecimal() or not 0 < int(text) < 1 << 48:
        raise InvalidValueError("number", text, wanted="use a whole number of at least 1")
    return int(text)


def parse_endpoint(text: str) -> str:
    """Turn what a person typed into a base URL without a trailing slash.

    Raises:
        InvalidValueError: it is no http or https URL with a host, or carries credentials.
    """
    from urllib.parse import urlsplit  # only a command that writes needs it

    wanted = "use a base URL such as http://127.0.0.1:8123/v1"
    url = text.strip()
    parts = urlsplit(url if is_http_url(url) else "")
    if not parts.scheme or parts.username or parts.query or parts.fragment:
        shown = "the text given" if "@" in text else text
        raise InvalidValueError("endpoint", shown, wanted=wanted)
    return url.rstrip("/")


def is_http_url(url: str) -> bool:
    """Tell whether a client can post to a URL: http or https, a host, a port that is one."""
    from urllib.parse import urlsplit  # only what writes or previews needs it

    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
