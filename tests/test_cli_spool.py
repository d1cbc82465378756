"""Tests of `usagectl spool`: what it shows, writes and removes, and what it never lets through."""

from __future__ import annotations

import json
import os
import re
import stat
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support import confined
from tests.support.commands import run_inside
from tests.support.laid import CANARY, EVENT, HOSTILE
from tests.support.machine import NOW
from tests.support.spooling import HANDOVER, lay, make_record, read, spool_file
from tests.support.terminals import ESCAPE, answer, draw_all, needs_terminal
from usagectl import spool
from usagectl.cli._options import parse_when
from usagectl.errors import InvalidValueError
from usagectl.events.record import to_line
from usagectl.events.slicing import parse_line

if TYPE_CHECKING:
    from tests.support.machine import Machine, Outcome

needs_posix = pytest.mark.skipif(os.name == "nt", reason="pipes and modes are POSIX")
HOUR = timedelta(hours=1)


@pytest.fixture
def quiet(machine: Machine) -> Machine:
    """Make a machine on which usagectl records no event of its own."""
    machine.variables["DO_NOT_TRACK"] = "1"
    return machine


@pytest.fixture
def filled(quiet: Machine) -> Machine:
    """Put events of every state and of two tools into the spool."""
    refused = HANDOVER._replace(status=400, answer="no")
    lay(quiet, make_record(EVENT, uid="sent-1", time=NOW - 72 * HOUR), state="sent")
    back = (make_record(EVENT, uid=f"back-{n}") for n in (1, 2))
    lay(quiet, *back, state="rejected", handover=refused)
    lay(quiet, *(make_record(EVENT, uid=f"wait-{n}", time=NOW - (9 - n) * HOUR) for n in range(6)))
    lay(quiet, make_record(EVENT, uid="lstk-1", tool="lstk", kind="lstk_command"))
    return quiet


def ask(machine: Machine, *words: str) -> Outcome:
    """Run `usagectl spool` inside this process."""
    return run_inside(machine.environment(), "spool", *words)


def uids(outcome: Outcome) -> list[str]:
    """Return the uids of an answer, in its order."""
    return [event["uid"] for event in outcome.data["events"]]


# The summary.


def test_the_summary_counts_every_state(filled: Machine) -> None:
    """`usagectl spool` answers by itself: where, how much of what, and what to do next."""
    data = ask(filled, "--json").data
    assert (data["pending"], data["sent"], data["rejected"]) == (7, 1, 2)
    assert (data["path"], data["problem"]) == (str(spool_file(filled)), "")
    shown = ask(filled).stdout
    assert shown.startswith(f"7 events waiting in {spool_file(filled)}.\n")
    assert "\nNext: usagectl spool list" in shown


def test_one_event_is_one(quiet: Machine) -> None:
    """A single event is not spoken of as several, in any answer."""
    lay(quiet, make_record())
    for words in ("", "list", "stats", "export x.jsonl", "purge --dry-run"):
        shown = ask(quiet, *words.split()).stdout
        assert re.search(r"\b1 event\b", shown), words
        assert "1 events" not in shown


def test_an_empty_spool_says_so(quiet: Machine) -> None:
    """Where nothing is, a sentence says it and names what to do; nothing fails, or is made."""
    for words in ("", "list", "list --sent", "list --rejected", "show", "stats", "purge --yes"):
        outcome = ask(quiet, *words.split())
        assert (outcome.status, outcome.stderr) == (0, ""), words
        assert re.match(r"(0 events|No such event)", outcome.stdout), words
    assert ask(quiet, "list", "--json").data == {"events": [], "shown": 0, "total": 0}
    assert not quiet.state_dir.exists()


