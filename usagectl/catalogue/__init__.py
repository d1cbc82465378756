"""The tools as data: one TOML file each, its schema, and loading."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from usagectl.catalogue.entry import Entry, from_data

FOLDER = Path(__file__).parent


@cache
def names() -> tuple[str, ...]:
    """Name every tool of the catalogue, in the alphabet's order."""
    return tuple(sorted(file.stem for file in FOLDER.glob("*.toml")))


@cache
def entry(name: str) -> Entry:
    """Return the entry of a tool; raises KeyError for one that is not known."""
    if name not in names():
        raise KeyError(name)
    return from_data(tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8")))
