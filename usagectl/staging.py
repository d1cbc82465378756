"""Own events that come from a file: checked, and laid out as a segment that can be delivered.

A file holds records (what `usagectl spool export` writes), events (one a line), or
whole bodies of requests (`{"events":[…]}`), in any mixture. It is only read. What
is laid out stays until it is delivered, so that an interrupted replay of the
same file to the same address goes on where it ended.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from usagectl.errors import FileUnreadableError, SpoolUnwritableError
from usagectl.spool import envelope, lines, logs, queue

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from usagectl.environment import Environment

_SEGMENT = "00000001.sending.jsonl"
_MAX_DOCUMENT_BYTES = 64 * 1024 * 1024
_KEPT_SECONDS = 7 * 24 * 3600


class _Body(msgspec.Struct):
    events: list[msgspec.Raw]


class _Event(msgspec.Struct):
    name: str
    metadata: dict[str, msgspec.Raw] | None = None
    payload: msgspec.Raw = msgspec.Raw(b"null")


_body = msgspec.json.Decoder(_Body)
_event = msgspec.json.Decoder(_Event)
_list = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Staged:
    """Hold a file's events as a folder with one segment.

    Attributes:
        folder: where the segment lies.
        is_resumed: whether an earlier replay had begun with it.
        bad_lines: how many lines hold no event; they are left out.
        first_bad_line: the number of the first of them, 0 without one.
    """

    folder: Path
    is_resumed: bool
    bad_lines: int = 0
    first_bad_line: int = 0

    def discard(self) -> None:
        """Remove it: everything was decided on, or it is not wanted any more."""
        shutil.rmtree(self.folder, ignore_errors=True)


def stage(
    environment: Environment, spool_dir: Path, *, file: Path | None, stream: BinaryIO, base: str
) -> Staged:
    """Lay the events of a file out; `file` is None for a stream that cannot be read twice.

    Raises:
        FileUnreadableError: the file cannot be read.
        SpoolUnwritableError: there is no room to lay them out.
    """
    folder = spool_dir / queue.FILES / _key(environment, file, base)
    _remove_forgotten(spool_dir / queue.FILES, environment.now().timestamp())
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
        shown = file or environment.cwd / "standard input"
        raise FileUnreadableError(shown, reason=str(error)) from error
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise SpoolUnwritableError(folder, reason=error.strerror or "unknown") from error
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


def _remove_forgotten(folder: Path, now: float) -> None:
    with suppress(OSError):
        for each in folder.iterdir():
            if abs(now - each.stat().st_mtime) > _KEPT_SECONDS:
                shutil.rmtree(each, ignore_errors=True)


class _UnreadableError(Exception):
    """Tell that a file broke off while it was read."""


class _Layout:
    """Turn the lines of a file into records, and count what is none."""

    def __init__(self, environment: Environment, stream: BinaryIO) -> None:
        self._environment = environment
        self._stream = stream
        self.bad_lines = 0
        self.first_bad_line = 0

    def lines(self) -> Iterator[bytes]:
        """Give one record a line, line ends included."""
        first = next(self._read(), b"")
        head = [first]
        if not _is_understood(first):
            head += self._read_at_most(_MAX_DOCUMENT_BYTES)
            events = _events_of_document(b"".join(head))
            if events:
                yield from (self._record(event) for event in events)
                return
        for number, line in enumerate(chain(head, self._read()), start=1):
            found = list(self._records_of(line.strip()))
            if not found and line.strip() and logs.parse_header(line) is None:
                self.bad_lines += 1
                self.first_bad_line = self.first_bad_line or number
            yield from found

    def _read(self) -> Iterator[bytes]:
        try:
            # With `yield from` the stream itself, ending early would close it.
            yield from iter(self._stream.readline, b"")
        except OSError as error:
            raise _UnreadableError((error.strerror or "it broke off").lower()) from error

    def _read_at_most(self, limit: int) -> Iterator[bytes]:
        for line in self._read():
            yield line
            limit -= len(line)
            if limit < 0:
                return

    def _records_of(self, line: bytes) -> Iterator[bytes]:
        if lines.decode(line) is not None:
            yield line + b"\n"
        else:
            yield from (self._record(event) for event in _events_of(line))

    def _record(self, event: bytes) -> bytes:
        name = _name_of(event)
        tool = "lstk" if name.startswith("lstk_") else "unknown"
        labels = envelope.build_labels(tool, name)
        environment = self._environment
        return envelope.build_line(
            event, labels, now=environment.now(), entropy=environment.entropy
        )


def _is_understood(line: bytes) -> bool:
    line = line.strip()
    known = not line or lines.decode(line) is not None or logs.parse_header(line) is not None
    return known or bool(_events_of(line))


def _events_of(text: bytes) -> list[bytes]:
    """Slice the events out of one event or one body; empty when it is neither."""
    if _name_of(text):
        return [text]
    try:
        found = [bytes(raw) for raw in _body.decode(text).events]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
    return found if all(_name_of(event) for event in found) else []


def _events_of_document(data: bytes) -> list[bytes]:
    """Slice the events out of JSON that is set out over many lines; a record is one line."""
    text = data.replace(b"\r", b" ").replace(b"\n", b" ").strip()
    if events := _events_of(text):
        return events
    try:
        found = [bytes(raw) for raw in _list.decode(text)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
    return found if all(_name_of(event) for event in found) else []


def _name_of(event: bytes) -> str:
    """Name an event; empty when it is none."""
    try:
        return _event.decode(event).name
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