def test_what_is_wrong_is_said(filled: Machine) -> None:
    """A spool that cannot be read is a sentence in the summary, and status 3 elsewhere.

    An export makes no file then, and one that was there stays.
    """
    before = filled.cwd / "before"
    before.write_text("mine")
    spool_file(filled).rename(spool_file(filled).with_name("before"))
    spool_file(filled).write_bytes(b"hello" * 1000)
    outcome = ask(filled)
    assert (outcome.status, str(spool_file(filled)) in outcome.stdout) == (0, True)
    assert f"  try: ls -ld {spool_file(filled)}" in outcome.stdout
    assert outcome.stdout.startswith("Nobody knows what waits")
    data = ask(filled, "--json").data
    assert (data["pending"], "not a database" in data["problem"]) == (None, True)
    for words in (
        *("list", "show", "show --raw", "stats", "export", "purge --dry-run"),
        *("export out.jsonl", "export before --force"),
    ):
        outcome = ask(filled, *words.split())
        assert (outcome.status, outcome.stdout) == (3, ""), words
        assert "[file-unreadable]" in outcome.stderr
    assert ([*filled.cwd.iterdir()], before.read_text()) == ([before], "mine")
    outcome = ask(filled, "purge", "--yes")
    assert (outcome.status, "[spool-set-aside]" in outcome.stderr) == (4, True)
    assert "was set aside as spool.db.corrupt-" in ask(filled).stdout


# list


def test_list_shows_what_waits(filled: Machine) -> None:
    """Without an option those that wait are listed, oldest first, with their answers when asked."""
    (sent,) = ask(filled, "list", "--sent", "--json").data["events"]
    assert (sent["to"], sent["status"], sent["answer"]) == ("https://h.example", 200, "")
    assert (sent["state"], sent["bytes"]) == ("sent", len(EVENT))
    waiting = ask(filled, "list", "--json").data["events"][0]
    assert (waiting["at"], waiting["to"], waiting["status"], waiting["answer"]) == (None,) * 4
    shown = ask(filled, "list", "--rejected").stdout
    assert shown.startswith("2 events rejected.\n")
    assert "\nrefused 2026-11-23 07:00:00 by https://h.example, status 400: no\n" in shown


def test_what_is_listed(filled: Machine) -> None:
    """Options narrow the list; a name that never occurs is an empty answer, no mistake."""
    waiting = "wait-0 wait-1 wait-2 wait-3 wait-4 wait-5 lstk-1"
    expected = {
        "": waiting,
        "--rejected": "back-1 back-2",
        "--state rejected": "back-1 back-2",
        "--rejected --state rejected --rejected": "back-1 back-2",
        "--state rejected --state sent": "sent-1 back-1 back-2",
        "--sent --rejected": "sent-1 back-1 back-2",
        "--tool lstk": "lstk-1",
        "--tool lstk --tool nope": "lstk-1",
        "--event lstk_command --event session": "lstk-1",
        "--tool nope": "",
        "--event nope": "",
        "--since 4h": "wait-5 lstk-1",
        "--since 1w --until 7h": "wait-0 wait-1",
        "--since 2026-11-23T02:30:00.123456": "wait-5 lstk-1",
        "--until 2026-11-23": "wait-0 wait-1 wait-2",
        "--limit 2": "wait-5 lstk-1",
        "--limit 0": waiting,
        "--sent --state pending --limit 1": "lstk-1",
    }
    found = {words: ask(filled, "list", *words.split(), "--json") for words in expected}
    assert {words: " ".join(uids(outcome)) for words, outcome in found.items()} == expected


def test_the_list_says_how_many_more(filled: Machine) -> None:
    """What is not shown is counted, with the option that shows all, a line an event."""
    outcome = ask(filled, "list", "--limit", "2")
    assert outcome.stdout.startswith("The newest 2 of 7 events waiting.\n")
    assert "\n--limit 0 shows all.\n" in outcome.stdout
    assert ask(filled, "list", "--limit", "2", "--json").data["total"] == 7
    assert "--limit 0" not in ask(filled, "list", "--limit", "7").stdout
    for number_ in ("9" * 20, "-1"):
        outcome = ask(filled, "list", "--limit", number_)
        assert (outcome.status, "Traceback" in outcome.stderr) == (2, False)
    lay(filled, *(make_record(uid=f"uid-{n}") for n in range(20_000)))
    assert ask(filled, "list", "--limit", "0").stdout.count("uid-") == 20_000


def test_values_of_events_stay_inside(filled: Machine) -> None:
    """List and counts hold names alone; nothing of an event's bytes is in them."""
    every = ("--state", "sent", "--state", "rejected", "--state", "pending")
    for words in ((), ("list",), ("stats",), ("list", *every), ("stats", *every)):
        for more in ((), ("--json",)):
            assert CANARY not in ask(filled, *words, *more).stdout, words
    assert CANARY in ask(filled, "show").stdout


