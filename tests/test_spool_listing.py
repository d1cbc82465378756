"""Tests of the listing: which events there are, what became of them, how many of which kind."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.laid import HOSTILE, header, lay, make_events, record
from tests.support.machine import NOW
from usagectl.errors import FileUnreadableError, SpoolUnwritableError
from usagectl.spool import journal, lines, listing, segments

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine
    from usagectl.spool.listing import Entry

REST = settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # A segment is written anew.
)


def listed(machine: Machine, *states: str, selection: lines.Selection = lines.ALL) -> list[Entry]:
    """List entries of states, those that wait without one."""
    chosen = tuple(state for state in listing.STATES if state in (states or ("pending",)))
    return list(listing.entries(machine.environment(), chosen, selection))


def done(file: Path, start: int, end: int) -> None:
    """Note a part of a segment as done."""
    segment = next(each for each in segments.list_segments(file.parent) if each.path == file)
    label = journal.label_of(file.read_bytes()[start:end][:64])
    journal.append(segment, [journal.Span(start, end, label)])


def test_an_entry_has_what_its_line_has(machine: Machine) -> None:
    """Members, exact bytes and the whole line come out as they stand in the segment."""
    text = record(b'{"a": 1.10}', uid="0199-x", tool="lstk", kind="lstk_command")
    lay(machine, text)
    (entry,) = listed(machine)
    assert entry[:6] == ("0199-x", NOW.isoformat(), "lstk", "lstk_command", "pending", 11)
    assert (entry.body, entry.line + b"\n", entry.handover) == (b'{"a": 1.10}', text, None)


def test_bytes_come_out_exactly(machine: Machine) -> None:
    """No event is encoded a second time, whatever spaces, escapes and numbers it has."""
    events = make_events(1000)
    lay(machine, *map(record, events))
    assert [entry.body for entry in listed(machine)] == events


def test_states_follow_one_another_oldest_first(machine: Machine) -> None:
    """Within a state the segments are read in the order of their numbers."""
    for state in ("rejected", "sent", "pending"):
        for number in (10, 9):
            uid = f"{state}-{number}"
            lay(machine, header(), record(uid=uid), state=state, number=number)
    assert [entry.uid for entry in listed(machine, *listing.STATES)] == [
        f"{state}-{number}" for state in listing.STATES for number in (9, 10)
    ]


def test_each_event_has_the_answer_that_decided_on_it(machine: Machine) -> None:
    """A header holds for the events up to the next one, and for no other segment."""
    first = [header(400, answer="a"), record(), record(), header(422, answer="b"), record()]
    lay(machine, *first, state="rejected", number=1)
    lay(machine, record(), header(413), record(), state="rejected", number=2)
    handovers = [entry.handover for entry in listed(machine, "rejected")]
    assert [found and found.status for found in handovers] == [400, 400, 422, None, 413]
    assert [found and found.answer for found in handovers][:3] == ["a", "a", "b"]


def test_a_header_that_is_done_still_holds(machine: Machine) -> None:
    """A replay of what was rejected takes the headers first: what is left keeps its own answer."""
    texts = [header(400), record(), header(422), record(), record()]
    file = lay(machine, *texts, state="rejected")
    ends = [sum(map(len, texts[:count])) for count in range(6)]
    done(file, ends[2], ends[3])
    done(file, ends[3], ends[4])
    assert [e.handover and e.handover.status for e in listed(machine, "rejected")] == [400, 422]
    done(file, 0, ends[2])
    assert [e.handover and e.handover.status for e in listed(machine, "rejected")] == [422]


def test_a_torn_header_says_nothing(machine: Machine) -> None:
    """Events behind a header that cannot be read are not taken for those of the one before it."""
    lay(machine, header(400), record(), b'{"at":"2026\n', record(), state="sent")
    assert [bool(entry.handover) for entry in listed(machine, "sent")] == [True, False]


def test_what_waits_has_no_answer(machine: Machine) -> None:
    """A header has no meaning among the events that wait."""
    lay(machine, header(), record())
    assert [entry.handover for entry in listed(machine)] == [None]


def test_what_is_done_is_not_listed(machine: Machine) -> None:
    """An event that was delivered no longer waits, though its bytes still stand in the segment."""
    texts = [record(uid=f"u{number}") for number in range(3)]
    done(lay(machine, *texts), len(texts[0]), len(texts[0] + texts[1]))
    assert [entry.uid for entry in listed(machine)] == ["u0", "u2"]
    assert listing.stats(machine.environment()).total == 2


def test_a_last_line_without_its_end_is_listed(machine: Machine) -> None:
    """A whole record counts, also while its line end is not there yet."""
    lay(machine, record(), record()[:-1])
    assert len(listed(machine)) == listing.stats(machine.environment()).total == 2


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("state", listing.STATES)
def test_list_and_count_agree_on_hostile_lines(name: str, state: str, machine: Machine) -> None:
    """What is no record is passed over by both alike; the records around it are there."""
    lay(machine, header(), record(uid="a"), HOSTILE[name], b"\n", record(uid="z"), state=state)
    found = listed(machine, state)
    counted = listing.stats(machine.environment())
    assert (found[0].uid, found[-1].uid) == ("a", "z")
    assert len(found) == counted.total
    assert sum(entry.size for entry in found) == counted.bytes


PARTS = st.sampled_from([record(), record(b'{"event":{}}'), header(), *HOSTILE.values()])


@REST
@given(parts=st.lists(PARTS, max_size=6))
def test_list_and_count_agree_on_anything(machine: Machine, parts: list[bytes]) -> None:
    """Any mixture of lines is counted as it is listed, by events, bytes, days and names."""
    lay(machine, *parts)
    found = listed(machine)
    counted = listing.stats(machine.environment())
    assert (counted.total, counted.bytes) == (len(found), sum(entry.size for entry in found))
    names = {(entry.tool, entry.event, entry.state) for entry in found}
    assert {(group.tool, group.event, group.state) for group in counted.groups} == names


SELECTIONS = [
    (lines.Selection(tools=("lstk",)), "b"),
    (lines.Selection(tools=("lstk", "usagectl")), "abd"),
    (lines.Selection(events=("session",)), "c"),
    (lines.Selection(events=("nope",)), ""),
    (lines.Selection(since=NOW), "cd"),
    (lines.Selection(until=NOW), "ab"),
    (lines.Selection(since=NOW - timedelta(hours=1), until=NOW + timedelta(hours=1)), "bc"),
    (lines.Selection(uids=("uid-a", "uid-d")), "ad"),
    (lines.Selection(consent="x"), "d"),
    (lines.Selection(tools=("usagectl",), since=NOW), "d"),
]


@pytest.mark.parametrize(("selection", "uids"), SELECTIONS, ids=lambda value: str(value)[:70])
@pytest.mark.parametrize("is_even", [True, False], ids=["sound", "with a torn line"])
def test_selections_hold_for_both(
    selection: lines.Selection,
    uids: str,
    is_even: bool,  # noqa: FBT001
    machine: Machine,
) -> None:
    """List and count take the same events; a torn line between them changes nothing."""
    hour = timedelta(hours=1)
    lay(
        machine,
        record(uid="uid-a", time=NOW - 2 * hour),
        b"" if is_even else b"{torn\n",
        record(uid="uid-b", time=NOW - hour, tool="lstk", kind="lstk_command"),
        record(uid="uid-c", tool="localstack", kind="session"),
        record(uid="uid-d", time=NOW + hour, consent="x"),
    )
    found = listed(machine, selection=selection)
    assert "".join(entry.uid[-1] for entry in found) == uids
    counted = listing.stats(machine.environment(), ("pending",), selection)
    assert (counted.total, counted.bytes) == (len(uids), sum(entry.size for entry in found))


def test_counts_are_grouped(machine: Machine) -> None:
    """Events are counted by day, tool, name and state, in that order."""
    lay(machine, record(), record(), record(time=NOW + timedelta(days=1)), record(kind="x"))
    lay(machine, header(), record(), state="sent")
    counted = listing.stats(machine.environment())
    assert list(map(tuple, counted.groups)) == [
        ("2026-11-23", "usagectl", "cli_cmd", "pending"),
        ("2026-11-23", "usagectl", "cli_cmd", "sent"),
        ("2026-11-23", "usagectl", "x", "pending"),
        ("2026-11-24", "usagectl", "cli_cmd", "pending"),
    ]
    assert list(counted.groups.values()) == [2, 1, 1, 1]
    assert counted.by("state") == {("pending",): 4, ("sent",): 1}
    assert listing.stats(machine.environment(), ("sent",)).total == 1


@pytest.mark.parametrize(
    ("time", "day", "shown"),
    [
        ("2026-11-23T23:30:00-05:00", "2026-11-24", "2026-11-24 04:30:00"),
        ("2026-11-23T00:30:00+02:00", "2026-11-22", "2026-11-22 22:30:00"),
        ("2026-11-23T06:30:00Z", "2026-11-23", "2026-11-23 06:30:00"),
        ("2026-11-23T06:30:00.999999", "2026-11-23", "2026-11-23 06:30:00"),
        ("soon", "unknown", "soon"),
        ("0001-01-01T00:00:00+14:00", "unknown", "0001-01-01T00:00:00+14:00"),
        ("9999-12-31T23:59:59-14:00", "unknown", "9999-12-31T23:59:59-14:00"),
    ],
)
def test_days_and_times_are_those_of_utc(time: str, day: str, shown: str, machine: Machine) -> None:
    """A time of another zone is turned to UTC; what is no instant stands as it is."""
    lay(machine, record(time=time))
    assert [group.day for group in listing.stats(machine.environment()).groups] == [day]
    assert [listing.recorded_at(entry) for entry in listed(machine)] == [shown]


@pytest.mark.parametrize("most", [None, 1, 2, 3, 5, 99])
def test_the_newest_are_kept(most: int | None, machine: Machine) -> None:
    """Of several states those recorded last stay, in the order they came in; all are counted."""
    hours = {"pending": (1, 6), "sent": (0, 2, 5), "rejected": (3, 4)}
    for state, times in hours.items():
        texts = [record(uid=f"u{h}", time=NOW + timedelta(hours=h)) for h in times]
        lay(machine, header(), *texts, state=state)
    found = listed(machine, *listing.STATES)
    kept, total = listing.newest(iter(found), most)
    count = 7 if most is None else min(most, 7)
    assert total == 7
    assert sorted(entry.uid for entry in kept) == [f"u{hour}" for hour in range(7 - count, 7)]
    assert kept == [entry for entry in found if entry in kept]


def test_the_order_of_one_state_is_that_of_its_lines(machine: Machine) -> None:
    """A clock that went back does not change which events of a state came in last."""
    texts = [record(uid=f"u{number}", time=NOW - timedelta(hours=number)) for number in range(4)]
    lay(machine, *texts)
    kept, _ = listing.newest(listing.entries(machine.environment(), ("pending",)), 2)
    assert [entry.uid for entry in kept] == ["u2", "u3"]


def test_a_segment_that_cannot_be_read(machine: Machine) -> None:
    """It ends the reading; whoever asks to be told of it gets all the others."""
    lay(machine, record(uid="a"), number=1)
    (machine.state_dir / "spool" / "00000002.jsonl").mkdir()
    lay(machine, record(uid="c"), number=3)
    with pytest.raises(FileUnreadableError, match=r"00000002\.jsonl"):
        listed(machine)
    with pytest.raises(FileUnreadableError):
        listing.stats(machine.environment())
    problems: list[FileUnreadableError] = []
    environment = machine.environment()
    found = listing.entries(environment, ("pending",), on_problem=problems.append)
    assert [entry.uid for entry in found] == ["a", "c"]
    assert listing.stats(environment, on_problem=problems.append).total == 2
    assert len(problems) == 2


def test_a_folder_that_cannot_be_listed(machine: Machine) -> None:
    """That is an error also for whoever passes over single segments: nothing was read."""
    (machine.state_dir).mkdir()
    loop = machine.state_dir / "spool"
    loop.symlink_to(loop)
    with pytest.raises(SpoolUnwritableError):
        list(listing.entries(machine.environment(), ("pending",), on_problem=print))


def test_nothing_is_there(machine: Machine) -> None:
    """Without a spool, and without a home to keep one in, there is nothing to list or count."""
    for environment in (machine.environment(), machine.environment(state_dir=None)):
        assert list(listing.entries(environment, listing.STATES)) == []
        assert listing.stats(environment) == ({}, 0)


@REST
@given(instant=st.datetimes(timezones=st.just(UTC)), day=st.integers(-1, 1))
def test_any_instant_can_be_selected_by(machine: Machine, instant: datetime, day: int) -> None:
    """No instant that a line may hold fails a selection, however far away it is."""
    lay(machine, record(time=instant))
    selection = lines.Selection(since=NOW + timedelta(days=day))
    assert len(listed(machine, selection=selection)) == (instant >= selection.since)  # type: ignore[operator]
    assert os.listdir(machine.state_dir / "spool") == ["00000001.jsonl"]  # noqa: PTH208
