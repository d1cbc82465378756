"""Edits of JSON text, with comments and trailing commas: one member set or taken out."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_TOKEN = re.compile(
    r"(?P<space>\s+|//[^\r\n]*|/\*.*?\*/)"
    r'|(?P<string>"(?:[^"\\]|\\.)*")'
    r"|(?P<mark>[{}\[\],:])"
    r'|(?P<word>[^\s{}\[\],:"/]+)',
    re.DOTALL,
)
_COMMENT = re.compile(r"//[^\r\n]*|/\*.*?\*/", re.DOTALL)
_REST_OF_LINE = re.compile(r"(?:[ \t]*/\*[^\r\n]*?\*/)*(?:[ \t]*//[^\r\n]*)?")


class _Token(NamedTuple):
    """One word of the text, and where it stands."""

    text: str
    start: int
    end: int


class _Member(NamedTuple):
    """A member of an object: its name, and where name and value stand."""

    name: str
    start: int
    value: int  # The number of the value's first token.
    last: int  # The number of its last token.
    end: int


class _Object(NamedTuple):
    """An object: its members, and its braces."""

    members: tuple[_Member, ...]
    start: int  # After the opening brace.
    end: int  # At the closing one.
    comma: int | None  # After a comma that trails.


def put(text: str, key: Sequence[str], value: object) -> str:
    """Set a member, and make the objects on the way to it.

    Raises:
        ValueError: something else stands on the way.
    """
    tokens = _tokens(text)
    if not tokens:
        return _new(text, key, value)
    found = 0
    for at, name in enumerate(key):
        within = _object(tokens, found)
        member = _find(within, name)
        if member is None:
            return _insert(text, within, key[at:], value)
        found = member.value
    if tokens[found].text in "{[":
        raise ValueError(key)
    return text[: tokens[found].start] + json.dumps(value) + text[tokens[found].end :]


def take_out(text: str, key: Sequence[str]) -> str:
    """Take a member out; its comments stay.

    Raises:
        ValueError: something else stands on the way.
    """
    tokens, found = _tokens(text), 0
    for name in key[:-1]:
        member = _find(_object(tokens, found), name)
        if member is None:
            return text
        found = member.value
    within = _object(tokens, found) if tokens else None
    member = _find(within, key[-1]) if within else None
    return text if member is None or within is None else _without(text, tokens, within, member)


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(at)
        at = match.end()
        if match.lastgroup != "space":
            found.append(_Token(match[0], match.start(), at))
    return found


def _object(tokens: Sequence[_Token], at: int) -> _Object:
    if tokens[at].text != "{":
        raise ValueError(at)
    members, comma = [], None
    start, at = tokens[at].end, at + 1
    while tokens[at].text != "}":
        if tokens[at].text == ",":
            comma, at = tokens[at].end, at + 1
            continue
        last = _last_of(tokens, at + 2)
        name, comma = json.loads(tokens[at].text), None
        members.append(_Member(str(name), tokens[at].start, at + 2, last, tokens[last].end))
        at = last + 1
    return _Object(tuple(members), start, tokens[at].start, comma)


def _last_of(tokens: Sequence[_Token], at: int) -> int:
    """Number the last token of the value that begins at a token."""
    depth = 0
    while True:
        depth += (tokens[at].text in "{[") - (tokens[at].text in "}]")
        if depth <= 0:
            return at
        at += 1


def _find(within: _Object, name: str) -> _Member | None:
    """Return the member of that name; of several the last, which parsers take."""
    return next((each for each in reversed(within.members) if each.name == name), None)


def _insert(text: str, within: _Object, key: Sequence[str], value: object) -> str:
    """Put a member at the end of an object, in the style of those before it."""
    inside = text[within.start : within.end]
    is_open = "\n" in inside or (not within.members and "\n" in text.strip())
    line = _line_break(text)
    outer = _indentation(text, within.start)
    inner = outer + _unit(text)
    if within.members:
        inner = _indentation(text, within.members[0].start)
    colon, comma = _marks(text)
    member = _member(key, value, colon, (line, inner, _unit(text)) if is_open else None)
    if not within.members:
        comments = [found.end() for found in _COMMENT.finditer(inside)]
        at = within.start + (comments[-1] if comments else 0)
        closing = "" if "\n" in text[at : within.end] or not is_open else line + outer
        return text[:at] + (line + inner if is_open else "") + member + closing + text[at:]
    last = within.members[-1].end
    after = within.comma or last
    rest = _REST_OF_LINE.match(text, after)
    at = rest.end() if rest else after
    between = line + inner if is_open else ("" if within.comma else " " * (len(comma) - 1))
    if within.comma:
        return text[:at] + (between or " ") + member + "," + text[at:]
    return text[:last] + "," + text[last:at] + between + member + text[at:]


def _member(
    key: Sequence[str], value: object, colon: str, layout: tuple[str, str, str] | None
) -> str:
    """Write a member whose value may be nested; on lines of its own if there is a layout."""
    name = json.dumps(key[0]) + colon
    if len(key) == 1:
        return name + json.dumps(value)
    if layout is None:
        return f"{name}{{{_member(key[1:], value, colon, None)}}}"
    line, indentation, unit = layout
    inner = _member(key[1:], value, colon, (line, indentation + unit, unit))
    return f"{name}{{{line}{indentation}{unit}{inner}{line}{indentation}}}"


def _new(text: str, key: Sequence[str], value: object) -> str:
    member = _member(key, value, ": ", ("\n", "  ", "  "))
    return f"{text}{{\n  {member}\n}}\n"


def _without(text: str, tokens: Sequence[_Token], within: _Object, member: _Member) -> str:
    start, end = member.start, member.end
    follows = tokens[member.last + 1]
    if follows.text == ",":
        end = follows.end
    line_start = text.rfind("\n", 0, start)
    is_alone = line_start >= within.start - 1 and not text[line_start + 1 : start].strip()
    if is_alone:
        start = line_start - (text[line_start - 1 : line_start] == "\r")
    elif follows.text == ",":
        end += len(text[end:]) - len(text[end:].lstrip(" \t"))
    rest = text[end:]
    before = tokens[member.value - 3]
    if follows.text != "," and before.text == ",":
        gap = text[before.end : start]
        return text[: before.start] + (gap if gap.strip() else "") + rest
    return text[:start] + rest


def _line_break(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _indentation(text: str, at: int) -> str:
    """Return the spaces with which the line of a place begins."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _unit(text: str) -> str:
    """Return what the first indented line is indented by."""
    found = re.search(r'\n([ \t]+)["}]', text)
    return found[1] if found else "  "


def _marks(text: str) -> tuple[str, str]:
    """Return the colon and the comma as the file writes them, with or without a space."""
    is_tight = re.search(r'"\s*:[^\s]', text) is not None
    return (":", ",") if is_tight else (": ", ", ")
