"""Values of a YAML file, from the events of ruamel.yaml's parser; imported only where one is.

Plain scalars have the types of YAML 1.1, as most tools read them: `no` and `off` are false.
In YAML 1.2 they are texts.
Tags mean nothing here. An alias is the value that it names, never a copy, so that nothing grows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from usagectl.errors import FileCorruptError, LibraryMissingError
from usagectl.values import Value

try:
    from ruamel.yaml import YAML, events
    from ruamel.yaml.error import YAMLError
except ModuleNotFoundError as error:
    raise LibraryMissingError("ruamel.yaml") from error

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

MAX_CHARACTERS = 128 * 1024
"""A parser in Python takes a second for that many."""

MAX_DEPTH = 100
_MAX_MERGED = 10_000

_TRUE = ("true", "yes", "on")
_WORDS = ("yes", "no", "on", "off")
_NULL = ("", "~", "null")
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?[0-9]{0,18}\.[0-9]{1,18}")


def parse(path: Path, text: str, *, has_words: bool = True) -> object:
    """Parse the first document of a file; without words as YAML 1.2 has it: `off` is a text.

    Raises:
        FileCorruptError: it is not YAML, too long, or nested too deep.
    """
    if len(text) > MAX_CHARACTERS:
        raise FileCorruptError(path, reason=f"it has more than {MAX_CHARACTERS} characters")
    if _is_too_deep(text):
        raise FileCorruptError(path, reason="it is nested too deep")
    try:
        return _Builder(path, has_words=has_words).build(_first_document(text))
    # The parser lets errors of Python's own escape where a file is odd enough.
    except (YAMLError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise FileCorruptError(path, reason="it is not YAML") from error


def _is_too_deep(text: str) -> bool:
    """True if more brackets are open at once than a file of settings has.

    The parser looks at every open bracket for each new one, so that a kilobyte of them takes
    it a second; whoever unpacks a stranger's project and asks for status would wait.
    """
    depth = 0
    for bracket in re.finditer(r"[\[\]{}]", text):
        depth = depth + 1 if bracket[0] in "[{" else max(depth - 1, 0)
        if depth > MAX_DEPTH:
            return True
    return False


def _first_document(text: str) -> Iterator[Any]:
    for event in YAML(typ="safe", pure=True).parse(text):
        yield event
        if isinstance(event, events.DocumentEndEvent):
            return


class _Open(Value):
    """A mapping or a list whose end has not been read yet."""

    value: dict[str, object] | list[object]
    waiting: list[object]  # The key whose value comes next.
    merged: list[object]  # What a mapping takes over from others once it is whole.


class _Builder:
    """A document under construction: the open mappings and lists, and what anchors name."""

    def __init__(self, path: Path, *, has_words: bool) -> None:
        self.path = path
        self.has_words = has_words
        self.root: object = None
        self.stack: list[_Open] = []
        self.anchors: dict[str, object] = {}
        self.merged = 0

    def build(self, found: Iterable[Any]) -> object:
        for event in found:
            if isinstance(event, events.AliasEvent):
                self.add(self.anchors.get(event.anchor))
            elif isinstance(event, events.ScalarEvent):
                # A key is what is written: `on:` is true to YAML 1.1, and no key to anybody.
                value = str(event.value) if self.wants_key() else self.scalar(event)
                self.add(value, event.anchor)
            elif isinstance(event, events.MappingStartEvent):
                self.open({}, event.anchor)
            elif isinstance(event, events.SequenceStartEvent):
                self.open([], event.anchor)
            elif isinstance(event, events.MappingEndEvent | events.SequenceEndEvent):
                self.close()
        return self.root

    def scalar(self, event: Any) -> object:  # noqa: ANN401  (ruamel.yaml's events have no types)
        """Read a scalar with its type, as the dialect has it."""
        text = str(event.value)
        if event.style or (event.tag and str(event.tag) != "tag:yaml.org,2002:bool"):
            return text
        word = text.lower()
        if word in ("true", "false") or (self.has_words and word in _WORDS):
            return word in _TRUE
        return None if word in _NULL else _number(text)

    def wants_key(self) -> bool:
        top = self.stack[-1] if self.stack else None
        return top is not None and isinstance(top.value, dict) and not top.waiting

    def open(self, value: dict[str, object] | list[object], anchor: str | None) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise FileCorruptError(self.path, reason="it is nested too deep")
        self.add(value, anchor)
        self.stack.append(_Open(value, [], []))

    def close(self) -> None:
        value, _, merged = self.stack.pop()
        for each in merged:
            for other in each if isinstance(each, list) else [each]:
                if isinstance(value, dict) and isinstance(other, dict):
                    self.merge(value, other)

    def add(self, value: object, anchor: str | None = None) -> None:
        """Put a value where the document stands: at its root, in a list, as a key or its value."""
        if anchor:
            self.anchors[anchor] = value
        if not self.stack:
            self.root = value
            return
        holder, waiting, merged = self.stack[-1]
        if isinstance(holder, list):
            holder.append(value)
        elif not waiting:
            waiting.append(value)
        elif (key := waiting.pop()) == "<<":
            merged.append(value)
        elif isinstance(key, str):
            holder[key] = value

    def merge(self, holder: dict[str, object], other: dict[str, object]) -> None:
        self.merged += len(other)
        if self.merged > _MAX_MERGED:
            raise FileCorruptError(self.path, reason="it merges too much")
        for name, value in list(other.items()):
            holder.setdefault(name, value)


def _number(text: str) -> object:
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
