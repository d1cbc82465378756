"""Edits of texts that hold one setting a line: ini, dotenv and `key = value` files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from usagectl.tools.file_values import section_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BLANK = " \t\r\n"
_MOST_CHARACTERS = 1 << 17
"""Of a file with an error a line, Python's parser builds a message in the square of its length."""

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_SECTION = re.compile(r"[ \t]*\[(.*)\]")
_QUOTED = re.compile(r"(?P<quote>[\"'])(?P<inner>(?:\\.|(?!(?P=quote)).)*)(?P=quote)", re.DOTALL)


class _Setting(NamedTuple):
    """A setting: its name, and where its lines and its value stand."""

    name: str
    indent: str
    sign: str
    start: int
    value: int
    value_end: int
    end: int


class _Section(NamedTuple):
    """A section of an ini file; the one without a name is what stands before the first."""

    name: str
    settings: list[_Setting]
    end: int  # After its last line that is not blank.
    body: int  # After its header.


def put_in_section(text: str, key: Sequence[str], value: str) -> Iterator[str]:
    """Set a key of an ini file; the path before it names the section.

    A comment behind the old value is kept where the reader takes it for one: that result
    comes first, the one in which it was part of the value second.
    """
    section, name = _split(key)
    sections = _sections(text, has_sections=True)
    wanted = [each for each in sections if each.name == section]
    found = _find((each for part in wanted for each in part.settings), name)
    if found:
        yield from _replace(text, found, value)
        return
    if not wanted or (not section and not wanted[-1].settings):
        yield _new_section(text, section, name, value, sections)
        return
    last = wanted[-1]
    like = last.settings[-1] if last.settings else _any_setting(sections)
    indent, sign = (like.indent, like.sign or " = ") if like else ("", " = ")
    yield _insert_line(text, last.end, f"{indent}{name}{sign}{value}")


def take_out_of_section(text: str, key: Sequence[str]) -> Iterator[str]:
    """Take every line of a key out of an ini file, with those that continue it.

    A name alone may be that of a section without a key: its header goes.
    """
    section, name = _split(key)
    sections = _sections(text, has_sections=True)
    if not section and (empty := [each for each in sections[1:] if each.name == name]):
        yield _without_headers(text, empty)
        return
    parts = (each for each in sections if each.name == section)
    yield _without(text, [each for part in parts for each in part.settings], name)


def put_line(text: str, key: Sequence[str], value: str) -> Iterator[str]:
    """Set a key of a file without sections."""
    (only,) = _sections(text, has_sections=False)
    found = _find(only.settings, key[-1], is_exact=True)
    if found:
        yield from _replace(text, found, value)
        return
    sign = only.settings[-1].sign if only.settings else "="
    yield _insert_line(text, len(text), f"{key[-1]}{sign or '='}{value}")


def take_line_out(text: str, key: Sequence[str]) -> Iterator[str]:
    """Take every line of a key out of a file without sections."""
    (only,) = _sections(text, has_sections=False)
    yield _without(text, only.settings, key[-1], is_exact=True)


def standard_values(text: str) -> dict[str, object] | None:
    """Read an ini file as Python's own parser does, which many tools use; None if it refuses.

    It takes a line that is indented for a part of the one before, where others see a key.
    """
    import configparser  # only a tool's ini file needs it

    if len(text) > _MOST_CHARACTERS:
        return None
    # What stands in its default section would be found in every other one too.
    parser = configparser.RawConfigParser(strict=False, default_section="")
    try:
        parser.read_string(text)
    except (configparser.Error, ValueError, AttributeError):
        return None
    return {name: dict(parser[name]) for name in parser.sections()}


def _split(key: Sequence[str]) -> tuple[str, str]:
    return ".".join(key[:-1]), key[-1]


def _sections(text: str, *, has_sections: bool) -> list[_Section]:
    """Read the sections, and the settings with the lines that continue them."""
    found = [_Section("", [], 0, 0)]
    at = 0
    while (line := _LINE.match(text, at)) is not None:
        end = line.end()
        header = _SECTION.match(line[0]) if has_sections else None
        setting = None if header else _setting(text, at, line[0], has_sections=has_sections)
        settings = found[-1].settings
        if header:
            found.append(_Section(section_name(header[1]), [], end, end))
        elif setting and has_sections and _continues(settings, setting):
            settings[-1] = settings[-1]._replace(value_end=setting.value_end, end=end)
        elif setting:
            settings.append(setting)
            end = setting.end
        if line[0].strip() and not header:
            found[-1] = found[-1]._replace(end=end)
        at = end
    return found


