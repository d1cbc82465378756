"""Edits of XML text by the places of its tags: an element's text or an attribute."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PIECE = re.compile(
    r"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>|<![^>]*>"
    r"|<(?P<close>/?)(?P<name>[^\s/>]+)(?P<rest>(?:\s+[^\s=>/]+\s*=\s*(?:\"[^\"]*\"|'[^']*'))*)"
    r"\s*(?P<empty>/?)>",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(r"\s+([^\s=>/]+)\s*=\s*(\"[^\"]*\"|'[^']*')")


class _Element(NamedTuple):
    """An element: its path, and where its opening tag and its closing one stand."""

    path: tuple[str, ...]
    start: int
    opened: int  # After the opening tag.
    attributes: int  # Where the attributes begin in it.
    closed: int  # At the closing tag; as `opened` for an empty one.
    end: int


def put(text: str, key: Sequence[str], value: str) -> str:
    """Set an element's text, or an attribute (`@name`), and make the elements on the way.

    Raises:
        ValueError: the text is no XML, or something else stands there.
    """
    *path, last = key
    attribute = last[1:] if last.startswith("@") else ""
    wanted = tuple(path) if attribute else tuple(key)
    new = _escaped(value)
    if not text.strip():
        return f'<?xml version="1.0" encoding="utf-8"?>\n{_element(wanted, new, attribute)}\n'
    depth, found = _nearest(_elements(text), wanted)
    if depth < len(wanted):
        return _insert(text, found, wanted[depth:], new, attribute)
    if attribute:
        return _put_attribute(text, found, attribute, new)
    if found.closed == found.opened and text[found.opened - 2] == "/":
        return _open(text, found, new)
    if "<" in text[found.opened : found.closed]:
        raise ValueError(key)
    return text[: found.opened] + new + text[found.closed :]


def take_out(text: str, key: Sequence[str]) -> str:
    """Take an element or an attribute out.

    Raises:
        ValueError: the text is no XML.
    """
    elements = _elements(text)
    *path, last = key
    wanted = tuple(path) if last.startswith("@") else tuple(key)
    found = next((each for each in reversed(elements) if each.path == wanted), None)
    if found is None:
        return text
    if last.startswith("@"):
        attribute = _attribute(text, found, last[1:])
        return text[: attribute.start()] + text[attribute.end() :] if attribute else text
    line = text.rfind("\n", 0, found.start)
    start = found.start
    if line >= 0 and not text[line:start].strip():
        start = line - (text[line - 1 : line] == "\r")
    return text[:start] + text[found.end :]


def _elements(text: str) -> list[_Element]:
    found: list[_Element] = []
    stack: list[tuple[str, re.Match[str]]] = []
    for piece in _PIECE.finditer(text):
        if piece["name"] is None:
            continue
        name = piece["name"].rpartition(":")[2]
        if piece["close"]:
            found.append(_close(stack, name, piece))
        elif piece["empty"]:
            path = (*(each for each, _ in stack), name)
            at = piece.start("rest")
            found.append(_Element(path, piece.start(), piece.end(), at, piece.end(), piece.end()))
        else:
            stack.append((name, piece))
    if stack or not found:
        raise ValueError(text)
    return sorted(found, key=lambda each: each.start)


def _close(stack: list[tuple[str, re.Match[str]]], name: str, piece: re.Match[str]) -> _Element:
    path = tuple(each for each, _ in stack)
    if not stack or stack[-1][0] != name:
        raise ValueError(name)
    _, opening = stack.pop()
    at = opening.start("rest")
    return _Element(path, opening.start(), opening.end(), at, piece.start(), piece.end())


def _nearest(elements: Sequence[_Element], wanted: tuple[str, ...]) -> tuple[int, _Element]:
    """Return the deepest element that is on the way, of several the last, and how deep it is."""
    for depth in range(len(wanted), 0, -1):
        for each in reversed(elements):
            if each.path == wanted[:depth]:
                return depth, each
    raise ValueError(wanted)


def _insert(text: str, parent: _Element, names: Sequence[str], value: str, attribute: str) -> str:
    """Put an element at the end of its parent, on a line of its own if its first child has one."""
    element = _element(names, value, attribute)
    if parent.closed == parent.opened and text[parent.opened - 2] == "/":
        return _open(text, parent, element)
    before = text[parent.opened : parent.closed]
    at = parent.opened + len(before.rstrip())
    layout = before[: len(before) - len(before.lstrip())] if before.strip() else ""
    return text[:at] + layout + element + text[at:]


def _element(names: Sequence[str], value: str, attribute: str) -> str:
    """Write an element whose content may be nested."""
    last = names[-1]
    element = f'<{last} {attribute}="{value}"/>' if attribute else f"<{last}>{value}</{last}>"
    for name in reversed(names[:-1]):
        element = f"<{name}>{element}</{name}>"
    return element


def _open(text: str, found: _Element, content: str) -> str:
    """Turn an empty tag into one with content."""
    tag = text[found.start : found.opened - 2].rstrip()
    return f"{text[: found.start]}{tag}>{content}</{found.path[-1]}>{text[found.end :]}"


def _attribute(text: str, found: _Element, name: str) -> re.Match[str] | None:
    return next((each for each in _attributes(text, found) if each[1] == name), None)


def _attributes(text: str, found: _Element) -> Iterator[re.Match[str]]:
    return _ATTRIBUTE.finditer(text, found.attributes, found.opened)


def _put_attribute(text: str, found: _Element, name: str, value: str) -> str:
    there = _attribute(text, found, name)
    if there:
        return text[: there.start(2) + 1] + value + text[there.end(2) - 1 :]
    return f'{text[: found.attributes]} {name}="{value}"{text[found.attributes :]}'


def _escaped(text: str) -> str:
    """Write a text as XML has it, also between quotes."""
    for mark, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(mark, name)
    return text
