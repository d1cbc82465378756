"""Tests of the order of the layers: each module imports only from lines above its own."""

from __future__ import annotations

import ast
import sys
from typing import TYPE_CHECKING

from tests.support.machine import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAYERS = """
_version errors values
machine sensitive homes
settings endpoint terms
notice
catalogue
events
tools
identity catalogued_identity consent
spool
delivery emitting botocore
preview live switching shell_files system_files status
showing
own_commands
embedding
capture
audit
verify
report
__init__
cli
__main__
"""
"""Lowest first (design, section 7); the names of one line may import each other."""

ORDER = {name: place for place, line in enumerate(LAYERS.split("\n")) for name in line.split()}

ONLY_IMPORTERS = {
    "httpx": {"capture/forwarding.py", "delivery/transport.py"},
    "rich": {"cli/_capture_live.py", "cli/_render.py"},
    "uvicorn": {"capture/http1.py"},
    "h11": {"capture/http1.py"},
    "h2": {"capture/http2.py"},
    "trustme": {"capture/certificates.py"},
    "dnslib": {"capture/names.py"},
    "jinja2": {"report/page.py"},
}

CORE_LIBRARIES = {"httpx", "platformdirs", "tomlkit"}
"""What `usagectl-core` requires; tests/test_distributions.py holds them to its wheel."""

BEYOND_THE_CORE = {
    "own_commands.py": {"typer"},
    "emitting/command_lines.py": {"typer"},  # Of an application that brought it.
    "delivery/frozen/hook-usagectl.py": {"PyInstaller"},  # PyInstaller runs it.
    "tools/yaml_values.py": {"ruamel"},  # A tool's file is read without it, and says so.
    "tools/editing/yaml_text.py": {"ruamel"},
}
"""Files below `capture` that import another library."""

KNOWN = {"usagectl", *CORE_LIBRARIES, *sys.stdlib_module_names}

PACKAGE = REPOSITORY / "usagectl"
SOURCES = sorted(PACKAGE.rglob("*.py"))
TREES = {file: ast.parse(file.read_text(encoding="utf-8")) for file in SOURCES}


def imports_of(file: Path) -> Iterator[str]:
    """List every module that a file imports, by whole name."""
    for node in ast.walk(TREES[file]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer_of(name: str) -> str:
    """Name the layer of a module by its whole name; public names belong to the package."""
    _, _, below = name.partition(".")
    first = below.partition(".")[0]
    return first if first in ORDER else "__init__"


def own_layer(file: Path) -> str:
    """Name the layer that a file belongs to."""
    return file.relative_to(PACKAGE).with_suffix("").parts[0]


def test_imports_come_from_the_same_line_or_above() -> None:
    """A module imports ours only from its own line of the order, or from one above it."""
    wrong = [
        f"{file.relative_to(PACKAGE)} imports {name}"
        for file in SOURCES
        if file != PACKAGE / "__init__.py"  # It hands out names of all layers, each on demand.
        for name in imports_of(file)
        if name.split(".")[0] == "usagectl"
        if ORDER[layer_of(name)] > ORDER[own_layer(file)]
    ]
    assert wrong == []


def test_every_module_has_a_layer() -> None:
    """A new module is given its place in the order."""
    assert {own_layer(file) for file in SOURCES} == set(ORDER)


def test_heavy_libraries_have_one_importer() -> None:
    """httpx, rich, uvicorn and h11 are imported where they are owned, and nowhere else."""
    importers = {
        library: {
            str(file.relative_to(PACKAGE))
            for file in SOURCES
            if any(name.split(".")[0] == library for name in imports_of(file))
        }
        for library in ONLY_IMPORTERS
    }
    assert importers == ONLY_IMPORTERS


def test_what_records_imports_the_cores_libraries_alone() -> None:
    """Up to `status` nothing imports a library that `usagectl-core` does not bring."""
    found = {
        str(file.relative_to(PACKAGE)): others
        for file in SOURCES
        if ORDER[own_layer(file)] < ORDER["capture"]
        if (others := {name.split(".")[0] for name in imports_of(file)} - KNOWN)
    }
    assert found == BEYOND_THE_CORE


def test_only_the_command_line_prints() -> None:
    """No module below the command line prints, prompts or exits (design, rule 2.7)."""
    wrong = [
        f"{file.relative_to(PACKAGE)}:{node.lineno}"
        for file in SOURCES
        if own_layer(file) not in ("cli", "__main__")
        for node in ast.walk(TREES[file])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if node.func.id in ("print", "input", "exit", "breakpoint")
    ]
    assert wrong == []
