"""Tests of the events of a file: which forms are read, and how long its store is kept."""

from __future__ import annotations

import io
import json
import os
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support.delivering import event, fill, numbers, send, states
from tests.support.endpoint import Endpoint, always
from tests.support.machine import NOW
from usagectl import spool
from usagectl.delivery import replay, replay_files
from usagectl.delivery.replay_files import BadLines
from usagectl.errors import FileUnreadableError, NoEventsError
from usagectl.events.record import new_record, to_line
from usagectl.machine import files

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine
    from usagectl.spool import Entry

BASE = "http://127.0.0.1:9/v1"
HALF = rb'{"name":"e","metadata":{},"payload":{"path":"\udcff"}}'
ONE, TWO = event(1), event(2)
LSTK = b'{"name":"lstk_command","metadata":{},"payload":{}}'


def record(machine: Machine, body: bytes, **members: object) -> bytes:
    """Write an event as `spool export` does."""
    made = new_record(body, tool="mytool", kind="e", now=NOW, entropy=machine.environment().entropy)
    return to_line(made, members)


def load(machine: Machine, data: bytes) -> tuple[list[Entry], BadLines]:
    """Load bytes as standard input; return the events, and the bad lines."""
    environment = machine.environment()
    folder = files.require_files_dir(environment)
    stream = io.BytesIO(data)
    with replay_files.opened(
        environment, folder, file=None, stream=stream, base=BASE, keeps=False
    ) as found:
        return list(found.store.entries(("pending",))), found.bad_lines


def left_behind(machine: Machine) -> list[str]:
    """List what replays of files left."""
    folder = machine.state_dir / "files"
    return sorted(path.name for path in folder.glob("*")) if folder.exists() else []


def test_forms_of_a_file(machine: Machine) -> None:
    """Records, events, bodies and lists are read, set out over lines or not, as exact bytes."""
    both = (ONE + b"\r\n" + TWO + b"\r\n").decode()
    spaced = b'{ "name" : "e", "metadata": {}, "payload": {"n": 1.50} }'
    table: list[tuple[bytes, list[bytes], int, int]] = [
        # The data, its events, the number of bad lines, and the first of them.
        (b"", [], 0, 0),
        (b"\n\n", [], 0, 0),
        (ONE, [ONE], 0, 0),
        (spaced, [spaced], 0, 0),
        (both.encode(), [ONE, TWO], 0, 0),
        (b'{"events":[' + ONE + b" , " + TWO + b"]}", [ONE, TWO], 0, 0),
        (b"[" + ONE + b",\n" + TWO + b"]\n", [ONE, TWO], 0, 0),
        (ONE + b"\nnot an event\n" + TWO, [ONE, TWO], 1, 2),
        (ONE + b"\nbad\n" + TWO + b"\n{}\n", [ONE, TWO], 2, 2),
        (b"garbage\n" + ONE, [ONE], 1, 1),
        (b"\x00\xff\n" + ONE, [ONE], 1, 1),
        (b'{"events":[]}\n' + ONE, [ONE], 1, 1),
        (b'{"events":[1,2]}\n' + ONE, [ONE], 1, 1),
        (b'{"name":5}\n[]\n5\n"x"\n' + ONE, [ONE], 4, 1),
        (both.encode("utf-16"), [ONE, TWO], 0, 0),
        (b"\xfe\xff" + both.encode("utf-16-be"), [ONE, TWO], 0, 0),
        (both.encode("utf-8-sig"), [ONE, TWO], 0, 0),
        (b'{"events":[%b,%b]}' % (HALF, ONE), [HALF, ONE], 0, 0),
        (record(machine, ONE) + b"\n" + TWO + b"\n", [ONE, TWO], 0, 0),
        (record(machine, ONE) * 2, [], 1, 1),
        (record(machine, ONE, request=1, method="POST", path="/v1/events"), [ONE], 0, 0),
        (record(machine, ONE, sent={"at": "x"}) + b"\n" + ONE, [ONE, ONE], 0, 0),
        (b'{"uid":"x","event":{}}\n' + ONE, [ONE], 1, 1),
        (b'{"uid":"x","kind":"unparsed","problem":"x","body":"eA=="}\n' + ONE, [ONE], 1, 1),
    ]
    wrong = []
    for data, bodies, count, first in table:
        bad = BadLines(count, first)
        try:
            found, told = load(machine, data)
        except NoEventsError:
            found, told = [], bad
        if ([entry.body for entry in found], told) != (bodies, bad):
            wrong.append((data, found, told))
    assert wrong == []
    for indent in (1, 2):
        for document in ({"events": [json.loads(ONE)]}, [json.loads(ONE)], json.loads(ONE)):
            text = json.dumps(document, indent=indent)
            for data in (text.encode(), text.encode("utf-16"), text.replace("\n", "\r\n").encode()):
                (entry,), told = load(machine, data)
                assert (json.loads(entry.body), told) == (json.loads(ONE), BadLines())
    assert left_behind(machine) == []


