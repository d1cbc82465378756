"""Own how settings are written: one key at a time, and everything else of the file stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from usagectl.errors import FileCorruptError, FileUnwritableError
from usagectl.machine import files, paths
from usagectl.settings import OWN_NAME, PLACES, read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from usagectl.machine.environment import Environment
    from usagectl.settings import Name

_HEADER = "# usagectl's own settings; `usagectl settings` says what each one means.\n"


class SaveResult(NamedTuple):
    """Hold what saving did: the file, whether it changed, what was set aside."""

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
    """Write settings, each None removed; other lines and comments of the file stay.

    A file that cannot be understood is set aside first, never overwritten.

    Args:
        environment: whose.
        values: the new values.
        tool: whose mode and endpoint are meant.
        dry_run: tell what would be done alone.

    Raises:
        FolderUnknownError: this account has no home.
        FileUnreadableError: the file is there but may not be read.
        FileUnwritableError: nothing was changed.
        LockTimeoutError: another process kept the settings locked.
    """
    file = paths.require_settings_file(environment)
    placed = {place_of(name, tool): value for name, value in values.items()}
    if dry_run:
        return _save(environment, file, values=placed, dry_run=True)
    with files.lock(file.parent):
        return _save(environment, file, values=placed, dry_run=False)


def place_of(name: Name, tool: str = OWN_NAME) -> tuple[str, ...]:
    """Name the tables and the key in which a setting stands."""
    table, key = PLACES[name]
    return (table, key) if tool == OWN_NAME or table != "telemetry" else ("tools", tool, key)


def _save(
    environment: Environment,
    file: Path,
    *,
    values: Mapping[tuple[str, ...], object],
    dry_run: bool,
) -> SaveResult:
    before = files.read_bytes(file)
    is_corrupt = before is not None and bool(read(file).problem)
    if is_corrupt and not any(place[-1] == "mode" for place in values):
        # Setting it aside would also lose an off that may stand in it.
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
    aside = files.set_aside(file, environment.now()) if is_corrupt else None
    try:
        _write(file, after)
    except FileUnwritableError:
        if aside is not None:
            files.put_back(aside, file)
        raise
    return SaveResult(file, changed=True, set_aside=aside)


def _write(file: Path, text: str) -> None:
    if text.strip() == _HEADER.strip():
        files.remove(file)
    else:
        files.replace_bytes(file, text.encode("utf-8"))


def _edit(text: str, values: Mapping[tuple[str, ...], object]) -> str:
    """Change keys in a text of TOML; comments and other keys stay.

    Raises:
        ValueError: the text has a form in which that cannot be done.
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
    # Dotted keys and inline tables can be mixed so that tomlkit writes what is no TOML.
    found = tomllib.loads(after)
    for place, value in values.items():
        if _look_up(found, place) != value:
            raise ValueError(place[-1])
    return after


def _look_up(document: Mapping[str, Any], place: tuple[str, ...]) -> object:
    found: Any = document
    for name in place:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _make(table: Any, names: list[str]) -> Any:  # noqa: ANN401  (tomlkit's own containers)
    """Find a table below another, and make what is missing on the way."""
    import tomlkit

    for at, name in enumerate(names):
        if name not in table:
            table[name] = tomlkit.table(is_super_table=at + 1 < len(names))
        table = table[name]
    return table


def _take_out(table: Any, names: list[str], key: str) -> None:  # noqa: ANN401
    """Remove a key, and every table on the way that is empty then."""
    if not names:
        table.pop(key, None)
    elif names[0] in table:
        _take_out(table[names[0]], names[1:], key)
        if not table[names[0]]:
            del table[names[0]]
