"""The tools as data: one TOML file each, its schema, and loading."""

from __future__ import annotations

import re
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


@cache
def modules() -> dict[str, str]:
    """Map the tools that have a module in `tools` to its name; their switches have no form."""
    texts = {name: (FOLDER / f"{name}.toml").read_text(encoding="utf-8") for name in names()}
    found = {name: _MODULE.search(text) for name, text in texts.items()}
    return {name: match[1] for name, match in found.items() if match}


_MODULE = re.compile('^module = "([a-z_]+)"$', re.MULTILINE)
