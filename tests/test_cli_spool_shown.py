"""Tests of `usagectl spool`: what it shows, writes and removes, and what it never lets through."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import run_inside
from tests.support.laid import CANARY, HOSTILE, header, lay, make_events, record
from tests.support.machine import NOW
from tests.support.terminals import ESCAPE, needs_terminal, run_on_terminal
from usagectl.cli._filters import parse_when
from usagectl.errors import InvalidValueError

if TYPE_CHECKING:
    from tests.support.machine import Machine, Outcome

needs_posix = pytest.mark.skipif(os.name == "nt", reason="pipes and modes are POSIX")


@pytest.fixture
def quiet(machine: Machine) -> Machine:
    """Make a machine on which usagectl records no event of its own."""
    machine.variables["DO_NOT_TRACK"] = "1"
    return machine


@pytest.fixture
def filled(quiet: Machine) -> Machine:
    """Put events of every state and of two tools into the spool."""
    hour = timedelta(hours=1)
    waiting = [record(uid=f"wait-{n}", time=NOW - (9 - n) * hour) for n in range(6)]
    lay(quiet, *waiting, record(uid="lstk-1", tool="lstk", kind="lstk_command"))
    old = NOW - timedelta(days=3)
    lay(quiet, header(200, answer=""), record(uid="sent-1", time=old), state="sent")
    lay(quiet, header(400), record(uid="back-1"), record(uid="back-2"), state="rejected")
    return quiet


def ask(machine: Machine, *words: str) -> Outcome:
    """Run `usagectl spool` inside this process."""
    return run_inside(machine.environment(), "spool", *words)


def uids(outcome: Outcome) -> list[str]:
    """Give the uids of an answer, in its order."""
    return [event["uid"] for event in outcome.data["events"]]


def answer_on_terminal(machine: Machine, answer: bytes, *arguments: str) -> tuple[int, bytes]:
    """Run a command that asks, on a terminal; type the answer; give status and screen."""
    import pty

    leader, follower = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "usagectl", *arguments],
        env={**machine.process_variables(), "TERM": "dumb"},
        cwd=machine.cwd,
        stdin=follower,
        stdout=subprocess.PIPE,
        stderr=follower,
    ) as process:
        os.close(follower)
        os.write(leader, answer)
        drawn = b""
        while True:
            try:
                piece = os.read(leader, 65536)
            except OSError:
                break
            if not piece:
                break
            drawn += piece
        process.wait(timeout=60)
    os.close(leader)
    return process.returncode, drawn


# The summary.


def test_the_summary_counts_every_state(filled: Machine) -> None:
    """`usagectl spool` answers by itself: where, how much of what, and what to do next."""
    data = ask(filled, "--json").data
    assert (data["pending"], data["sent"], data["rejected"]) == (7, 1, 2)
    assert data["path"] == str(filled.state_dir / "spool")
    shown = ask(filled).stdout
    assert shown.startswith("7 events waiting in ")
    assert "\nNext: usagectl spool list" in shown


def test_one_event_is_one(quiet: Machine) -> None:
    """A single event is not spoken of as several, in any answer."""
    lay(quiet, record())
    for words in ("", "list", "stats", "export x.jsonl", "purge --dry-run"):
        shown = ask(quiet, *words.split()).stdout
        assert re.search(r"\b1 event\b", shown), words
        assert "1 events" not in shown


def test_an_empty_spool_says_so(quiet: Machine) -> None:
    """Where nothing is, a sentence says it and names what to do; nothing fails."""
    for words in ("", "list", "list --sent", "show", "stats", "purge --yes"):
        outcome = ask(quiet, *words.split())
        assert (outcome.status, outcome.stderr) == (0, ""), words
        assert re.match(r"(0 events|No such event)", outcome.stdout), words
    assert ask(quiet, "list", "--json").data == {"events": [], "shown": 0, "total": 0}


# list


def test_list_shows_what_waits(filled: Machine) -> None:
    """Without an option those that wait are listed, oldest first, with their answers when asked."""
    assert uids(ask(filled, "list", "--json")) == [*(f"wait-{n}" for n in range(6)), "lstk-1"]
    (sent,) = ask(filled, "list", "--sent", "--json").data["events"]
    assert (sent["to"], sent["status"], sent["answer"]) == ("https://h.example", 200, "")
    assert sent["state"] == "sent"
    waiting = ask(filled, "list", "--json").data["events"][0]
    assert (waiting["at"], waiting["to"], waiting["status"], waiting["answer"]) == (None,) * 4
    shown = ask(filled, "list", "--rejected").stdout
    assert shown.startswith("2 events rejected.\n")
    assert "\nrefused 2026-11-23 07:00:00 by https://h.example, status 400: no\n" in shown


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--rejected", "back-1 back-2"),
        ("--state rejected", "back-1 back-2"),
        ("--rejected --state rejected --rejected", "back-1 back-2"),
        ("--state rejected --state sent", "sent-1 back-1 back-2"),
        ("--sent --rejected", "sent-1 back-1 back-2"),
        ("--tool lstk", "lstk-1"),
        ("--tool lstk --tool nope", "lstk-1"),
        ("--event lstk_command --event session", "lstk-1"),
        ("--tool nope", ""),
        ("--event nope", ""),
        ("--since 4h", "wait-5 lstk-1"),
        ("--since 1w --until 7h", "wait-0 wait-1"),
        ("--since 2026-11-23T02:30:00.123456", "wait-5 lstk-1"),
        ("--until 2026-11-23", "wait-0 wait-1 wait-2"),
        ("--limit 2", "wait-5 lstk-1"),
        ("--limit 0", "wait-0 wait-1 wait-2 wait-3 wait-4 wait-5 lstk-1"),
        ("--sent --state pending --limit 1", "lstk-1"),
    ],
)
def test_what_is_listed(words: str, expected: str, filled: Machine) -> None:
    """Options narrow the list; a name that never occurs is an empty answer, no mistake."""
    outcome = ask(filled, "list", *words.split(), "--json")
    assert outcome.status == 0
    assert " ".join(uids(outcome)) == expected


def test_the_list_says_how_many_more(filled: Machine) -> None:
    """What is not shown is counted, with the option that shows it."""
    outcome = ask(filled, "list", "--limit", "2")
    assert outcome.stdout.startswith("The newest 2 of 7 events waiting.\n")
    assert "\n--limit 0 shows all.\n" in outcome.stdout
    assert ask(filled, "list", "--limit", "2", "--json").data["total"] == 7
    assert "--limit 0" not in ask(filled, "list", "--limit", "7").stdout


def test_a_list_of_many_ends_soon_and_whole(quiet: Machine) -> None:
    """A pipe gets a line an event, however many there are."""
    lay(quiet, *(record(uid=f"uid-{number}") for number in range(20_000)))
    shown = ask(quiet, "list", "--limit", "0").stdout
    assert shown.count("uid-") == 20_000


@pytest.mark.parametrize("path", ["list", "stats", ""])
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_values_of_events_stay_inside(path: str, more: tuple[str, ...], filled: Machine) -> None:
    """List and counts hold names alone; nothing of an event's bytes is in them."""
    for states in ((), ("--state", "sent", "--state", "rejected", "--state", "pending")):
        words = (*path.split(), *(states if path else ()), *more)
        assert CANARY not in ask(filled, *words).stdout
    assert CANARY in ask(filled, "show").stdout