def test_records_keep_their_labels_and_others_get_some(machine: Machine) -> None:
    """An exported record keeps its tool and time; an event alone tells its tool by its name."""
    found, _ = load(machine, record(machine, ONE) + b"\n" + LSTK + b"\n" + TWO)
    assert [(each.tool, each.event) for each in found] == [
        ("mytool", "e"),
        ("lstk", "lstk_command"),
        ("unknown", "e"),
    ]


class Broken(io.BytesIO):
    """A stream that breaks off."""

    def read1(self, _size: int | None = -1, /) -> bytes:
        """Raise the error of a broken disk."""
        raise OSError(5, "Input/output error")


def test_what_holds_no_event_is_an_error(machine: Machine) -> None:
    """Nothing was sent, and that is not what was meant; nothing is left behind."""
    environment = machine.environment()
    folder = files.require_files_dir(environment)
    file = machine.cwd / "file.txt"
    file.touch()
    for stream, told in (
        (io.BytesIO(b"no event\nhere\n"), "file.txt holds 2 lines and no event"),
        (Broken(), "input/output error"),
    ):
        with (
            pytest.raises((NoEventsError, FileUnreadableError), match=told),
            replay_files.opened(environment, folder, file=file, stream=stream, base=BASE),
        ):
            pass
    assert left_behind(machine) == []


def test_a_line_beyond_the_bound_is_left_out(machine: Machine) -> None:
    """It is neither kept nor parsed, and is told apart; what follows it is read."""
    long = b'{"a":"' + b"x" * replay_files.MOST_BYTES + b'"}'
    found, bad = load(machine, long + b"\n" + ONE + b"\n" + long)
    assert ([each.body for each in found], bad) == ([ONE], BadLines(2, 1, long=2))
    with pytest.raises(NoEventsError, match="a line may have 16777216 bytes"):
        load(machine, long)


def send_file(machine: Machine, file: Path, base: str, **options: object) -> bool:
    """Replay a file; return whether an earlier replay of it had begun."""
    environment = machine.environment()
    folder = files.require_files_dir(environment)
    chosen = replay.Options(to=base, **options)  # type: ignore[arg-type]
    with (
        file.open("rb") as stream,
        replay_files.opened(environment, folder, file=file, stream=stream, base=base) as found,
    ):
        replay.run(environment, chosen, base=base, store=found.store)
        return found.is_resumed


def test_a_file_is_taken_up_where_a_limit_ended(machine: Machine) -> None:
    """What is left of a file goes with the next replay of it; once through, it starts anew."""
    file = machine.cwd / "events.jsonl"
    file.write_bytes(b"".join(event(number) + b"\n" for number in range(5)))
    before = file.read_bytes()
    with Endpoint() as there, Endpoint() as other:
        resumed = [send_file(machine, file, there.base, limit=2) for _ in range(3)]
        assert numbers(there) == [0, 1, 2, 3, 4]
        assert resumed == [False, True, True]
        assert left_behind(machine) == []
        assert send_file(machine, file, there.base, limit=1) is False
        assert send_file(machine, file, other.base) is False
        assert len(left_behind(machine)) == 1
        spool.purge(machine.environment())
        assert left_behind(machine) == []
        file.write_bytes(before + event(5))
        assert send_file(machine, file, there.base) is False
    assert numbers(other) == [0, 1, 2, 3, 4]
    assert numbers(there) == [*range(5), 0, *range(6)]


def test_what_became_of_a_file_is_listed_with_the_spool(machine: Machine) -> None:
    """Events of a file that were sent or refused are logged; refused ones can be sent again."""
    fill(machine, 1)
    file = machine.cwd / "events.jsonl"
    file.write_bytes(record(machine, ONE) + b"\n" + TWO)
    with Endpoint(always(400, b"no")) as there:
        send_file(machine, file, there.base)
        assert left_behind(machine) == []
    assert states(machine) == {"pending": [event(0)], "sent": [], "rejected": [ONE, TWO]}
    with Endpoint() as there:
        send(machine, there.base, rejected=True)
        send_file(machine, file, there.base)
    assert numbers(there) == [1, 2, 1, 2]
    assert states(machine)["sent"] == [ONE, TWO, ONE, TWO]
    with spool.open_spool(machine.environment()) as store:
        assert {each.handover and each.handover.status for each in store.entries(("sent",))} == {
            200
        }


def test_what_files_left_long_ago_goes_with_any_replay(machine: Machine) -> None:
    """Eight days after an interrupted replay of a file nothing of it lies here any more."""
    folder = machine.state_dir / "files"
    folder.mkdir(parents=True)
    for name, days in (("old.db", 8), ("old.db-wal", 8), ("young.db", 1)):
        (folder / name).touch()
        moment = (NOW - timedelta(days=days)).timestamp()
        os.utime(folder / name, (moment, moment))
    fill(machine, 1)
    with Endpoint() as there:
        send(machine, there.base)
    assert left_behind(machine) == ["young.db"]
