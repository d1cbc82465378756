"""Tests of `usagectl spool` as people use it: list, show, stats, export, purge."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import run_inside
from tests.support.endpoint import Endpoint
from tests.support.machine import NOW
from usagectl import spool
from usagectl.cli import _filters
from usagectl.errors import InvalidValueError
from usagectl.spool import listing

if TYPE_CHECKING:
    from tests.support.machine import Machine, Outcome


def put(
    machine: Machine, count: int, *, tool: str = "usagectl", kind: str = "e", days: int = 0
) -> None:
    """Put numbered events into the spool, so many days ago."""
    environment = machine.environment(now=lambda: NOW - timedelta(days=days))
    for number in range(count):
        body = b'{"name":"%b","metadata":{},"payload":{"n":%d}}' % (kind.encode(), number)
        spool.append(environment, body, tool=tool, kind=kind)


def run(machine: Machine, *words: str) -> Outcome:
    """Run `usagectl spool …` without recording it."""
    machine.variables["DO_NOT_TRACK"] = "1"
    return run_inside(machine.environment(), "spool", *words)


def listed(machine: Machine, *words: str) -> list[tuple[str, str]]:
    """List tool and event of what `spool list` gives."""
    found = run(machine, "list", "--json", *words).data["events"]
    return [(each["tool"], each["event"]) for each in found]


def test_filters_of_list(machine: Machine) -> None:
    """Tool, event, time and number choose; the oldest come first, and the total is said."""
    put(machine, 2, kind="old", days=3)
    put(machine, 3, tool="other", days=1)
    put(machine, 2)
    assert (
        listed(machine)
        == [("usagectl", "old")] * 2 + [("other", "e")] * 3 + [("usagectl", "e")] * 2
    )
    assert listed(machine, "--tool", "other") == [("other", "e")] * 3
    assert listed(machine, "--event", "old", "--event", "none") == [("usagectl", "old")] * 2
    assert listed(machine, "--since", "2d", "--until", "2h") == [("other", "e")] * 3
    assert listed(machine, "--since", "2026-11-23") == [("usagectl", "e")] * 2
    assert listed(machine, "--limit", "1") == [("usagectl", "e")]
    assert run(machine, "list", "--limit", "3", "--json").data["total"] == 7
    assert "7 events waiting." in run(machine, "list").stdout
    assert "--limit 0 shows all" in run(machine, "list", "--limit", "2").stdout


@pytest.mark.parametrize("words", [(), ("list",), ("show",), ("stats",), ("list", "--rejected")])
def test_an_empty_spool(words: tuple[str, ...], machine: Machine) -> None:
    """Nothing there is said in words, with a next step, and is no failure."""
    done = run(machine, *words)
    assert done.status == 0
    assert done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "back"),
    [("90s", 90), ("30m", 1800), ("2h", 7200), ("7d", 604_800), ("1w", 604_800), (" 1h ", 3600)],
)
def test_spans_back_from_now(text: str, back: int) -> None:
    """A number and a unit count back from now."""
    assert _filters.parse_when(text, now=NOW) == NOW - timedelta(seconds=back)


@pytest.mark.parametrize("text", ["2026-11-23T06:30", "2026-11-23T07:30+01:00", "20261123T063000Z"])
def test_instants_without_a_zone_are_utc(text: str) -> None:
    """ISO 8601 is read; without a zone it is UTC."""
    assert _filters.parse_when(text, now=NOW) == NOW.replace(second=0, microsecond=0)


@pytest.mark.parametrize(
    "text", ["", "soon", "7", "-1d", "7y", "999999999w", "2026-13-01", "\u0667d"]
)
def test_what_is_no_instant(text: str) -> None:
    """What is neither is refused, and what is wanted is said."""
    with pytest.raises(InvalidValueError, match="2h"):
        _filters.parse_when(text, now=NOW)


def test_show(machine: Machine) -> None:
    """An event is found by the beginning of its uid, whole, in words, raw and as JSON."""
    put(machine, 3)
    entries = list(listing.entries(machine.environment(), ["pending"]))
    chosen = entries[1]
    done = run(machine, "show", chosen.uid[:18], "--json")
    assert done.data["events"][-1]["body"].encode() in [entry.body for entry in entries]
    assert run(machine, "show", chosen.uid, "--raw").stdout.encode() == chosen.body + b"\n"
    text = run(machine, "show", chosen.uid).stdout
    assert chosen.uid in text
    assert '"n": 1' in text
    assert run(machine, "show", "--raw").stdout.encode() == b"".join(
        e.body + b"\n" for e in entries
    )


def test_stats(machine: Machine) -> None:
    """Counts by state, tool, event and day add up, also after a replay."""
    put(machine, 4, kind="a", days=2)
    put(machine, 3, kind="b", tool="other")
    with Endpoint() as endpoint:
        run_inside(machine.environment(), "replay", "--to", endpoint.base, "--event", "b")
    machine.variables["DO_NOT_TRACK"] = "1"
    data = run(machine, "stats", "--json", "--event", "a", "--event", "b").data
    assert (data["events"], data["by_state"]) == (7, {"pending": 4, "sent": 3})
    assert data["by_tool"] == {"other": 3, "usagectl": 4}
    assert data["by_event"] == {"a": 4, "b": 3}
    assert [(each["day"], each["event"], each["count"]) for each in data["by_day"]] == [
        ("2026-11-21", "a", 4),
        ("2026-11-23", "b", 3),
    ]
    shown = run(machine, "stats").stdout
    assert "####" in shown
    assert "\x1b[" not in shown


def test_export_and_back(machine: Machine) -> None:
    """An export is the spool's own lines; a file that is there is not replaced by accident."""
    put(machine, 5)
    (segment,) = (machine.state_dir / "spool").glob("*.jsonl")
    file = machine.cwd / "out.jsonl"
    assert run(machine, "export", "out.jsonl", "--dry-run").status == 0
    assert not file.exists()
    data = run(machine, "export", "out.jsonl", "--json").data
    assert (data["events"], data["bytes"]) == (5, file.stat().st_size)
    assert file.read_bytes() == segment.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    again = run(machine, "export", "out.jsonl", "--events", "--json")
    assert (again.status, again.envelope["errors"][0]["code"]) == (3, "file-exists")
    assert file.read_bytes() == segment.read_bytes()
    assert run(machine, "export", "out.jsonl", "--events", "--force").status == 0
    assert [json.loads(line)["payload"]["n"] for line in file.read_bytes().splitlines()] == [
        *range(5)
    ]
    assert run(machine, "export").stdout.encode() == segment.read_bytes()
    failed = run(machine, "export", "no/such/folder", "--json")
    assert (failed.status, failed.envelope["errors"][0]["code"]) == (3, "file-unwritable")