@pytest.mark.parametrize("path", ["list", "show", "stats"])
def test_what_waits_is_asked_for_by_the_word_of_the_screens(path: str, filled: Machine) -> None:
    """The screens say waiting and JSON says pending: both words mean it, and the help has one."""
    shown = [ask(filled, path, "--state", word, "--json") for word in ("waiting", "pending")]
    assert shown[0].data == shown[1].data
    assert [outcome.status for outcome in shown] == [0, 0]
    assert "pending" not in ask(filled, path).stdout + ask(filled, path, "--help").stdout


def test_no_credentials_and_no_path_of_an_address(quiet: Machine) -> None:
    """Of an endpoint scheme, host and port are shown, whatever the log holds."""
    lay(quiet, header(to="https://me:secret@h.example:8443/v1?key=secret"), record(), state="sent")
    lay(quiet, header(to="secret"), record(), state="rejected")
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


@pytest.mark.parametrize("more", [(), ("--raw",), ("--json",)])
def test_each_unknown_uid_is_named(more: tuple[str, ...], filled: Machine) -> None:
    """What was found is shown; each uid that no event has is an error beside it."""
    outcome = ask(filled, "show", "wait-3", "nope-1", "nope-2", *more)
    assert outcome.status == 1
    assert CANARY in outcome.stdout
    told = outcome.stdout if "--json" in more else outcome.stderr
    assert told.count("unknown-uid") == 2
    assert "nope-1" in told
    assert "nope-2" in told
    assert ask(filled, "show", "nope-1", *more).status == 1