def _continues(settings: Sequence[_Setting], setting: _Setting) -> bool:
    """True for a line that is indented more than the setting straight before it."""
    last = settings[-1] if settings else None
    return last is not None and last.end == setting.start and len(setting.indent) > len(last.indent)


def _setting(text: str, at: int, line: str, *, has_sections: bool) -> _Setting | None:
    """Read a line; None for an empty one and a comment. A quoted value may go over several."""
    body = line.strip(_BLANK)
    if not body or body[0] in "#;":
        return None
    indent = line[: line.index(body[0])]
    signs = "=:" if has_sections else "="
    place = min((line.index(sign) for sign in signs if sign in line), default=-1)
    name = line[:place] if place >= 0 else line
    rest = line[place + 1 :] if place >= 0 else ""
    sign = name[len(name.rstrip(_BLANK)) :] + line[place : place + 1] if place >= 0 else ""
    sign += rest[: len(rest) - len(rest.lstrip(" \t"))]
    bare = name.strip(_BLANK)
    start = at + len(indent) + len(bare) + len(sign)
    value_end, end = max(start, at + len(line.rstrip(_BLANK))), at + len(line)
    quoted = None if has_sections else _QUOTED.match(text, start)
    if quoted and "\n" in quoted[0]:
        value_end = quoted.end()
        after = text.find("\n", value_end)
        end = len(text) if after < 0 else after + 1
    bare = bare.removeprefix("export").lstrip(_BLANK) if bare.startswith("export ") else bare
    return _Setting(bare, indent, sign, at, start, value_end, end)


def _find(
    settings: Iterator[_Setting] | Sequence[_Setting], name: str, *, is_exact: bool = False
) -> _Setting | None:
    """Return the last setting of a name; one that differs in case alone where there is no other."""
    named = _named(settings, name, is_exact=is_exact)
    same = [each for each in named if each.name == name]
    return next(reversed(same or named), None)


def _named(
    settings: Iterator[_Setting] | Sequence[_Setting], name: str, *, is_exact: bool
) -> list[_Setting]:
    return [
        each
        for each in settings
        if each.name == name or (not is_exact and each.name.lower() == name.lower())
    ]


def _replace(text: str, found: _Setting, value: str) -> Iterator[str]:
    old = text[found.value : found.value_end]
    head = text[: found.value] + ("" if found.sign else " = ")
    quoted = _QUOTED.match(old)
    comment = _comment_in(old, quoted.end() if quoted else 0)
    if comment and "\n" not in old:
        yield head + value + comment + text[found.value_end :]
    yield head + value + text[found.value_end :]


def _comment_in(value: str, start: int) -> str:
    """Return a comment behind a value, with the blanks before it; empty without one."""
    for at in range(max(start, 1), len(value)):
        if value[at] in ";#" and value[at - 1] in " \t":
            return value[len(value[:at].rstrip(" \t")) :]
    return ""


def _without(text: str, settings: Sequence[_Setting], name: str, *, is_exact: bool = False) -> str:
    kept, at = [], 0
    for each in _named(settings, name, is_exact=is_exact):
        kept.append(text[at : each.start])
        at = each.end
    rest = "".join((*kept, text[at:]))
    is_last = kept and at == len(text) and not text.endswith("\n")
    return rest.removesuffix("\n").removesuffix("\r") if is_last else rest


def _without_headers(text: str, sections: Sequence[_Section]) -> str:
    """Take the headers of sections out; the blank line before each of them goes with it."""
    for each in reversed(sections):
        head = text[: text.rfind("\n", 0, each.body - 1) + 1]
        line = _line_break(text)
        rest = text[each.body :]
        if head.endswith(line * 2) or not head:
            rest = rest.removeprefix(line)
        text = head + rest
    return text


def _any_setting(sections: Sequence[_Section]) -> _Setting | None:
    return next((each for part in sections for each in part.settings), None)


def _new_section(
    text: str, section: str, name: str, value: str, sections: Sequence[_Section]
) -> str:
    like = _any_setting(sections)
    indent, sign = (like.indent, like.sign or " = ") if like else ("", " = ")
    setting = f"{indent}{name}{sign}{value}"
    if not section:
        at = sections[0].end
        return _insert_line(text, at, setting)
    line = _line_break(text)
    is_apart = bool(like) and f"{line}{line}[" in text
    lines = f"{line if is_apart else ''}[{section}]{line}{setting}"
    return _insert_line(text, len(text), lines)


def _insert_line(text: str, at: int, new: str) -> str:
    """Put a line in at a place; a text without a final line end keeps none."""
    line = _line_break(text)
    if at and not text[:at].endswith("\n"):
        return text[:at] + line + new + text[at:]
    return text[:at] + new + line + text[at:]


def _line_break(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