def test_what_waits_is_asked_for_by_the_word_of_the_screens(filled: Machine) -> None:
    """The screens say waiting and JSON says pending: both words mean it, and the help has one."""
    for path in ("list", "show", "stats"):
        one, other = (ask(filled, path, "--state", w, "--json") for w in ("waiting", "pending"))
        assert (one.status, other.status, one.data) == (0, 0, other.data)
        assert "pending" not in ask(filled, path).stdout + ask(filled, path, "--help").stdout


def test_no_credentials_and_no_path_of_an_address(quiet: Machine) -> None:
    """Of an endpoint scheme, host and port are shown, whatever the log holds."""
    addresses = ("https://me:secret@h.example:8443/v1?key=secret", "secret")
    states: tuple[spool.State, ...] = ("sent", "rejected")
    for state, address in zip(states, addresses, strict=True):
        lay(quiet, make_record(), state=state, handover=HANDOVER._replace(to=address))
    for words in ("list --sent --rejected", "show --sent --rejected"):
        for more in ((), ("--json",)):
            shown = ask(quiet, *words.split(), *more).stdout
            assert "https://h.example:8443" in shown
            assert "secret" not in shown


# show


def test_show_takes_the_beginning_of_a_uid(filled: Machine) -> None:
    """An ambiguous beginning shows all that fit, in every state, once each."""
    assert uids(ask(filled, "show", "wait-3", "--json")) == ["wait-3"]
    assert uids(ask(filled, "show", "back", "back-1", "--json")) == ["back-1", "back-2"]
    assert uids(ask(filled, "show", "sent", "lstk", "--json")) == ["lstk-1", "sent-1"]
    assert ask(filled, "show", "wait-3", "--sent", "--json").status == 1


def test_each_unknown_uid_is_named(filled: Machine) -> None:
    """What was found is shown; each uid that no event has is an error beside it."""
    for more in ((), ("--raw",), ("--json",)):
        outcome = ask(filled, "show", "wait-3", "nope-1", "nope-2", *more)
        assert (outcome.status, CANARY in outcome.stdout) == (1, True)
        told = outcome.stdout if "--json" in more else outcome.stderr
        assert told.count("unknown-uid") == 2
        assert "nope-1" in told
        assert "nope-2" in told
        assert ask(filled, "show", "nope-1", *more).status == 1


def test_show_is_laid_out_or_exact(quiet: Machine) -> None:
    """Setting out in lines may change no character: where it would, the event stands as it is.

    For a program every event is exact: `test_same_bytes` holds it of a thousand.
    """
    bodies = {
        b'{"a":1,"b":"\xc3\xa9"}': '{\n  "a": 1,\n  "b": "é"\n}\n',
        b'{"a": 1}': '{\n  "a": 1\n}\n',
        b'{"a":1,"a":2}': '{"a":1,"a":2}\n',
        b'{"a":1.10}': '{"a":1.10}\n',
        b'{"a":"\\u00e9"}': '{\n  "a": "\\u00e9"\n}\n',
        b'{"a":"\xc3\xa9\\u009b\\u202e"}': '{"a":"é\\u009b\\u202e"}\n',
        b'{"a":"\xe2\x80\xae"}': '{"a":"\\u202e"}\n',
        b'{"a":' + b"1" * 5000 + b"}": '{"a":' + "1" * 5000 + "}\n",
        b'{"a": -0,"b":"}}", "c":",\\"event\\":{"}': '{"a": -0,"b":"}}", "c":",\\"event\\":{"}\n',
    }
    for body, shown in bodies.items():
        lay(quiet, make_record(body))
        assert ask(quiet, "show").stdout.endswith(shown), body
    exact = "".join(body.decode() + "\n" for body in bodies)
    assert ask(quiet, "show", "--raw").stdout == ask(quiet, "export", "--events").stdout == exact
    found = ask(quiet, "show", "--json").data["events"]
    assert [event["body"].encode() for event in found] == list(bodies)


def test_show_stops_at_twenty(quiet: Machine) -> None:
    """A person gets the newest twenty and is told how to get the others; JSON and raw have all."""
    lay(quiet, *(make_record(uid=f"uid-{n:02}") for n in range(25)))
    shown = ask(quiet, "show").stdout
    assert (shown.count("uid-"), "uid-04" in shown, "uid-05" in shown) == (20, False, True)
    assert shown.endswith("These are the newest 20 of 25; --raw or --json gives all.\n")
    assert len(uids(ask(quiet, "show", "--json"))) == 25
    assert ask(quiet, "show", "--raw").stdout.count("\n") == 25


