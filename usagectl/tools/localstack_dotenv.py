"""Profile text as LocalStack's python-dotenv reads it, after the rules of its release.

LocalStack takes any python-dotenv from 0.19.1 on, and its releases read some files differently.
Ours is not asked: what counts is the one in LocalStack's own environment. All that LocalStack
allows, up to 1.2.4, were held against each other.
"""

from __future__ import annotations

import codecs
import io
import re
from collections import ChainMap
from typing import TYPE_CHECKING

from usagectl.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MOST_CHARACTERS = 1024 * 1024
_BYTE_ORDER_MARK = "\ufeff"


class Dialect(Value):
    """What the releases of python-dotenv do differently, as the first one that has it."""

    since: str  # The first release with these rules.
    reads_pipes: bool = False  # Else a pipe is taken for an empty file.
    strips_mark: bool = False  # Else a byte-order mark becomes part of the first name.
    pairs_backslashes: bool = False  # Else the second of two escapes the quote after it.
    ends_at_comment: bool = False  # Else `K= # text` has the value `# text`.


DIALECTS = (
    Dialect("1.2.4", True, True, True, True),  # noqa: FBT003  (in the order of the class)
    Dialect("1.2.3", True, True, True),  # noqa: FBT003
    Dialect("1.2.1", True),  # noqa: FBT003
    Dialect("0.19.1"),
)
"""Newest first; a later release than the newest is taken to read as that one does."""


def dialect_of(release: tuple[int, ...]) -> Dialect:
    """Return the rules of a release, given as numbers."""
    starts = [tuple(map(int, each.since.split("."))) for each in DIALECTS]
    return next((d for d, at in zip(DIALECTS, starts, strict=True) if release >= at), DIALECTS[-1])


def parse(data: bytes, variables: Mapping[str, str], dialect: Dialect) -> dict[str, str | None]:
    """Parse a file's bytes and expand each `${NAME}`; a bare name without `=` has None.

    Raises:
        UnicodeDecodeError: LocalStack would stop at them.
        ExpansionTooLargeError: `A=${A}${A}`, line after line, would fill the memory.
    """
    text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8").read()
    cursor = _Cursor(text.removeprefix(_BYTE_ORDER_MARK) if dialect.strips_mark else text)
    values: dict[str, str | None] = {}
    known: Mapping[str, str | None] = ChainMap(values, {**variables})
    room = _MOST_CHARACTERS
    for name, value in _assignments(cursor, dialect):
        values[name] = None if value is None else _expand(value, known, room=room)
        room -= len(values[name] or "")
    return values


_VARIABLE = r"\$\{(?P<name>[^\}:]*)(?::-(?P<default>[^\}]*))?\}"
_BLANKS_AND_LINES = r"\s*"
_EXPORT = r"(?:export[^\S\r\n]+)?"
_QUOTED_NAME = r"'([^']+)'"
_NAME = r"([^=\#\s]+)"
_BLANKS = r"[^\S\r\n]*"
_EQUALS = r"=([^\S\r\n]*)"
_COMMENT = r"(?:[^\S\r\n]*#[^\r\n]*)?"
_END_OF_LINE = r"[^\S\r\n]*(?:\r\n|\n|\r|$)"
_REST_OF_LINE = r"[^\r\n]*(?:\r|\n|\r\n)?"
_BARE_VALUE = r"([^\r\n]*)"
_SPACED_COMMENT = r"\s+#.*"
_ESCAPES = {"'": r"\\[\\']", '"': r"\\[\\'\"abfnrtv]"}
_PAIRED = {
    "'": r"(?s:'((?:\\.|[^'\\])*)')",
    '"': r'(?s:"((?:\\.|[^"\\])*)")',
}
_UNPAIRED = {
    "'": r"'((?:\\'|[^'])*)'",
    '"': r'"((?:\\"|[^"])*)"',
}


class ExpansionTooLargeError(Exception):
    """The values of a file are far longer than the file."""


class _NoMatchError(Exception):
    """The text goes on in another way; the rest of the line is left out."""


class _Cursor:
    """A place in a text, which moves on with what is taken."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    @property
    def next(self) -> str:
        return self.text[self.at : self.at + 1]

    def take(self, pattern: str) -> re.Match[str]:
        match = re.compile(pattern).match(self.text, self.at)
        if match is None:
            raise _NoMatchError
        self.at = match.end()
        return match


def _assignments(cursor: _Cursor, dialect: Dialect) -> Iterator[tuple[str, str | None]]:
    """Yield each name with its value; what cannot be understood is left out, as there."""
    while cursor.next:
        try:
            name, value = _assignment(cursor, dialect)
        except _NoMatchError:
            cursor.take(_REST_OF_LINE)
            continue
        if name is not None:
            yield name, value


def _assignment(cursor: _Cursor, dialect: Dialect) -> tuple[str | None, str | None]:
    cursor.take(_BLANKS_AND_LINES)
    if not cursor.next:
        return None, None
    cursor.take(_EXPORT)
    name = None
    if cursor.next != "#":
        name = cursor.take(_QUOTED_NAME if cursor.next == "'" else _NAME)[1]
    cursor.take(_BLANKS)
    value = _value(cursor, dialect) if cursor.next == "=" else None
    cursor.take(_COMMENT)
    cursor.take(_END_OF_LINE)
    return name, value


def _value(cursor: _Cursor, dialect: Dialect) -> str:
    has_blank = bool(cursor.take(_EQUALS)[1])
    quote = cursor.next
    if quote in _ESCAPES:
        quoted = cursor.take((_PAIRED if dialect.pairs_backslashes else _UNPAIRED)[quote])[1]
        return re.sub(
            _ESCAPES[quote], lambda match: codecs.decode(match[0], "unicode-escape"), quoted
        )
    if quote == "#" and has_blank and dialect.ends_at_comment:
        return ""
    return re.sub(_SPACED_COMMENT, "", cursor.take(_BARE_VALUE)[1]).rstrip()


def _expand(value: str, known: Mapping[str, str | None], *, room: int) -> str:
    parts, at = [], 0
    for match in re.finditer(_VARIABLE, value):
        named = known.get(match["name"], match["default"] or "") or ""
        parts += [value[at : match.start()], named]
        at, room = match.end(), room - len(named)
        if room < 0:
            raise ExpansionTooLargeError
    return "".join((*parts, value[at:]))
