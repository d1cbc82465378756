"""Sockets of daemons in the file system: through one a command could have a daemon send for it."""

from __future__ import annotations

import os
import re
import stat
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BOUND = re.compile(r"(\S+ +){7}(?P<path>[^@\s].*)")  # A name with an `@` before it is abstract.
_MOST_ENTRIES = 20_000


def sockets(variables: Mapping[str, str]) -> tuple[str, ...]:
    """List the sockets in the file system on which somebody may listen, sorted.

    The kernel knows those of this network namespace; the usual folders are looked through for
    those of others, such as a container's, up to 20,000 entries each. One that is bound later is
    not among them, nor one bound by a relative path in a folder that its process has left.
    """
    found = set(_bound_here())
    for folder in ("/run", "/tmp", variables.get("XDG_RUNTIME_DIR", "")):  # noqa: S108
        found |= set(_below(folder)) if folder else set()
    return tuple(sorted(each for each in found if not each.startswith("/proc/")))


def _bound_here() -> Iterator[str]:
    """Yield those that the kernel lists; it keeps a relative path as it was given."""
    with suppress(OSError), open("/proc/net/unix", encoding="utf-8", errors="replace") as lines:  # noqa: PTH123
        names = {found["path"] for line in lines if (found := _BOUND.match(line))}
        relative = any(not name.startswith("/") for name in names)
        folders = _working_folders() if relative else {"/"}
        paths = {os.path.normpath(os.path.join(each, name)) for name in names for each in folders}  # noqa: PTH118
        yield from filter(_is_socket, paths)


def _working_folders() -> set[str]:
    """List the folders that processes of this machine work in, as far as they can be seen."""
    found = set()
    for process in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(OSError):  # It has ended, or is another user's.
            found.add(str(process.readlink()))
    return found


def _below(folder: str) -> Iterator[str]:
    """Yield the sockets below a folder, the nearest first."""
    seen, waiting = 0, deque([folder])
    while waiting and seen < _MOST_ENTRIES:
        with suppress(OSError), os.scandir(waiting.popleft()) as entries:
            for entry in entries:
                seen += 1
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif not entry.is_file(follow_symlinks=False) and _is_socket(entry.path):
                    yield entry.path


def _is_socket(path: str) -> bool:
    with suppress(OSError):
        return stat.S_ISSOCK(os.lstat(path).st_mode)
    return False