# export


def test_an_export_is_a_new_file_of_its_owner(filled: Machine) -> None:
    """It has mode 0600, one record a line of any state, and nothing else is left beside it."""
    file = filled.cwd / "out.jsonl"
    assert ask(filled, "export", "out.jsonl", "--dry-run").status == 0
    assert not file.exists()
    data = ask(filled, "export", "out.jsonl", "--json").data
    size = file.stat().st_size
    assert (data["file"], data["events"], data["bytes"]) == (str(file), 7, size)
    assert (data["form"], data["dry_run"]) == ("records", False)
    assert os.name == "nt" or stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in filled.cwd.iterdir()] == ["out.jsonl"]
    assert ask(filled, "export", "out.jsonl", "--events", "--force", "--json").data["bytes"] < size
    (line,) = ask(filled, "export", "--state", "sent").stdout.splitlines()
    sent = make_record(EVENT, uid="sent-1", time=NOW - 72 * HOUR)
    assert line.encode() == to_line(sent)


@needs_posix
def test_what_is_there_is_not_replaced(filled: Machine) -> None:
    """A file, or a link even to nowhere, stays unless --force is typed; a link itself stays."""
    file, link = filled.cwd / "there", filled.cwd / "link"
    file.write_text("mine")
    link.symlink_to(filled.cwd / "target")
    for name in ("there", "link"):
        outcome = ask(filled, "export", name, "--json")
        assert (outcome.status, outcome.envelope["errors"][0]["code"]) == (3, "file-exists")
        assert "--force" in outcome.envelope["errors"][0]["hint"]
    assert (file.read_text(), link.exists()) == ("mine", False)
    assert ask(filled, "export", "there", "--force").status == 0
    assert ask(filled, "export", "link", "--force").status == 0
    assert file.read_bytes() == (filled.cwd / "target").read_bytes() != b"mine"
    assert link.is_symlink()


@needs_posix
def test_what_is_no_file_is_never_replaced(filled: Machine) -> None:
    """A rename would put a file in the place of a pipe, a device or a folder: /dev/null, say."""
    os.mkfifo(filled.cwd / "pipe")
    (filled.cwd / "folder").mkdir()
    for words in ("pipe", "pipe --dry-run", "folder", "folder --dry-run", "no-such-folder/out"):
        outcome = ask(filled, "export", "--force", *words.split())
        assert (outcome.status, "[file-unwritable]" in outcome.stderr) == (3, True), words
    assert stat.S_ISFIFO((filled.cwd / "pipe").stat().st_mode)
    assert sorted(each.name for each in filled.cwd.iterdir()) == ["folder", "pipe"]


# stats


def test_counts_of_every_kind(filled: Machine) -> None:
    """The sums by state, tool, name and day all add up to the events that are there."""
    data = ask(filled, "stats", "--json").data
    assert data["by_state"] == {"pending": 7, "sent": 1, "rejected": 2}
    assert data["by_tool"] == {"lstk": 1, "usagectl": 9}
    assert data["by_event"] == {"cli_cmd": 9, "lstk_command": 1}
    assert data["events"] == sum(group["count"] for group in data["by_day"]) == 10
    assert {group["day"] for group in data["by_day"]} == {"2026-11-20", "2026-11-22", "2026-11-23"}
    assert data["lost"] == {"full": 0, "old": 0, "unwritable": 0}
    assert data["bytes"] == 10 * len(EVENT)
    # Nothing is counted, exported or removed twice.
    twice = ("--state", "sent", "--state", "sent")
    assert ask(filled, "stats", *twice, "--json").data["events"] == 1
    assert ask(filled, "export", *twice).stdout.count("\n") == 1
    assert ask(filled, "purge", *twice, "--dry-run", "--json").data["purged"] == 1


