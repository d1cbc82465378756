"""Own what becomes of what a process recorded that ended before it was in the spool."""

from __future__ import annotations

import json
import os
from array import array
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from usagectl import spool
from usagectl.emitting.ledger import backlog, counting, files, places
from usagectl.emitting.ledger.counting import Form
from usagectl.emitting.ledger.timed import Series, TimedLines
from usagectl.emitting.ledger.writer import EventWriter
from usagectl.errors import UsagectlError
from usagectl.events.encoding import format_client_time
from usagectl.machine import paths
from usagectl.spool import envelope

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from usagectl.emitting.ledger.files import Head
    from usagectl.machine.environment import Environment

_BATCH = 64


def recover(environment: Environment) -> int:
    """Put into the spool what processes recorded that ended before they did so themselves.

    Never raises. What cannot be put there stays for the next time.

    Returns:
        How many events came to the spool.
    """
    count = 0
    # One writer for all files: a segment for each would be looked through for each of the others.
    with suppress(UsagectlError, OSError), _writer(environment) as writer:
        for file, descriptor in _left_behind(environment):
            try:
                count += _put(environment, descriptor, writer)
            except (UsagectlError, OSError):
                continue
            except (ValueError, OverflowError, IndexError):
                pass  # It holds what none of ours does.
            with suppress(OSError):
                file.unlink()
    return count


def _writer(environment: Environment) -> EventWriter:
    """Make a writer of whole lines, which say themselves whose they are."""
    return EventWriter(environment, tool="", consent="")


def discard(environment: Environment) -> None:
    """Remove what processes recorded that ended before it was in the spool; never raises."""
    for file, _ in _left_behind(environment):
        with suppress(OSError):
            file.unlink()


def _left_behind(environment: Environment) -> Iterator[tuple[Path, int]]:
    """Give each file for this spool whose process has ended, locked."""
    for folder in places.folders(environment):
        for file in files.names(folder):
            with files.held(file) as descriptor:
                if descriptor is not None and _is_for(environment, descriptor):
                    yield file, descriptor
        places.tidy(folder)


def _is_for(environment: Environment, descriptor: int) -> bool:
    """Tell whether a file is for this spool; without a head, its process ended as it made it."""
    head, _ = files.parse(descriptor)
    return head is None or head.spool == str(paths.spool_dir(environment))


def _put(environment: Environment, descriptor: int, writer: EventWriter) -> int:
    """Put what a file holds into the spool; one that is neither of ours holds nothing."""
    head, documents = files.parse(descriptor)
    if head is None or not documents:
        return 0
    series = _series_of(documents[0])
    if series is not None:
        return _put_events(environment, descriptor, series, documents[1:], writer=writer)
    return _put_counts(environment, descriptor, head, documents)


def _put_counts(environment: Environment, descriptor: int, head: Head, documents: list[Any]) -> int:
    items, time = _sort(documents)
    was_settled = bool(time)
    if items and not was_settled:
        time = format_client_time(environment.now())
        os.write(descriptor, files.line_of({"time": time}))
    cells = array("Q", os.pread(descriptor, counting.CELL_BYTES, 0))
    count = 0
    for kind, event in counting.build_events(items, cells, time):
        # Its process, or who found it before, may have been killed between the two.
        if _is_event(event) and not (was_settled and _is_in_spool(environment, event)):
            spool.append(environment, event, tool=head.tool, kind=kind, consent=head.consent)
            count += 1
    return count


def _sort(documents: list[Any]) -> tuple[list[tuple[Form, str]], str]:
    """Tell what was counted from when it was settled."""
    items, time = [], ""
    for each in documents:
        match each:
            case {"time": str(noted)}:
                time = time or noted
            case [str(kind), str(opening), str(middle), str(closing), str(item)]:
                items.append((Form(kind, opening, middle, closing), item))
    return items, time


def _put_events(
    environment: Environment,
    descriptor: int,
    series: Series,
    documents: list[Any],
    *,
    writer: EventWriter,
) -> int:
    texts = [each.encode("ascii", "replace") for each in documents if isinstance(each, str)]
    data = os.pread(descriptor, files.SIZE, 0)
    added, done = array("Q", data[: backlog.STATE_BYTES])
    instants, tails = backlog.numbers_of(data)
    known = _numbers_in_spool(environment, series)
    wanted = [
        each
        for each in range(min(done, backlog.EVENTS), min(added, backlog.EVENTS))
        if each not in known and tails[each] < len(texts)
    ]
    lines = TimedLines(series)
    for start in range(0, len(wanted), _BATCH):
        numbers = wanted[start : start + _BATCH]
        built = [lines.build(instants[each], each, texts[tails[each]]) for each in numbers]
        writer.write_lines([line for line in built if envelope.parse_line(line[:-1])])
    return len(wanted)


def _series_of(document: Any) -> Series | None:  # noqa: ANN401  (it is somebody's JSON)
    try:
        series = Series(**document)
    except TypeError:
        return None
    *texts, first = tuple[Any, ...](series)
    is_sound = all(isinstance(each, str) and each.isascii() for each in texts)
    return series if is_sound and type(first) is int and 0 <= first < 1 << 48 else None


def _numbers_in_spool(environment: Environment, series: Series) -> set[int]:
    """Tell which events of a series wait, were sent or were rejected."""
    needle = b"-7" + series.drawn.encode("ascii")
    found = set()
    for data in _contents(environment):
        if needle in data:
            for line in data.split(b"\n"):
                uid = envelope.uid_of(line)
                if needle in uid and envelope.looks_whole(line):
                    found.add(int(uid[24:], 16) - series.first)
    return found


def _is_in_spool(environment: Environment, event: bytes) -> bool:
    """Tell whether exactly this event waits, was sent or was rejected."""
    ending = b',"event":' + event + b"}\n"
    return any(ending in data for data in _contents(environment))


def _contents(environment: Environment) -> Iterator[bytes]:
    for file in paths.require_spool_dir(environment).rglob("*.jsonl"):
        with suppress(OSError):
            yield file.read_bytes()


def _is_event(event: bytes) -> bool:
    try:
        return isinstance(json.loads(event), dict)
    except (ValueError, RecursionError):
        return False