def test_purge(machine: Machine) -> None:
    """Only what is meant goes, for good; a dry run says the same number and removes nothing."""
    put(machine, 4, kind="a")
    put(machine, 3, kind="b")
    assert run(machine, "purge", "--event", "a", "--dry-run", "--json").data["purged"] == 4
    assert len(listed(machine)) == 7
    assert run(machine, "purge", "--event", "a", "--yes", "--json").data["purged"] == 4
    assert listed(machine) == [("usagectl", "b")] * 3
    assert "3 events removed." in run(machine, "purge").stdout
    assert listed(machine) == []


def test_hostile_lines_drive_no_terminal(machine: Machine) -> None:
    """Control characters in a line are escaped wherever it is shown to a person."""
    evil = "\x1b]0;owned\x07\x1b[31m"
    body = json.dumps({"name": evil, "metadata": {}, "payload": {evil: evil}}).encode()
    spool.append(machine.environment(), body, tool=evil, kind=evil)
    for words in ((), ("list",), ("show",), ("stats",)):
        done = run(machine, *words)
        assert done.status == 0
        assert "\x1b" not in done.stdout
        assert "\x07" not in done.stdout


def test_values_stay_out_of_lists(machine: Machine) -> None:
    """Lists and counts show names and sizes; what an event holds is shown by `show` alone."""
    body = b'{"name":"e","metadata":{},"payload":{"secret":"canary-77"}}'
    spool.append(machine.environment(), body, tool="usagectl", kind="e")
    for words in ((), ("list",), ("list", "--json"), ("stats",), ("stats", "--json")):
        assert "canary" not in run(machine, *words).stdout
    assert "canary-77" in run(machine, "show").stdout


def test_no_limit_is_too_large_to_be_told(machine: Machine) -> None:
    """A number beyond every spool is a slip on the command line, not a crash."""
    for words in (("spool", "list", "--limit", "9" * 20), ("spool", "list", "--limit", "-1")):
        found = machine.run(*words)
        assert (found.status, "Traceback" in found.stderr) == (2, False)
