"""The tools as data: one TOML file each, its schema, and loading.

People read and write the TOML files. The program reads `compiled.jsonl`, which holds the same:
its first line is the index, and each further line an entry, which is parsed when it is wanted.
`python -m usagectl.catalogue.compiling` makes it anew.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from usagectl.catalogue.entry import Entry
from usagectl.values import Value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FOLDER = Path(__file__).parent
COMPILED = FOLDER / "compiled.jsonl"


class Index(Value):
    """What is needed of every tool to find those that are on this machine."""

    entries: Mapping[str, tuple[int, int]]  # Where each lies: the offset behind this line, length.
    executables: Mapping[str, Sequence[str]]  # The tools that go by the name of a command.
    npm: Mapping[str, Sequence[str]]  # Those of a package.
    python: Mapping[str, Sequence[str]]  # Those of a distribution, its name normalised.
    traces: Mapping[str, Sequence[Mapping[str, Any]]]  # The files that betray use, as in TOML.
    modules: Mapping[str, str]  # The module in `tools` of those whose switches have no form.


@cache
def index() -> Index:
    """Read the index, and no entry."""
    return _opened()[0]


def names() -> tuple[str, ...]:
    """Name every tool of the catalogue, in the alphabet's order."""
    return tuple(index().entries)


def modules() -> Mapping[str, str]:
    """Map the tools that have a module in `tools` to its name; their switches have no form."""
    return index().modules


@cache
def entry(name: str) -> Entry:
    """Return the entry of a tool; raises KeyError for one that is not known."""
    return Entry(data(name))


def data(name: str) -> dict[str, Any]:
    """Return an entry as it stands in its file; raises KeyError for one that is not known."""
    found, start = _opened()
    offset, length = found.entries[name]
    with COMPILED.open("rb") as file:
        file.seek(start + offset)
        return json.loads(file.read(length))  # type: ignore[no-any-return]


@cache
def _opened() -> tuple[Index, int]:
    """Read the index, and where the entries begin."""
    with COMPILED.open("rb") as file:
        line = file.readline()
    return Index(**json.loads(line)), len(line)