def test_show_is_laid_out_or_exact(quiet: Machine) -> None:
    """Setting out in lines may change no character: where it would, the event stands as it is."""
    bodies = {
        b'{"a":1,"b":"\xc3\xa9"}': '{\n  "a": 1,\n  "b": "é"\n}\n',
        b'{"a": 1}': '{\n  "a": 1\n}\n',
        b'{"a":1,"a":2}': '{"a":1,"a":2}\n',
        b'{"a":1.10}': '{"a":1.10}\n',
        b'{"a":"\\u00e9"}': '{\n  "a": "\\u00e9"\n}\n',
        b'{"a":"\xc3\xa9\\u009b\\u202e"}': '{"a":"é\\u009b\\u202e"}\n',
        b'{"a":"\xe2\x80\xae"}': '{"a":"\\u202e"}\n',
        b'{"a":' + b"1" * 5000 + b"}": '{"a":' + "1" * 5000 + "}\n",
    }
    for body, shown in bodies.items():
        lay(quiet, record(body))
        assert ask(quiet, "show").stdout.endswith(shown), body


def test_show_stops_at_twenty(quiet: Machine) -> None:
    """A person gets the newest twenty and is told how to get the others; JSON and raw have all."""
    lay(quiet, *(record(uid=f"uid-{number:02}") for number in range(25)))
    shown = ask(quiet, "show").stdout
    assert (shown.count("uid-"), "uid-04" in shown, "uid-05" in shown) == (20, False, True)
    assert shown.endswith("These are the newest 20 of 25; --raw or --json gives all.\n")
    assert len(uids(ask(quiet, "show", "--json"))) == 25
    assert ask(quiet, "show", "--raw").stdout.count("\n") == 25


def test_raw_and_json_exclude_each_other(filled: Machine) -> None:
    """Two forms at once are a mistake of usage; so is a uid too short to mean one event."""
    assert ask(filled, "show", "--raw", "--json").status == 2
    assert ask(filled, "show", "wai").status == 2


# exact bytes


