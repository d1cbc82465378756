"""Own events that come from a file: checked, and laid out as a segment that can be delivered.

A file holds records (what `usagectl spool export` writes), events (one a line), or
whole bodies of requests (`{"events":[…]}`), in any mixture. It is only read. What
is laid out stays until it is delivered, for seven days at most, so that an
interrupted replay of the same file to the same address goes on where it ended.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO

from usagectl.errors import (
    FileUnreadableError,
    LockTimeoutError,
    NoEventsError,
    SpoolUnwritableError,
)
from usagectl.events import slicing
from usagectl.events.slicing import as_utf8, lines_of
from usagectl.machine import files
from usagectl.spool import envelope, lines, logs, queue
from usagectl.tools import sender_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from usagectl.machine.environment import Environment

_SEGMENT = "00000001.sending.jsonl"
_MAX_DOCUMENT_BYTES = 64 * 1024 * 1024
_KEPT_SECONDS = 7 * 24 * 3600
_PATIENCE_SECONDS = 3600.0
_SENT_SUFFIX = ".sent"


@dataclass(frozen=True, slots=True)
class Staged:
    """Hold a file's events as a folder with one segment.

    Attributes:
        folder: where the segment lies.
        is_resumed: whether an earlier replay had begun with it.
        is_shared: whether another replay has sent it all while this one waited for it.
        bad_lines: how many lines hold no event; they are left out.
        first_bad_line: the number of the first of them, 0 without one.
    """

    folder: Path
    is_resumed: bool
    is_shared: bool = False
    bad_lines: int = 0
    first_bad_line: int = 0

    def discard(self, *, is_sent: bool = False) -> None:
        """Remove it: everything was decided on, or it is not wanted any more.

        A replay of the same file that waits for this one learns whether it was sent.
        """
        shutil.rmtree(self.folder, ignore_errors=True)
        if is_sent:
            with suppress(OSError):
                self.folder.with_suffix(_SENT_SUFFIX).touch(mode=0o600)


@contextmanager
def staged(
    environment: Environment,
    spool_dir: Path,
    *,
    file: Path | None,
    stream: BinaryIO,
    base: str,
    on_wait: Callable[[], None] = lambda: None,
) -> Iterator[Staged]:
    """Lay the events of a file out for a while; `file` is None for a stream read but once.

    One replay of a file goes on at a time. Another waits; where that was one of
    the same file to the same address, nothing is left for it to send.

    Raises:
        FileUnreadableError: the file cannot be read.
        NoEventsError: it holds none.
        SpoolUnwritableError: there is no room to lay them out.
        LockTimeoutError: another replay went on and on.
    """
    folder = spool_dir / queue.FILES / _key(environment, file, base)
    with ExitStack() as stack:
        try:
            stack.enter_context(files.lock(folder.parent, seconds=0))
            _unlink(folder.with_suffix(_SENT_SUFFIX))
        except LockTimeoutError:
            on_wait()
            stack.enter_context(files.lock(folder.parent, seconds=_PATIENCE_SECONDS))
            if folder.with_suffix(_SENT_SUFFIX).exists():
                yield Staged(folder, is_resumed=False, is_shared=True)
                return
        yield _stage(environment, folder, file=file, stream=stream)


def _stage(
    environment: Environment, folder: Path, *, file: Path | None, stream: BinaryIO
) -> Staged:
    _remove_forgotten(folder.parent, environment.now().timestamp())
    shown = file or environment.cwd / "standard input"
    if (folder / _SEGMENT).exists():
        return Staged(folder, is_resumed=True)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = folder / "new.tmp"
        laid_out = _Layout(environment, stream)
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            target.writelines(laid_out.lines())
        temporary.replace(folder / _SEGMENT)
    except _UnreadableError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise FileUnreadableError(shown, reason=str(error)) from error
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise SpoolUnwritableError(folder, reason=error.strerror or "unknown") from error
    if laid_out.bad_lines and not laid_out.events:
        shutil.rmtree(folder, ignore_errors=True)
        raise NoEventsError(str(shown), bad_lines=laid_out.bad_lines)
    return Staged(
        folder,
        is_resumed=False,
        bad_lines=laid_out.bad_lines,
        first_bad_line=laid_out.first_bad_line,
    )


def _key(environment: Environment, file: Path | None, base: str) -> str:
    """Name a file as it is now, on its way to an address; a stream is never the same."""
    if file is None:
        return envelope.build_uid(environment.now(), environment.entropy)
    try:
        found = file.stat()
    except OSError as error:
        raise FileUnreadableError(file, reason=(error.strerror or "unknown").lower()) from error
    parts = (file.resolve(), found.st_size, found.st_mtime_ns, found.st_ino, base)
    return hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "replace")).hexdigest()[:32]


def _unlink(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise SpoolUnwritableError(file.parent, reason=error.strerror or "unknown") from error


def clean(environment: Environment, spool_dir: Path) -> None:
    """Remove what interrupted replays of files left long ago, unless one is under way."""
    folder = spool_dir / queue.FILES
    if folder.is_dir():
        with suppress(LockTimeoutError), files.lock(folder, seconds=0):
            _remove_forgotten(folder, environment.now().timestamp())


def _remove_forgotten(folder: Path, now: float) -> None:
    with suppress(OSError):
        for each in folder.iterdir():
            if abs(now - each.stat().st_mtime) > _KEPT_SECONDS:
                if each.is_dir():
                    shutil.rmtree(each, ignore_errors=True)
                else:
                    each.unlink()


class _UnreadableError(Exception):
    """Tell that a file broke off while it was read."""


class _Layout:
    """Turn the lines of a file into records, and count what is none."""

    def __init__(self, environment: Environment, stream: BinaryIO) -> None:
        self._environment = environment
        self._lines = lines_of(as_utf8(_read(stream)))
        self.events = 0
        self.bad_lines = 0
        self.first_bad_line = 0

    def lines(self) -> Iterator[bytes]:
        """Give one record a line, line ends included."""
        first = next(self._lines, b"")
        head = [first]
        if not _is_understood(first):
            head += self._read_at_most(_MAX_DOCUMENT_BYTES)
            events = _events_of_document(b"".join(head))
            if events:
                self.events = len(events)
                yield from (self._record(event) for event in events)
                return
        for number, line in enumerate(chain(head, self._lines), start=1):
            found = list(self._records_of(line.strip()))
            if not found and line.strip() and logs.parse_header(line) is None:
                self.bad_lines += 1
                self.first_bad_line = self.first_bad_line or number
            self.events += len(found)
            yield from found

    def _read_at_most(self, limit: int) -> Iterator[bytes]:
        for line in self._lines:
            yield line
            limit -= len(line)
            if limit < 0:
                return

    def _records_of(self, line: bytes) -> Iterator[bytes]:
        record = lines.decode(line)
        if record is not None and slicing.name_of(bytes(record.event)):
            yield line + b"\n"
        else:
            yield from (self._record(event) for event in slicing.events_of(line))

    def _record(self, event: bytes) -> bytes:
        name = slicing.name_of(event)
        labels = envelope.build_labels(sender_of([name]), name)
        environment = self._environment
        return envelope.build_line(
            event, labels, now=environment.now(), entropy=environment.entropy
        )


def _read(stream: BinaryIO) -> Iterator[bytes]:
    """Give what is left of a stream, as it comes.

    Raises:
        _UnreadableError: it broke off.
    """
    try:
        yield from iter(stream.readline, b"")
    except OSError as error:
        raise _UnreadableError((error.strerror or "it broke off").lower()) from error


def _is_understood(line: bytes) -> bool:
    line = line.strip()
    known = not line or lines.decode(line) is not None or logs.parse_header(line) is not None
    return known or bool(slicing.events_of(line))


def _events_of_document(data: bytes) -> list[bytes]:
    """Cut the events out of JSON that is set out over many lines; a record is one line."""
    text = data.replace(b"\r", b" ").replace(b"\n", b" ").strip()
    return slicing.events_of(text) or slicing.events_of_list(text)
