"""Values in the files that tools read: JSON, TOML, YAML, ini, dotenv, XML and plain texts.

A file may be anybody's work. It is read within bounds (one mebibyte, a depth of 100) and without
waiting; what the parser of its format refuses is a file that cannot be understood, as it is to
the tool. Parsers are imported where a file of their format is there, and not before.
"""

from __future__ import annotations

import re
from functools import cache, partial
from typing import TYPE_CHECKING, Final

from usagectl.errors import FileCorruptError, FileUnreadableError, LibraryMissingError
from usagectl.machine import files
from usagectl.tools.forms import MISSING
from usagectl.values import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from xml.etree.ElementTree import Element

    from usagectl.catalogue.entry import Dialect, Format

_FLAT = ("dotenv", "key-value")

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 100


class Unknown:
    """The value in a file that is a program: nobody knows without running it."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


class Content(Value):
    """What stands in a file."""

    values: object = MISSING  # Mappings, lists and values; MISSING where there is no file.
    problem: str = ""  # A sentence where it cannot be read or understood, else empty.
    is_flat: bool = False  # Whether a path is one name with dots in it.


def load(path: Path, form: Format, dialect: Dialect = "") -> Content:
    """Read a file of a tool; opens nothing that could make a reader wait."""
    try:
        data = files.read_bytes(path, limit=MAX_BYTES)
        return Content() if data is None else parse(path, data, form, dialect)
    except (FileUnreadableError, LibraryMissingError) as error:
        return Content(problem=error.message)


def parse(path: Path, data: bytes, form: Format, dialect: Dialect = "") -> Content:
    """Understand the bytes of a file as its tool does; the path is for what is said of it.

    Raises:
        LibraryMissingError: it is YAML, and nothing here reads that.
    """
    try:
        values = (_DIALECTS[dialect] if dialect else _PARSERS[form])(path, data)
        return Content(values, is_flat=form in _FLAT)
    except FileCorruptError as error:
        return Content(problem=error.message)


def value_at(content: Content, key: Sequence[str]) -> object:
    """Return the value at a key path; MISSING without one.

    Without a key it is the whole file. In a file of lines `["a", "b"]` is the name `a.b`.
    """
    if isinstance(content.values, _Code):
        return content.values.value_of(key)
    return _walk(content.values, [".".join(key)] if content.is_flat and key else key)


def _walk(value: object, path: Sequence[str]) -> object:
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return MISSING
        value = value[name]
    return value


class _Code(Value):
    """A program that holds settings."""

    text: str

    def value_of(self, key: Sequence[str]) -> object:
        """Return the true or false that is written behind a name, if it stands there once.

        Any other use of the name leaves its value unknown: only running the program would tell.
        """
        name = key[-1] if key else ""
        if name not in self.text:
            return MISSING
        literal = rf"^(.*)\b{re.escape(name)}{_LITERAL}"
        written = re.search(literal, self.text, re.MULTILINE)
        if self.text.count(name) > 1 or not written or _REMARK.search(written[1]):
            return UNKNOWN
        return written[2].lower() == "true"


_LITERAL = r"\s*[:=]\s*([Tt]rue|[Ff]alse)\s*(?:[,;})\]]|$)"
_REMARK = re.compile(r"//|#|/?\*")
"""What may begin a remark before a name; a program that has it there is not understood."""


def _decode(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileCorruptError(path, reason="it is not UTF-8") from error


def _lenient(data: bytes) -> str:
    return data.decode("utf-8-sig", errors="replace")


def _parse_json(path: Path, data: bytes) -> object:
    """Parse JSON; with comments and commas too many, where it is none without them."""
    try:
        return _parse_strict_json(path, data)
    except FileCorruptError:
        bare = _without_comments(_decode(path, data))
        return _parse_strict_json(path, bare.encode("utf-8", "surrogatepass"))


def _parse_strict_json(path: Path, data: bytes) -> object:
    import json

    try:
        found = json.loads(_decode(path, data), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise FileCorruptError(path, reason="it is not JSON") from error
    return _checked(path, found)


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


@cache
def _jsonc() -> re.Pattern[str]:
    """Return what finds a text, a comment, or a comma too many; few files have a comment.

    One without an end goes on to the end of the file, so that nothing is searched twice.
    """
    return re.compile(r'("(?:[^"\\\n]|\\.)*"?)|//[^\n]*|/\*(?:.*?\*/|.*)|,(?=\s*[}\]])', re.DOTALL)


def _without_comments(text: str) -> str:
    """Take comments out, then commas before a closing bracket; texts stay as they are."""
    bare = _jsonc().sub(lambda found: found[1] or ("," if found[0] == "," else " "), text)
    return _jsonc().sub(lambda found: found[1] or " ", bare)


def _parse_toml(path: Path, data: bytes) -> object:
    from usagectl.machine import toml

    return _checked(path, toml.parse(path, data.removeprefix(b"\xef\xbb\xbf")))


def _parse_yaml(path: Path, data: bytes, *, has_words: bool = True) -> object:
    from usagectl.tools import yaml_values

    return _checked(path, yaml_values.parse(path, _decode(path, data), has_words=has_words))


def _parse_ini(_path: Path, data: bytes) -> object:
    """Parse sections of `key = value` or `key: value`; a later line wins.

    A key is there as it is written and in lower case, since most tools ask without regard to it.
    """
    found: dict[str, object] = {}
    section: dict[str, object] = found
    for line in _lines(data, comments=("#", ";")):
        if line.startswith("[") and "]" in line:
            name = section_name(line[1 : line.rindex("]")])
            kept = found.setdefault(name, {})
            section = kept if isinstance(kept, dict) else {}
            continue
        key, value = _pair(line, "=:")
        section[key] = section[key.lower()] = value
    return found


def section_name(text: str) -> str:
    """Read `core` and git's `remote "origin"`; DVC's quotes around a name are left out too."""
    name = text.strip()
    is_quoted = len(name) > 1 and name[0] == name[-1] and name[0] in "'\""
    return name[1:-1] if is_quoted else name


def _parse_dotenv(_path: Path, data: bytes) -> object:
    found = {}
    for line in _lines(data, comments=("#",)):
        key, value = _pair(line.removeprefix("export "), "=")
        found[key] = _unquoted(value)
    return found


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] in "'\"" and value[0] in value[1:]:
        return value[1 : value.index(value[0], 1)]
    return value.partition(" #")[0].rstrip()


def _parse_pairs(_path: Path, data: bytes) -> object:
    return dict(_pair(line, "=") for line in _lines(data, comments=("#",)))


def _lines(data: bytes, *, comments: tuple[str, ...]) -> Iterator[str]:
    for line in _lenient(data).splitlines():
        bare = line.strip()
        if bare and not bare.startswith(comments):
            yield bare


def _pair(line: str, signs: str) -> tuple[str, str]:
    place = min((line.index(sign) for sign in signs if sign in line), default=len(line))
    return line[:place].strip(), line[place + 1 :].strip()


def _parse_xml(path: Path, data: bytes) -> object:
    """Parse XML that declares nothing: a DTD or an entity of its own is refused unread."""
    from xml.etree import ElementTree as ET

    if b"<!" in data.replace(b"<!--", b"") or b"\0" in data:
        raise FileCorruptError(path, reason="it declares a document type")
    try:
        root = ET.fromstring(data)  # noqa: S314  (nothing is declared, so nothing can grow)
    except (ET.ParseError, ValueError, LookupError, RecursionError) as error:
        raise FileCorruptError(path, reason="it is not XML") from error
    return {_local(root.tag): _element(path, root, depth=0)}


def _element(path: Path, element: Element, *, depth: int) -> object:
    """Turn an element into its text, or into its attributes and children by name."""
    if depth > MAX_DEPTH:
        raise FileCorruptError(path, reason="it is nested too deep")
    if not len(element) and not element.attrib:
        return (element.text or "").strip()
    found: dict[str, object] = {f"@{name}": value for name, value in element.attrib.items()}
    for child in element:
        found[_local(child.tag)] = _element(path, child, depth=depth + 1)
    return found


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _checked(path: Path, found: object) -> object:
    """Return what was parsed unless it is nested deeper than anybody writes by hand."""
    level: list[object] = [found]
    for _ in range(MAX_DEPTH):
        # What an alias repeats counts once.
        level = list({id(inner): inner for each in level for inner in _inner(each)}.values())
        if not level:
            return found
    raise FileCorruptError(path, reason="it is nested too deep")


def _inner(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


_PARSERS: Mapping[Format, Callable[[Path, bytes], object]] = {
    "json": _parse_json,
    "toml": _parse_toml,
    "yaml": _parse_yaml,
    "ini": _parse_ini,
    "dotenv": _parse_dotenv,
    "key-value": _parse_pairs,
    "xml": _parse_xml,
    "text": lambda _path, data: _lenient(data),
    "marker": lambda _path, _data: "",
    "code": lambda _path, data: _Code(_lenient(data)),
}
"""By format, what turns a file's bytes into values."""

_DIALECTS: Mapping[Dialect, Callable[[Path, bytes], object]] = {
    "strict": _parse_strict_json,
    "1.2": partial(_parse_yaml, has_words=False),
}
"""The same for a dialect that a file of the catalogue names."""
