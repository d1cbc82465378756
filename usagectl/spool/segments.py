"""Own the files of a queue: numbered segments that whole lines are appended to.

`00000001.jsonl` takes events of any process, one at a time under a lock.
`00000002.own.jsonl` belongs to one process that keeps it open.
`00000003.sending.jsonl` is being delivered, or was when its process ended.
All three hold waiting events; whoever holds the lock of a file may change it.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from usagectl.machine import files

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

SHARED, OWN, SENDING = "", ".own", ".sending"
_SUFFIX = ".jsonl"
_ROLES = (SHARED, OWN, SENDING)
_MOST_DIGITS = 18
_LARGEST = 10**_MOST_DIGITS - 1
_LARGEST_OF_OURS = 10**12
"""A larger number was put there by somebody; ours go on below it."""

SAFE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
"""A link or a pipe in the place of a segment is refused; it neither leads away nor hangs."""
_BINARY = getattr(os, "O_BINARY", 0)


class Segment(NamedTuple):
    """Hold where a segment lies, its number, and who may append to it."""

    path: Path
    number: int
    role: str

    @property
    def journal(self) -> Path:
        """Name the file that says which of its lines are done."""
        return self.path.with_suffix(".done")


def list_segments(folder: Path) -> list[Segment]:
    """List the segments of a folder, oldest first; foreign files are passed over.

    Raises:
        OSError: the folder cannot be listed.
    """
    try:
        names = os.listdir(folder)  # noqa: PTH208  (thousands of names: no Path for each)
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = (_parse_name(folder, name) for name in names if name.endswith(_SUFFIX))
    return sorted((each for each in found if each), key=_age_in_queue)


def _age_in_queue(segment: Segment) -> tuple[bool, int, str]:
    is_ours = segment.number <= _LARGEST_OF_OURS  # Any other is no place to go on in.
    return is_ours, segment.number, segment.role


def _parse_name(folder: Path, name: str) -> Segment | None:
    digits, dot, role = name[: -len(_SUFFIX)].partition(".")
    if not digits.isdecimal() or not digits.isascii() or dot + role not in _ROLES:
        return None
    if len(digits) > _MOST_DIGITS:  # None of ours.
        return None
    return Segment(folder / name, int(digits), dot + role)


def free_number(wanted: int, taken: Collection[int]) -> int:
    """Find a number that no segment has: the one that is wanted, or the next that is free."""
    while wanted in taken:
        wanted = wanted % _LARGEST + 1
    return wanted


def create(folder: Path, role: str = SHARED) -> tuple[Segment, int]:
    """Make the next segment and open it for appending, locked.

    Raises:
        OSError: it cannot be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for _ in range(1000):
        taken = {each.number for each in list_segments(folder)}
        last = max((each for each in taken if each <= _LARGEST_OF_OURS), default=0)
        number = free_number(last + 1, taken)
        segment = Segment(folder / f"{number:08d}{role}{_SUFFIX}", number, role)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | SAFE | _BINARY
        try:
            descriptor = os.open(segment.path, flags, 0o600)
        except FileExistsError:
            continue  # Another process was faster, or something that is no file lies there.
        # A delivery may have taken it, empty as it was, and removed it since.
        if files.try_lock(descriptor) and is_still(segment, descriptor):
            return segment, descriptor
        os.close(descriptor)
    raise OSError(errno.EBUSY, "no segment can be made")


def open_existing(segment: Segment, *, for_writing: bool = True) -> int | None:
    """Open a segment that is there; None when it is gone.

    Raises:
        OSError: it cannot be opened, or something that is no file lies in its place.
    """
    mode = os.O_RDWR | os.O_APPEND if for_writing else os.O_RDONLY
    try:
        descriptor = os.open(segment.path, mode | SAFE | _BINARY)
    except FileNotFoundError:
        return None
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)  # A pipe with a reader would take the events away.
    raise OSError(errno.EINVAL, "something that is no file lies in a segment's place")


def try_open(segment: Segment) -> int | None:
    """Open a segment for appending; None when it is gone or something else lies there.

    Writing then goes on beside it; reading says what is wrong.
    """
    try:
        return open_existing(segment)
    except OSError:
        return None


def is_still(segment: Segment, descriptor: int) -> bool:
    """Tell whether an open segment still lies under its name: it may have been claimed."""
    try:
        there = os.stat(segment.path, follow_symlinks=False)  # noqa: PTH116  (half a Path's time)
    except OSError:
        return False
    here = os.fstat(descriptor)
    return (there.st_ino, there.st_dev) == (here.st_ino, here.st_dev)


@contextmanager
def opened(segment: Segment) -> Iterator[int | None]:
    """Open a segment for a while; None when it is gone.

    Raises:
        OSError: it cannot be opened.
    """
    descriptor = open_existing(segment)
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


@contextmanager
def locked(segment: Segment) -> Iterator[int | None]:
    """Hold a segment alone, if nobody else does; None when that cannot be had.

    Raises:
        OSError: it cannot be opened.
    """
    with opened(segment) as descriptor:
        if descriptor is None:
            yield None
        else:
            can_have = files.try_lock(descriptor) and is_still(segment, descriptor)
            yield descriptor if can_have else None


def remove(segment: Segment) -> None:
    """Remove a segment and what says which of its lines are done, in an order that a kill survives.

    Raises:
        OSError: it is still there.
    """
    segment.path.unlink(missing_ok=True)
    segment.journal.unlink(missing_ok=True)  # A journal without its segment means nothing.


def head_of(descriptor: int) -> bytes:
    """Read the first bytes of a segment: enough for its first envelope's time."""
    return os.pread(descriptor, 128, 0)


def ends_line(descriptor: int, size: int) -> bool:
    """Tell whether an open file of that size ends with a line end; an empty one does."""
    return not size or os.pread(descriptor, 1, size - 1) == b"\n"