@pytest.mark.parametrize("words", ["show --raw", "export --events"])
def test_exact_bytes_come_out(words: str, quiet: Machine) -> None:
    """A thousand events leave a real process byte for byte, one a line, and nothing else does."""
    events = make_events(1000)
    lay(quiet, *map(record, events))
    done = subprocess.run(
        [sys.executable, "-m", "usagectl", "spool", *words.split()],
        env=quiet.process_variables(),
        cwd=quiet.cwd,
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"".join(event + b"\n" for event in events)
    assert done.stderr == b""


def test_json_holds_the_exact_text(quiet: Machine) -> None:
    """`show --json` gives each event as text that encodes to the same bytes."""
    events = make_events(200)
    lay(quiet, *map(record, events))
    found = ask(quiet, "show", "--json").data["events"]
    assert [event["body"].encode() for event in found] == events


def test_export_is_the_spool_byte_for_byte(quiet: Machine) -> None:
    """The file equals the lines of the segments, whatever stands between them."""
    first = [record(event) for event in make_events(500)]
    second = [record(event, tool="lstk") for event in make_events(500, seed=2)]
    lay(quiet, *first, b"torn\n", number=1)
    lay(quiet, *second[:-1], second[-1].rstrip(b"\n"), number=2)
    data = ask(quiet, "export", "out.jsonl", "--json").data
    whole = b"".join(first + second)
    assert (quiet.cwd / "out.jsonl").read_bytes() == whole
    assert (data["events"], data["bytes"], data["form"]) == (1000, len(whole), "records")
    assert ask(quiet, "export").stdout.encode() == whole


def test_a_header_of_a_log_is_not_exported(filled: Machine) -> None:
    """An export holds one record a line, of logs too."""
    assert ask(filled, "export", "--state", "sent").stdout.encode() == record(
        uid="sent-1", time=NOW - timedelta(days=3)
    )


# export


def test_an_export_can_be_read_by_its_owner_alone(filled: Machine) -> None:
    """The file is new, of mode 0600, and nothing else is left beside it."""
    outcome = ask(filled, "export", "out.jsonl", "--events", "--json")
    file = filled.cwd / "out.jsonl"
    assert outcome.data == {
        "file": str(file),
        "events": 7,
        "bytes": file.stat().st_size,
        "form": "events",
        "dry_run": False,
    }
    assert os.name == "nt" or stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in filled.cwd.iterdir()] == ["out.jsonl"]


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
@pytest.mark.parametrize("words", [("--force",), ("--force", "--dry-run")])
def test_what_is_no_file_is_never_replaced(words: tuple[str, ...], filled: Machine) -> None:
    """A rename would put a file in the place of a pipe, a device or a folder: /dev/null, say."""
    os.mkfifo(filled.cwd / "pipe")
    (filled.cwd / "folder").mkdir()
    for name in ("pipe", "folder"):
        outcome = ask(filled, "export", name, *words)
        assert outcome.status == 3
        assert "[file-unwritable]" in outcome.stderr
    assert stat.S_ISFIFO((filled.cwd / "pipe").stat().st_mode)
    assert sorted(each.name for each in filled.cwd.iterdir()) == ["folder", "pipe"]


def test_an_export_is_whole_or_not_at_all(filled: Machine) -> None:
    """Where a segment cannot be read no file appears, and one that was there stays."""
    (filled.state_dir / "spool" / "00000002.jsonl").mkdir()
    (filled.cwd / "before").write_text("mine")
    assert ask(filled, "export", "out.jsonl").status == 3
    assert ask(filled, "export", "before", "--force").status == 3
    assert ask(filled, "export", "no-such-folder/out.jsonl").status == 3
    assert [each.name for each in filled.cwd.iterdir()] == ["before"]
    assert (filled.cwd / "before").read_text() == "mine"


def test_json_needs_a_file(filled: Machine) -> None:
    """Events and an envelope cannot share stdout."""
    assert ask(filled, "export", "--json").envelope["errors"][0]["code"] == "usage"


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
    assert data["bytes"] == sum(
        event["bytes"]
        for event in ask(
            filled, "list", "--state", "pending", "--sent", "--rejected", "--json"
        ).data["events"]
    )


def test_a_state_asked_for_twice_counts_once(filled: Machine) -> None:
    """Nothing is counted, exported or removed twice."""
    twice = ("--state", "sent", "--state", "sent")
    assert ask(filled, "stats", *twice, "--json").data["events"] == 1
    assert ask(filled, "export", *twice).stdout.count("\n") == 1
    assert ask(filled, "purge", *twice, "--dry-run", "--json").data["purged"] == 1


def test_losses_are_said(filled: Machine) -> None:
    """What was lost is part of the counts, with its reason."""
    text = '{"full":2,"old":0,"unwritable":1}'
    (filled.state_dir / "spool" / "losses.json").write_text(text.ljust(127) + "\n")
    assert (
        "Lost: 3: 2 since the spool was full, 1 since the disk took" in ask(filled, "stats").stdout
    )
    assert ask(filled, "stats", "--json").data["lost"] == json.loads(text)


def test_thousands_of_names_fill_no_screen(quiet: Machine) -> None:
    """Who forges names gets them counted, not drawn: the most frequent stand for all."""
    forged = [record(kind=f"k{number}") for number in range(5000)]
    lay(quiet, *forged, record(), record())
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
    assert uids(ask(filled, "list", "--json")) == [f"wait-{number}" for number in range(6)]
    assert ask(filled, "purge", "--since", "4h", "--state", "pending", "--json").data["purged"] == 1
    assert uids(ask(filled, "list", "--json")) == [f"wait-{number}" for number in range(5)]


