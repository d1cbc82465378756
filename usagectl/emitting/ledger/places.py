"""Own where ledgers lie: in a folder of the user's own, on a memory file system alone.

A page of a mapped file that a full disk cannot take ends the program with SIGBUS;
so does one of a file system that copies on write. A memory file system gives the
pages when the file is made, or the file is not made.
"""

from __future__ import annotations

import os
import zlib
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from usagectl.machine import paths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from usagectl.machine.environment import Environment

_IN_MEMORY = ("tmpfs", "ramfs")


def folders(environment: Environment, *, make: bool = False) -> Iterator[Path]:
    """Give the folders that ledgers for this spool may lie in, the best first.

    The last part of each need not exist.
    """
    state = environment.state_dir
    if state is None or environment.system == "Windows":
        return
    chosen = environment.variables.get("XDG_RUNTIME_DIR")
    parents = [environment.cwd / chosen] if chosen else []
    mounts = environment.at_root("/proc/self/mounts")
    for parent in (*parents, environment.at_root("/dev/shm")):  # noqa: S108  (owner and mode are checked)
        if _is_in_memory(mounts, parent) and (own := paths.private_dir(parent, make=make)):
            yield own / f"{zlib.crc32(os.fsencode(state)):08x}"


def tidy(folder: Path) -> None:
    """Remove a spool's folder in which nothing is left; the user's own stays."""
    with suppress(OSError):
        folder.rmdir()


@lru_cache(maxsize=64)
def _is_in_memory(mounts: Path, folder: Path) -> bool:
    """Tell whether a folder lies on a memory file system, by the kernel's own list."""
    try:
        lines = mounts.read_text("utf-8", "replace").splitlines()
        real = folder.resolve(strict=True)
    except (OSError, RuntimeError):
        return False
    best, kind = Path(), ""
    for line in lines:
        fields = line.split(" ")
        point = Path(fields[1].replace("\\040", " "))
        if real.is_relative_to(point) and len(point.parts) >= len(best.parts):
            best, kind = point, fields[2]
    return kind in _IN_MEMORY