def test_losses_are_said(filled: Machine) -> None:
    """What was lost is part of the counts, with its reason."""
    with spool.opened(spool_file(filled)) as store:
        store.add_loss("full", 2)
        store.add_loss("unwritable", 1)
    shown = ask(filled, "stats").stdout
    assert "Lost: 3: 2 since the spool was full, 1 since the disk took" in shown
    lost = {"full": 2, "old": 0, "unwritable": 1}
    assert ask(filled, "stats", "--json").data["lost"] == ask(filled, "--json").data["lost"] == lost


def test_thousands_of_names_fill_no_screen(quiet: Machine) -> None:
    """Who forges names gets them counted, not drawn: the most frequent stand for all."""
    forged = [make_record(kind=f"k{n}") for n in range(5000)]
    lay(quiet, *forged, make_record(), make_record())
    shown = ask(quiet, "stats").stdout.splitlines()
    assert len(shown) < 60
    assert max(map(len, shown)) < 200
    assert shown[-3].endswith(" other")
    assert shown[3].split() == ["cli_cmd", "usagectl", "2", "0", "0"]
    assert "  and 4971 more; --json has all" in shown
    assert len(ask(quiet, "stats", "--json").data["by_event"]) == 5001


# purge


def test_purge_removes_what_was_not_sent(filled: Machine) -> None:
    """Without --state what waits and what was refused go; the log of what was sent stays."""
    before = ask(filled, "purge", "--dry-run", "--json").data
    assert before == {"purged": 9, "dry_run": True, "states": ["pending", "rejected"]}
    assert ask(filled, "--json").data["pending"] == 7
    assert ask(filled, "purge", "--yes").stdout == "9 events removed.\n"
    left = ask(filled, "--json").data
    assert (left["pending"], left["sent"], left["rejected"]) == (0, 1, 0)
    assert ask(filled, "purge", "--state", "sent", "--json").data["purged"] == 1
    assert ask(filled, "--json").data["sent"] == 0


def test_purge_takes_what_is_selected_alone(filled: Machine) -> None:
    """A filter removes its events and leaves every other one as it is."""
    assert ask(filled, "purge", "--tool", "lstk", "--yes", "--json").data["purged"] == 1
    assert ask(filled, "purge", "--since", "4h", "--state", "pending", "--json").data["purged"] == 1
    assert uids(ask(filled, "list", "--json")) == [f"wait-{n}" for n in range(5)]


@needs_posix
def test_purge_asks_on_a_terminal(filled: Machine) -> None:
    """A person is asked with the number, and a No changes nothing; who has answered is not."""
    words = ("spool", "purge", "--state", "pending")
    status, drawn = answer(filled, *words, typed=b"n\n")
    assert (status, b"Remove 7 events for good?" in drawn) == (1, True)
    assert b"Nothing was changed." in drawn
    assert b"[y/N]" not in answer(filled, *words, "--dry-run", typed=b"n\n")[1]
    assert ask(filled, "--json").data["pending"] == 7
    assert answer(filled, *words, typed=b"y\n")[0] == 0
    assert ask(filled, "--json").data["pending"] == 0
    for option in ("--yes", "--json"):
        lay(filled, make_record())
        status, drawn = answer(filled, *words, option, typed=b"n\n")
        assert (status, b"[y/N]" in drawn, read(filled)) == (0, False, [])


# when


def test_forms_of_an_instant() -> None:
    """A date, a date and time with or without a zone, or so long ago."""
    hours = {
        "90s": -0.025,
        "30m": -0.5,
        "2h": -2,
        " 1h ": -1,
        "7d": -168,
        "1w": -168,
        "0s": 0,
        "2026-11-23T06:30:00.123456": 0,
        "2026-11-23 06:30:00.123456": 0,
        "2026-11-23T06:30:00.123456Z": 0,
        "2026-11-23T08:30:00.123456+02:00": 0,
        "20261123T063000.123456Z": 0,
    }
    found = {text: (parse_when(text, now=NOW) - NOW) / HOUR for text in hours}
    assert found == hours
    midnight = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    assert parse_when("2026-11-23", now=NOW) == midnight


def test_what_is_not_an_instant() -> None:
    """What cannot be understood says what can."""
    for text in (
        *("", " ", "soon", "7", "7 d", "-7d", "1.5h", "7D", "7y", "d", "99999999999d"),
        *("999999999w", "2026-13-01", "2026-11-31", "23.11.2026", "2026-11-23T25:00", "\x1b[31m"),
        *("٣d", "1e3s"),
    ):
        with pytest.raises(InvalidValueError, match="2h"):
            parse_when(text, now=NOW)