@needs_posix
@pytest.mark.parametrize(("answer", "status", "left"), [(b"n\n", 1, 7), (b"y\n", 0, 0)])
def test_purge_asks_on_a_terminal(answer: bytes, status: int, left: int, filled: Machine) -> None:
    """A person is asked with the number, and a No changes nothing."""
    returned, drawn = answer_on_terminal(filled, answer, "spool", "purge", "--state", "pending")
    assert b"Remove 7 events for good?" in drawn
    assert (returned, b"Nothing was changed." in drawn) == (status, status == 1)
    assert ask(filled, "--json").data["pending"] == left


@needs_posix
@pytest.mark.parametrize("option", ["--yes", "--json", "--dry-run"])
def test_purge_asks_nobody_who_has_answered(option: str, filled: Machine) -> None:
    """--yes is the answer, --json comes from a script, a dry run changes nothing."""
    returned, drawn = answer_on_terminal(filled, b"n\n", "spool", "purge", option)
    assert (returned, b"Remove" in drawn) == (0, False)


# when


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("90s", -0.025),
        ("30m", -0.5),
        ("2h", -2),
        ("7d", -168),
        ("1w", -168),
        ("0s", 0),
        ("2026-11-23T06:30:00.123456", 0),
        ("2026-11-23 06:30:00.123456", 0),
        ("2026-11-23T06:30:00.123456Z", 0),
        ("2026-11-23T08:30:00.123456+02:00", 0),
    ],
)
def test_forms_of_an_instant(text: str, hours: float) -> None:
    """A date, a date and time with or without a zone, or so long ago."""
    assert parse_when(text, now=NOW) == NOW + timedelta(hours=hours)
    assert parse_when("2026-11-23", now=NOW) == NOW.replace(
        hour=0, minute=0, second=0, microsecond=0
    )


WRONG = ["", " ", "soon", "7", "7 d", "-7d", "1.5h", "7D", "7y", "d", "99999999999d", "999999999w"]
WRONG += ["2026-13-01", "2026-11-31", "23.11.2026", "2026-11-23T25:00", "\x1b[31m", "٣d", "1e3s"]


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_instant(text: str, machine: Machine) -> None:
    """What cannot be understood says what can, and never drives the terminal."""
    with pytest.raises(InvalidValueError):
        parse_when(text, now=NOW)
    for option in ("--since", "--until"):
        outcome = ask(machine, "list", f"{option}={text}")
        assert (outcome.status, outcome.stdout) == (2, "")
        assert "[invalid-value]" in outcome.stderr
        assert "2026-11-23" in outcome.stderr
        assert "\x1b" not in outcome.stderr


# hostile spools


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("words", ["list", "show", "stats", "purge --dry-run", "export out.jsonl"])
def test_hostile_lines_harm_nobody(words: str, name: str, quiet: Machine) -> None:
    """Whatever a segment holds, an answer comes, of characters that drive no terminal."""
    lay(quiet, record(uid="good"), HOSTILE[name], b"\n", record(uid="good"))
    lay(quiet, header(answer="\x1b[31mred\nFORGED\u202e"), HOSTILE[name], b"\n", state="rejected")
    states = ("--state", "pending", "--state", "rejected")
    outcome = ask(quiet, *words.split(), *states)
    assert (outcome.status, outcome.stderr) == (0, "")
    assert {char for char in outcome.stdout if not char.isprintable()} <= {"\n"}
    assert [line for line in outcome.stdout.splitlines() if line.startswith("FORGED")] == []
    if words in ("list", "stats"):
        assert max(map(len, outcome.stdout.splitlines())) < 400
    if words in ("list", "show", "stats"):
        assert ask(quiet, words, *states, "--json").envelope["errors"] == []


