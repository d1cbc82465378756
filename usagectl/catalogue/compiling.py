"""The one file that all entries are compiled to: an index, and an entry a line.

`python -m usagectl.catalogue.compiling` writes it anew, after an entry changed. A command reads
the index, which is small, and the entries of those tools alone that are found or named.
"""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

from usagectl.catalogue import COMPILED, FOLDER
from usagectl.machine.inventory import normalized

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    Data = Mapping[str, Any]


def compiled() -> bytes:
    """Compile the TOML files of the catalogue."""
    files = sorted(FOLDER.glob("*.toml"), key=lambda file: file.stem)
    return compile_entries([_parse(file) for file in files])


def _parse(file: Path) -> Data:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        error.add_note(f"in {file}")  # Its author has several open.
        raise


def compile_entries(entries: Sequence[Data]) -> bytes:
    """Compile entries, which are in the order of their names, to an index and a line each."""
    lines = [_line(each) for each in entries]
    offsets = [sum(map(len, lines[:number])) for number in range(len(lines))]
    places = zip(offsets, map(len, lines), strict=True)
    index = {
        "entries": {each["name"]: place for each, place in zip(entries, places, strict=True)},
        "executables": _tools_by(entries, "executables"),
        "npm": _tools_by(entries, "npm"),
        "python": _tools_by(entries, "python"),
        "traces": {each["name"]: traces for each in entries if (traces := _traces(each))},
        "modules": {each["name"]: each["module"] for each in entries if "module" in each},
    }
    return b"".join([_line(index), *lines])


def _line(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _tools_by(entries: Iterable[Data], kind: str) -> dict[str, list[str]]:
    """Turn what finds each tool round: the tools that each name may mean."""
    found: dict[str, list[str]] = {}
    for entry in entries:
        for name in entry["detect"].get(kind, ()):
            key = normalized(name) if kind == "python" else name
            found.setdefault(key, []).append(entry["name"])
    return found


def _traces(entry: Data) -> list[Data]:
    traces = entry["detect"].get("traces", ())
    return [file for file in entry.get("file", ()) if file["name"] in traces]


if __name__ == "__main__":
    COMPILED.write_bytes(compiled())
