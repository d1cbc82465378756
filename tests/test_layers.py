"""Hold the order of the layers: each module imports only from lines above its own."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from tests.support.machine import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAYERS = (
    "_version",
    "errors",
    "_redirected",
    "_files",
    "environment",
    "paths",
    "settings",
    "saving",
    "endpoint",
    "_notice_values",
    "_notice_data",
    "notice",
    "_service_names",
    "_tokens",
    "scrubbing",
    "naming",
    "closing",
    "_encoding",
    "_kind_fields",
    "kinds",
    "shapes",
    "events",
    "slicing",
    "sensitive",
    "posts",
    "registry",
    "tools",
    "identity",
    "replacement",
    "consent",
    "spool",
    "ledger",
    "transport",
    "delivery",
    "staging",
    "routing",
    "replay",
    "sender",
    "emission",
    "first_run",
    "_child",
    "session",
    "preview",
    "recorded",
    "live",
    "switching",
    "report",
    "shells",
    "processes",
    "tracker",
    "echoes",
    "botocore",
    "instrumentation",
    "capture",
    "audit",
    "conformance",
    "pytest_plugin",
    "completions",
    "__init__",
    "cli",
    "__main__",
)
"""Lowest first (design, section 7)."""

SCRUBBING_LAYERS = (
    "words",
    "quotes",
    "units",
    "credentials",
    "sentences",
    "traces",
    "agents",
    "__init__",
)

TOOL_LAYERS = (
    "base",
    "localstack_rules",
    "detection",
    "profiles",
    "localstack_client",
    "localstack_cautions",
    "localstack",
    "lstk",
    "emitting",
    "__init__",
)

SPOOL_LAYERS = (
    "envelope",
    "segments",
    "losses",
    "journal",
    "bounds",
    "writer",
    "logs",
    "reading",
    "lines",
    "queue",
    "purging",
    "listing",
    "__init__",
)

CAPTURE_LAYERS = (
    "bodies",
    "masking",
    "records",
    "loading",
    "recorder",
    "app",
    "protocol",
    "server",
    "children",
    "session",
    "__init__",
)

AUDIT_LAYERS = (
    "rules",
    "exempt",
    "masking",
    "shapes",
    "context",
    "selection",
    "findings",
    "tree",
    "sharing",
    "repeats",
    "usual",
    "checks",
    "payloads",
    "auditor",
    "forms",
    "suppression",
    "sarif",
    "__init__",
)

CONFORMANCE_LAYERS = (
    "supervisor",
    "spec",
    "wire",
    "canaries",
    "report",
    "machine",
    "endpoints",
    "stage",
    "facts",
    "comparing",
    "leaks",
    "judging",
    "kit",
    "__init__",
    "test_tool",
)

LEDGER_LAYERS = (
    "places",
    "files",
    "timed",
    "writer",
    "counting",
    "backlog",
    "recovery",
    "__init__",
)

TRACKER_LAYERS = (
    "lines",
    "counts",
    "waiting",
    "calls",
    "session",
    "recorder",
    "lifecycle",
    "standing",
    "tracker",
    "__init__",
)

PACKAGES = [
    ("scrubbing", SCRUBBING_LAYERS),
    ("tools", TOOL_LAYERS),
    ("spool", SPOOL_LAYERS),
    ("capture", CAPTURE_LAYERS),
    ("audit", AUDIT_LAYERS),
    ("ledger", LEDGER_LAYERS),
    ("tracker", TRACKER_LAYERS),
    ("conformance", CONFORMANCE_LAYERS),
]

ONLY_IMPORTERS = {
    "httpx": {"transport.py"},
    "rich": {"cli/_render.py", "cli/_render_live.py"},
    "uvicorn": {"capture/protocol.py", "capture/server.py"},
    "h11": {"capture/protocol.py"},
}

PACKAGE = REPOSITORY / "usagectl"
SOURCES = sorted(PACKAGE.rglob("*.py"))


def imports_of(file: Path) -> Iterator[str]:
    """List every module that a file imports, by whole name."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer_of(name: str) -> str:
    """Name the layer of a module by its whole name; public names belong to the package."""
    parts = name.split(".")
    if len(parts) > 1 and parts[1] in LAYERS:
        return parts[1]
    return "__init__"


def own_name(file: Path) -> str:
    """Name a file's module."""
    relative = file.relative_to(PACKAGE.parent).with_suffix("")
    return ".".join(relative.parts)


@pytest.mark.parametrize("file", SOURCES, ids=own_name)
def test_imports_come_from_lower_layers(file: Path) -> None:
    """A module imports usagectl's modules only from layers before its own."""
    own = layer_of(own_name(file))
    for name in imports_of(file):
        if name.split(".")[0] != "usagectl":
            continue
        other = layer_of(name)
        if file == PACKAGE / "__init__.py":
            continue  # It hands out names of all layers, each on demand.
        assert other == own or LAYERS.index(other) < LAYERS.index(own), f"{own} imports {name}"


@pytest.mark.parametrize(("package", "layers"), PACKAGES)
def test_packages_are_in_order_too(package: str, layers: tuple[str, ...]) -> None:
    """Within a package, a module imports only from the modules before it."""
    for file in sorted((PACKAGE / package).glob("*.py")):
        for name in imports_of(file):
            if name.startswith(f"usagectl.{package}."):
                other = name.split(".")[2]
                if other in layers:
                    assert layers.index(other) < layers.index(file.stem), f"{file.stem}: {name}"


@pytest.mark.parametrize(("package", "layers"), PACKAGES)
def test_every_module_of_a_package_has_a_layer(package: str, layers: tuple[str, ...]) -> None:
    """A new module of a package is given its place in the order."""
    assert {file.stem for file in (PACKAGE / package).glob("*.py")} == set(layers)


@pytest.mark.parametrize(("library", "allowed"), ONLY_IMPORTERS.items())
def test_heavy_libraries_have_one_importer(library: str, allowed: set[str]) -> None:
    """httpx, rich, uvicorn and h11 are imported where they are owned, and nowhere else."""
    importers = {
        str(file.relative_to(PACKAGE))
        for file in SOURCES
        if any(name.split(".")[0] == library for name in imports_of(file))
    }
    assert importers == allowed


def test_every_module_has_a_layer() -> None:
    """A new module is given its place in the order."""
    names = {file.stem if file.parent == PACKAGE else file.parent.name for file in SOURCES}
    assert names - set(LAYERS) == set()


def test_only_the_command_line_prints() -> None:
    """No module below the command line prints, prompts or exits (design, rule 2.7)."""
    for file in SOURCES:
        if "cli" in file.parts or file.stem == "__main__":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("print", "input", "exit", "breakpoint"), file
