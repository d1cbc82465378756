"""Layouts of programs and packages as npm, pnpm, pip, pipx and uv make them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PYTHON = "python3.11"


def program(file: Path, text: str = "#!/bin/sh\nexit 0\n") -> Path:
    """Make a program, and its folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)
    return file


def npm_package(modules: Path, name: str, version: str, command: str = "") -> Path:
    """Lay out a package in a `node_modules`, with a command that `.bin` links to."""
    folder = modules / name
    folder.mkdir(parents=True)
    manifest = {"name": name, "version": version}
    (folder / "package.json").write_text(json.dumps(manifest))
    if command:
        link(modules / ".bin" / command, program(folder / "bin" / f"{command}.js"))
    return folder


def distribution(prefix: Path, name: str, version: str, command: str = "") -> Path:
    """Lay out a distribution of a Python below a prefix, with a script that it runs."""
    folder = prefix / "lib" / PYTHON / "site-packages"
    (folder / f"{name}-{version}.dist-info").mkdir(parents=True)
    if command:
        program(prefix / "bin" / command, f"#!{prefix}/bin/python\n")
    return folder


def link(file: Path, target: Path) -> Path:
    """Link to a file, and make the link's folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.symlink_to(target)
    return file