@pytest.mark.parametrize("words", ["list", "show", "show --raw", "stats", "export"])
def test_the_rest_is_shown_beside_what_cannot_be_read(words: str, filled: Machine) -> None:
    """A segment that cannot be read is an error with status 3; the events around it are shown."""
    broken = filled.state_dir / "spool" / "00000000.jsonl"
    broken.mkdir()
    outcome = ask(filled, *words.split())
    assert outcome.status == 3
    assert "[file-unreadable]" in outcome.stderr
    assert str(broken) in outcome.stderr
    assert {"list": "7 events", "stats": "10 events"}.get(words, CANARY) in outcome.stdout
    if words not in ("show --raw", "export"):
        envelope = ask(filled, *words.split(), "--json").envelope
        assert [error["code"] for error in envelope["errors"]] == ["file-unreadable"]
        assert envelope["data"]["events"]


# on a terminal and in a pipe


@needs_terminal
@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize(
    "words", ["", "list", "list --sent --rejected", "show --rejected", "stats", "purge --dry-run"]
)
def test_lines_fit_the_terminal(words: str, width: int, filled: Machine) -> None:
    """No line is wider than the terminal or ends in blanks."""
    drawn = run_on_terminal(filled, "spool", *words.split(), width=width)
    lines = ESCAPE.sub("", drawn).splitlines()
    assert lines
    assert [line for line in lines if len(line) > width] == []
    assert [line for line in lines if line != line.rstrip()] == []


@needs_terminal
def test_bars_are_as_long_as_their_counts(quiet: Machine) -> None:
    """The day with the most events has the longest bar; a part of it stands for each name."""
    for day, count in ((1, 40), (2, 20), (3, 1)):
        time = NOW + timedelta(days=day)
        texts = [record(time=time, kind="cli_cmd" if n % 2 else "session") for n in range(count)]
        lay(quiet, *texts, number=day)
    drawn = ESCAPE.sub("", run_on_terminal(quiet, "spool", "stats", width=80))
    bars = re.findall(r"^  (2026-11-\d\d) +(\d+)  ([#=]+)$", drawn, re.MULTILINE)
    assert [(day, int(count)) for day, count, _ in bars] == [
        ("2026-11-24", 40),
        ("2026-11-25", 20),
        ("2026-11-26", 1),
    ]
    most, half, least = (bar for _, _, bar in bars)
    assert len(most) // 2 - 1 <= len(half) <= len(most) // 2 + 1
    assert len(least) <= 2
    assert abs(most.count("#") - most.count("=")) <= 1


@needs_terminal
def test_bars_are_coloured_unless_colour_is_unwanted(filled: Machine) -> None:
    """A terminal gets a colour for each event; NO_COLOR and a pipe get none, and marks differ."""
    assert ESCAPE.search(run_on_terminal(filled, "spool", "stats", width=80))
    plain = run_on_terminal(filled, "spool", "stats", width=80, variables={"NO_COLOR": "1"})
    assert "\x1b" not in plain
    piped = filled.run("spool", "stats").stdout
    assert "\x1b" not in piped
    for text in (plain, piped):
        assert "# cli_cmd  = lstk_command" in text or "# lstk_command  = cli_cmd" in text


def test_a_reader_that_leaves_is_no_error(quiet: Machine) -> None:
    """`spool show --raw | head -1` ends in silence."""
    lay(quiet, *(record() for _ in range(20_000)))
    for words in ("show --raw", "export", "list --limit 0"):
        with subprocess.Popen(
            [sys.executable, "-m", "usagectl", "spool", *words.split()],
            env=quiet.process_variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == b""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux alone tells the peak")
def test_a_large_spool_is_not_held(quiet: Machine) -> None:
    """List, count and export hold one block at a time: memory stays far below what is read."""
    event = b'{"a":"' + b"x" * 900 + b'"}'
    for number in range(1, 97):
        lay(quiet, record(event) * 1000, number=number)
    driver = (
        "import sys; from usagectl.cli import main; main(sys.argv[1:]);"
        "sys.stderr.write(open('/proc/self/status').read())"
    )
    for words in ("stats", "list", "show --raw", "export", "export out.jsonl"):
        done = subprocess.run(
            [sys.executable, "-c", driver, "spool", *words.split()],
            env=quiet.process_variables(),
            cwd=quiet.cwd,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=True,
        )
        peak = re.search(rb"VmHWM:\s+(\d+) kB", done.stderr)
        assert peak
        assert int(peak[1]) < 64 * 1024, words
