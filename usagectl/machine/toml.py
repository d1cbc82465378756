"""TOML: what others may have written, parsed within bounds; and values, written in one line."""

from __future__ import annotations

import json
from datetime import date, time
from typing import TYPE_CHECKING

from usagectl.errors import FileCorruptError
from usagectl.machine import files

if TYPE_CHECKING:
    from pathlib import Path

_MOST_DOTS = 64
_MOST_NAME_BYTES = 512


def read(file: Path, *, limit: int) -> dict[str, object] | None:
    """Read and parse a file; None if it does not exist.

    Raises:
        FileUnreadableError: it may not be read, is no regular file, or is too large.
        FileCorruptError: it is not TOML, or nests deeper than anybody would write by hand.
    """
    data = files.read_bytes(file, limit=limit)
    return None if data is None else parse(file, data)


def parse(file: Path, data: bytes) -> dict[str, object]:
    """Parse the bytes of a file.

    Raises:
        FileCorruptError: it is not TOML, or nests deeper than anybody would write by hand.
    """
    import tomllib  # most runs have no such file

    if any(map(_is_excessive, data.split(b"\n"))):
        raise FileCorruptError(file, reason="a key is too deep or too long")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise FileCorruptError(file, reason="it is not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise FileCorruptError(file, reason="it is not TOML") from error
    except (RecursionError, ValueError, OverflowError) as error:
        raise FileCorruptError(file, reason="it is too deep or holds an odd value") from error


def _is_excessive(line: bytes) -> bool:
    """True for a line whose dotted key would cost the parser the square of its length."""
    if line.lstrip().startswith(b"#"):
        return False
    return line.count(b".") > _MOST_DOTS or len(line.partition(b"=")[0]) > _MOST_NAME_BYTES


def to_text(value: object) -> str:
    """Write a text, a number, a truth value, a date, a list or an inline table in one line.

    JSON's texts are TOML's as well, but for the escape of DEL.
    """
    if isinstance(value, dict):
        members = ", ".join(f"{_key(name)} = {to_text(each)}" for name, each in value.items())
        return f"{{ {members} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(to_text, value))}]"
    if isinstance(value, date | time):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    is_bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if is_bare else to_text(name)
