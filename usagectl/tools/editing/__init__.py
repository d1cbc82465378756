"""Edits of one key in a file that another program reads: every other byte stays.

Each result is read again by the reader that the verdict uses. A file that reads otherwise in
anything but that key is refused, and so is one that the tool itself could not read.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from usagectl.errors import FileCorruptError, FileUneditableError, quote
from usagectl.tools import file_values
from usagectl.tools.editing import json_text, line_text, toml_text, xml_text, yaml_text
from usagectl.tools.file_values import Content, value_at
from usagectl.tools.forms import MISSING, Missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from usagectl.catalogue.entry import Dialect, Format

_BOM = b"\xef\xbb\xbf"
TYPED = ("json", "toml", "yaml")
"""Formats whose values have types; in all others each is a text."""


_SCALARS = (str, bool, int, float, Missing, type(None))
"""What may stand where a key is written; a list or a table is somebody's work."""


class Syntax(NamedTuple):
    """How a file is written, and how its tool reads it."""

    form: Format
    dialect: Dialect = ""


class Splice(NamedTuple):
    """The difference between two states of a file: at one place some bytes instead of others."""

    at: int
    removed: bytes
    inserted: bytes

    def undo(self, data: bytes) -> bytes:
        """Return the bytes as they were before."""
        return data[: self.at] + self.removed + data[self.at + len(self.inserted) :]


def splice_of(before: bytes, after: bytes) -> Splice:
    """Return the shortest splice that turns one into the other."""
    start = _common(before, after)
    end = _common(before[start:][::-1], after[start:][::-1])
    return Splice(start, before[start : len(before) - end], after[start : len(after) - end])


def _common(one: bytes, other: bytes) -> int:
    return len(os.path.commonprefix((one, other)))  # noqa: RUF071  (bytes, no paths)


def edit(
    file: Path, syntax: Syntax, data: bytes | None, key: Sequence[str], value: object
) -> bytes:
    """Return the bytes of a file with a key set, or without it where the value is MISSING.

    Without `data` the file is new, and holds that key alone.

    Raises:
        FileCorruptError: the file cannot be understood.
        FileUneditableError: its form allows no such change.
    """
    before = Content({}) if data is None else _parse(file, syntax, data)
    standing = _walk(before.values, key)
    if key and standing and not isinstance(standing, _SCALARS):
        raise FileUneditableError(file, name=".".join(key))
    body = (data or b"").removeprefix(_BOM)
    head = _BOM if data and data.startswith(_BOM) else b""
    try:
        for text in _candidates(syntax.form, body.decode("utf-8", "surrogateescape"), key, value):
            after = head + text.encode("utf-8", "surrogateescape")
            if syntax.form == "ini" and not _is_right_for_python(body, after, key):
                continue
            if _is_right(file, syntax, before, after, key, value):
                return after
    except (ValueError, IndexError, RecursionError) as error:
        raise FileUneditableError(file, name=".".join(key)) from error
    raise FileUneditableError(file, name=".".join(key))


def take_out(file: Path, syntax: Syntax, data: bytes, key: Sequence[str], *, made: int) -> bytes:
    """Take a key out, and of the parents on its way the last `made`, where they are then empty.

    Raises:
        FileCorruptError: the file cannot be understood.
        FileUneditableError: its form allows no such change.
    """
    after = edit(file, syntax, data, key, MISSING)
    with suppress(FileUneditableError):  # Somebody wrote around the parent, so it stays, empty.
        for depth in range(len(key) - 1, len(key) - 1 - made, -1):
            if value_of(file, syntax, after, key[:depth]):
                break
            after = edit(file, syntax, after, key[:depth], MISSING)
    return after


def value_of(file: Path, syntax: Syntax, data: bytes | None, key: Sequence[str]) -> object:
    """Return the value of a key in the bytes of a file; MISSING without one.

    Raises:
        FileCorruptError: the file cannot be understood.
    """
    if data is None:
        return MISSING
    return value_at(_parse(file, syntax, data), key)


def as_text(value: object) -> str:
    """Write a value as it stands in a file without types."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _parse(file: Path, syntax: Syntax, data: bytes) -> Content:
    """Understand a file; one without a word, as a crash leaves it, holds no key and is filled."""
    if syntax.form in ("json", "xml") and not data.removeprefix(_BOM).strip():
        return Content({})
    content = file_values.parse(file, data, syntax.form, syntax.dialect)
    if content.problem:
        reason = f"it is not valid {syntax.form}, so it is as it was"
        raise FileCorruptError(file, reason=reason, hint=f"cat {quote(str(file))}")
    return content


def _candidates(form: Format, text: str, key: Sequence[str], value: object) -> Iterable[str]:
    if form not in _EDITORS:
        return ()
    put, take_out = _EDITORS[form]
    written = value if form in TYPED else as_text(value)
    found = take_out(text, key) if value is MISSING else put(text, key, written)
    return (found,) if isinstance(found, str) else found


def _put_all(text: str, _key: Sequence[str], value: str) -> str:
    """Make a value the whole text; a line end that was there stays."""
    bare = text.rstrip("\r\n")
    return value.rstrip("\r\n") + text[len(bare) :]


_Editor = tuple["Callable[..., str | Iterator[str]]", "Callable[..., str | Iterator[str]]"]
_EDITORS: Mapping[str, _Editor] = {
    "json": (json_text.put, json_text.take_out),
    "toml": (toml_text.put, toml_text.take_out),
    "yaml": (yaml_text.put, yaml_text.take_out),
    "ini": (line_text.put_in_section, line_text.take_out_of_section),
    "dotenv": (line_text.put_line, line_text.take_line_out),
    "key-value": (line_text.put_line, line_text.take_line_out),
    "xml": (xml_text.put, xml_text.take_out),
    "text": (_put_all, lambda _text, _key: ""),
}
"""By format, what puts a key in and what takes it out. Markers are made and removed whole."""


def _is_right(
    file: Path, syntax: Syntax, before: Content, after: bytes, key: Sequence[str], value: object
) -> bool:
    """True if the new bytes read as wanted, and as before in everything else."""
    try:
        read = _parse(file, syntax, after)
    except FileCorruptError:
        return False
    wanted = value if syntax.form in TYPED or value is MISSING else as_text(value)
    if syntax.form == "text":
        return str(read.values).strip() == ("" if value is MISSING else str(wanted).strip())
    found = _walk(read.values, key)
    is_there = type(found) is type(wanted) and found == wanted
    return is_there and repr(_without(before.values, key)) == repr(_without(read.values, key))


def _is_right_for_python(before: bytes, after: bytes, key: Sequence[str]) -> bool:
    """True if Python's own parser sees no other difference in an ini file that it can read."""
    old = line_text.standard_values(before.decode("utf-8", "surrogateescape"))
    new = line_text.standard_values(after.removeprefix(_BOM).decode("utf-8", "surrogateescape"))
    path = [*key[:-1], key[-1].lower()] if key else key
    return old is None or (new is not None and _without(old, path) == _without(new, path))


def _walk(values: object, key: Sequence[str]) -> object:
    for name in key:
        values = values.get(name, MISSING) if isinstance(values, dict) else MISSING
    return values


def _without(values: object, key: Sequence[str]) -> object:
    """Return values without a key, and without what is then empty on the way to it."""
    if not isinstance(values, dict):
        return values or None
    rest = {name: inner for name, inner in values.items() if name != key[0]}
    if len(key) > 1 and key[0] in values:
        inner = _without(values[key[0]], key[1:])
        return {
            name: inner if name == key[0] else rest[name]
            for name in values
            if inner or name != key[0]
        } or None
    return rest or None
