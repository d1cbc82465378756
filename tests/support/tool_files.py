"""Files of tools on a machine of tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine

NEXT = ".config/nextjs-nodejs/config.json"
"""Where Next.js has its settings, below the home."""


def put(machine: Machine, name: str, data: bytes | None) -> Path:
    """Name a file below the home, or of the project; write it if it has bytes."""
    file = machine.cwd / name[2:] if name.startswith("./") else machine.home / name
    if data is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return file


def tree(folder: Path) -> list[str]:
    """List everything below a folder."""
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*"))
