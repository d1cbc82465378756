"""Own the file of a ledger or a backlog: a part that is mapped into memory, then lines of JSON.

The first line says whose it is. Who holds the lock of the file may change it. The lock
ends with the process, not with its descriptor: what is mapped holds it too.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import stat
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from usagectl.emitting.ledger import places
from usagectl.machine import files, paths
from usagectl.spool import segments

if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap
    from pathlib import Path

    from usagectl.machine.environment import Environment

SIZE = 64 * 1024
"""Bytes of the part that is mapped."""

_SUFFIX = ".ledger"
_UNFINISHED = ".tmp"
_MAX_BYTES = 4 * 1024 * 1024
_TRIES = 100

_numbers = itertools.count(1)
_stranded: list[object] = []
"""Maps whose descriptor somebody closed: closing them would close a stranger's file."""


class Head(NamedTuple):
    """Hold whose counts or events a file holds.

    Attributes:
        tool: whose events they become.
        consent: under which consent to send they are recorded.
        spool: the folder that they go to.
    """

    tool: str
    consent: str
    spool: str


def head_of(environment: Environment, tool: str, consent: str) -> Head:
    """Say whose they are."""
    return Head(tool, consent, str(paths.spool_dir(environment)))


def line_of(document: object) -> bytes:
    """Build a line."""
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


class MemoryFile:
    """Be a file of this process: locked, and mapped into memory."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._status = os.fstat(descriptor)
        self._map = _map(descriptor)
        self._views: list[memoryview[Any]] = [memoryview(self._map)]

    def view(self, start: int, stop: int, form: Literal["Q", "d"]) -> memoryview[Any]:
        """Give a part of what is mapped, as numbers of one form."""
        part = self._views[0][start:stop]
        numbers: memoryview[Any] = part.cast(form)
        self._views += [part, numbers]
        return numbers

    def append(self, document: object) -> bool:
        """Add a line; False when the file cannot take it."""
        line = line_of(document)
        try:
            return self._is_open() and os.write(self._descriptor, line) == len(line)
        except OSError:
            return False

    def remove(self) -> None:
        """Remove the file and let go of it."""
        with suppress(OSError):
            if os.path.samestat(self.path.lstat(), self._status):
                self.path.unlink()
        self.close()
        places.tidy(self.path.parent)

    def close(self) -> None:
        """Let go of the file."""
        if not self._is_open():
            _stranded.append((self._map, self._views))
            return
        while self._views:
            self._views.pop().release()
        self._map.close()
        os.close(self._descriptor)

    def _is_open(self) -> bool:
        """Tell whether the descriptor is that of our file still.

        A program that becomes a daemon may close every descriptor it has: the number
        may be another file's then.
        """
        try:
            return os.path.samestat(os.fstat(self._descriptor), self._status)
        except OSError:
            return False


def _map(descriptor: int) -> mmap:
    from mmap import mmap  # a process that counts nothing needs none

    # Before 3.13 a map keeps a copy of the descriptor for itself.
    keeps_none: dict[str, Any] = {"trackfd": False} if sys.version_info >= (3, 13) else {}
    return mmap(descriptor, SIZE, **keeps_none)


def make(environment: Environment, head: Head) -> MemoryFile | None:
    """Make a file in the first place that takes one; None where there is none."""
    if not hasattr(os, "posix_fallocate"):
        return None
    for _ in range(_TRIES):
        try:
            return _make(environment, line_of(head._asdict()))
        except (FileExistsError, FileNotFoundError, BlockingIOError):
            continue  # Others have the name, tidy the folder away, or took it for left behind.
    return None


def _make(environment: Environment, head: bytes) -> MemoryFile | None:
    for folder in places.folders(environment, make=True):
        try:
            return _create(folder, head)
        except (FileExistsError, FileNotFoundError, BlockingIOError):
            raise
        except (OSError, ValueError):
            continue
    return None


def _create(folder: Path, head: bytes) -> MemoryFile:
    """Make a file with its head and all its room, then give it its name.

    Raises:
        OSError: the folder takes none.
    """
    name = f"{os.getpid()}-{next(_numbers)}"
    made, file = folder / f"{name}{_UNFINISHED}", folder / f"{name}{_SUFFIX}"
    folder.mkdir(mode=0o700, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | segments.SAFE
    descriptor = os.open(made, flags, 0o600)
    try:
        _fill(descriptor, head)
        found = MemoryFile(file, descriptor)
        made.rename(file)
    except BaseException:
        os.close(descriptor)
        with suppress(OSError):
            made.unlink()
        raise
    return found


def _fill(descriptor: int, head: bytes) -> None:
    if not files.try_lock(descriptor):
        raise BlockingIOError
    os.posix_fallocate(descriptor, 0, SIZE)
    if os.write(descriptor, head) != len(head):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def held(file: Path) -> Iterator[int | None]:
    """Open and lock a ledger that was left behind; None when somebody has it."""
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_APPEND | segments.SAFE)
    except OSError:
        yield None
        return
    try:
        yield descriptor if _can_have(file, descriptor) else None
    finally:
        os.close(descriptor)


def _can_have(file: Path, descriptor: int) -> bool:
    here = os.fstat(descriptor)
    try:
        if not stat.S_ISREG(here.st_mode) or not files.try_lock(descriptor):
            return False
        return os.path.samestat(here, file.lstat())  # Who had it may have removed it.
    except OSError:
        return False


def parse(descriptor: int) -> tuple[Head | None, list[Any]]:
    """Read the head and the whole lines of a ledger; a torn last line counted nothing."""
    documents = []
    for line in os.pread(descriptor, _MAX_BYTES, SIZE).split(b"\n")[:-1]:
        try:
            documents.append(json.loads(line))
        except (ValueError, RecursionError):
            break
    try:
        head = Head(**documents[0])
    except (IndexError, TypeError):
        return None, []
    return head, documents[1:]


def names(folder: Path) -> list[Path]:
    """List the ledgers in a folder, unfinished ones too."""
    try:
        found = sorted(each.name for each in folder.iterdir())
    except OSError:
        return []
    return [folder / name for name in found if name.endswith((_SUFFIX, _UNFINISHED))]