# hostile spools


def test_hostile_events_harm_nobody(quiet: Machine) -> None:
    """Whatever an event or an answer holds, it is shown in characters that drive no terminal."""
    evil = "\x1b]0;owned\x07\x1b[31m\nFORGED\u202e"
    hostile = [found for line in HOSTILE.values() if (found := parse_line(line)) is not None]
    hostile += [make_record(json.dumps({evil: evil}).encode(), tool=evil, kind=evil, uid=evil)]
    lay(quiet, *hostile, state="rejected", handover=HANDOVER._replace(answer=evil))
    lay(quiet, *hostile)
    states = ("--state", "pending", "--state", "rejected")
    for words in ("list", "show", "stats", "purge --dry-run", "export out.jsonl --force"):
        outcome = ask(quiet, *words.split(), *states)
        assert (outcome.status, outcome.stderr) == (0, ""), words
        assert {char for char in outcome.stdout if not char.isprintable()} <= {"\n"}
        assert [line for line in outcome.stdout.splitlines() if line.startswith("FORGED")] == []
        if words in ("list", "stats"):
            assert max(map(len, outcome.stdout.splitlines())) < 400
        if words in ("list", "show", "stats"):
            assert ask(quiet, words, *states, "--json").envelope["errors"] == []


# on a terminal and in a pipe


@needs_terminal
def test_bars_are_as_long_as_their_counts(quiet: Machine) -> None:
    """The day with the most events has the longest bar; a part of it stands for each name.

    A terminal gets blocks, with a colour for each name; NO_COLOR and a pipe get marks that differ.
    """
    for day, count in ((1, 40), (2, 20), (3, 1)):
        time = NOW + timedelta(days=day)
        kinds = ("cli_cmd" if n % 2 else "session" for n in range(count))
        lay(quiet, *(make_record(time=time, kind=kind) for kind in kinds))
    (coloured,) = draw_all(quiet, [("spool stats", 80)])
    drawn = ESCAPE.sub("", coloured)
    assert drawn != coloured
    bars = re.findall(r"^  2026-11-(\d\d) +(\d+)  (▇+)$", drawn, re.MULTILINE)
    assert [each[:2] for each in bars] == [("24", "40"), ("25", "20"), ("26", "1")]
    most, half, least = (bar for _, _, bar in bars)
    assert len(most) // 2 - 1 <= len(half) <= len(most) // 2 + 1
    assert len(least) <= 2
    parts = [len(each) for each in re.findall(r"\x1b\[3\dm(▇+)", coloured)[:2]]
    assert abs(parts[0] - parts[1]) <= 1
    assert "▇ cli_cmd  ▇ session" in drawn or "▇ session  ▇ cli_cmd" in drawn
    runs = [("spool stats", 80), ("spool stats", 0)]
    for plain in draw_all(quiet, runs, variables={"NO_COLOR": "1"}):
        assert "\x1b" not in plain
        assert "# cli_cmd  = session" in plain or "# session  = cli_cmd" in plain


# What another command sees of a spool that is in a bad way: nothing.


@needs_posix
def test_a_spoilt_spool_changes_no_command(machine: Machine) -> None:
    """Rubbish in its place changes no output and no status; the event is kept in a new one.

    What else may stand there, `test_spool_database` has.
    """
    expected = run_inside(machine.environment(), "env", "bash")
    for file in machine.state_dir.glob("spool.db*"):
        file.unlink()
    spool_file(machine).write_bytes(b"\xff" * 5000)
    status = run_inside(machine.environment(), "status", "--json")
    assert (status.status, "spool-unreadable" in status.stdout) == (0, True)
    assert run_inside(machine.environment(), "env", "bash") == expected
    assert len(read(machine)) == 2


@needs_posix
def test_a_disk_that_takes_nothing_changes_no_command(machine: Machine) -> None:
    """On a full or read-only disk a command is as ever, and status says what it can."""
    expected = machine.run("env", "bash")
    for wall in (confined.full_disk(machine), confined.read_only(machine)):
        assert confined.run_behind(wall, machine, "env", "bash") == expected
    found = confined.run_behind(confined.read_only(machine), machine, "status", "--json")
    assert found.status == 0
    assert "spool-unwritable" in found.stdout
