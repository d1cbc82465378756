"""Tests of the capture file while it is written: what is counted, and what its end adds."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.support.commands import run_inside
from tests.support.machine import NOW
from usagectl.capture import load, reading, records
from usagectl.capture.file import OTHERS, CaptureFile, Target, note_run
from usagectl.capture.observations import Observation, Seen
from usagectl.capture.records import Privacy, Request

if TYPE_CHECKING:
    from tests.support.machine import Machine

SECRET = "ls-s3cret-t0ken"  # noqa: S105  (of no account anywhere)
LOOK_UP = Observation("look-up", f"{SECRET}.example", detail="A")
REFUSED = Observation("tls-refused", "t.example", "198.18.0.1", 443, "unknown ca")
REQUEST = Request("POST", "/v1", "", {}, b'{"name":"a"}', host="t.example", port=443)


def opened(machine: Machine, **members: Any) -> CaptureFile:  # noqa: ANN401
    """Open a capture file on a machine where each look at the clock takes a second."""
    instants = (NOW + timedelta(seconds=each) for each in range(9999))
    environment = machine.environment(now=lambda: next(instants))
    privacy = Privacy(secrets=(SECRET,))
    return CaptureFile(environment, machine.cwd / "out.jsonl", privacy=privacy, **members)


def test_what_was_seen_beside_requests_has_lines(machine: Machine) -> None:
    """A line for each observation follows the requests when the file is closed, and is read back.

    Texts are masked as those of requests are, on the screen too; nothing is told twice.
    """
    seen: list[Observation] = []
    file = opened(machine, on_observed=seen.append)
    for each in (LOOK_UP, REFUSED, LOOK_UP):
        file.observe(each)
    file.store(REQUEST)
    file.close()
    file.close()
    hidden = LOOK_UP._replace(host=f"{'*' * len(SECRET)}.example")
    assert seen == [hidden, REFUSED]
    assert list(reading.load_observations(file.path)) == [
        Seen(hidden, 2, NOW),
        Seen(REFUSED, 1, NOW + timedelta(seconds=1)),
    ]
    assert [(each.host, each.port) for each in load(file.path)] == [("t.example", 443)]
    _, *lines = file.path.read_bytes().splitlines()
    assert [each[:22] for each in lines] == [b'{"observed":"look-up",', b'{"observed":"tls-refus']


def test_the_last_line_says_how_it_was_made(machine: Machine) -> None:
    """Whoever reads requests or observations passes it over, and its command holds no secret."""
    file = opened(machine)
    file.observe(REFUSED)
    file.close()
    assert reading.load_run(file.path) is None
    command = records.masked_command(
        ["tool", "*", f"https://me:pw@t.example/{SECRET}"], Privacy(secrets=(SECRET,))
    )
    note_run(file.path, {"mode": "sealed", "command": command})
    assert reading.load_run(file.path) == {
        "observed": "run",
        "count": 1,
        "mode": "sealed",
        "command": f"tool * https://t.example/{'*' * len(SECRET)}",
    }
    assert len(list(reading.load_observations(file.path))) == 1
    assert list(load(file.path)) == []


def test_an_observation_is_no_bad_line(machine: Machine) -> None:
    """An audit and a replay of the file pass over it; an event of that name is still an event."""
    file = opened(machine)
    file.observe(LOOK_UP)
    file.store(REQUEST._replace(host="analytics.localstack.cloud"))
    file.close()
    with file.path.open("a") as stream:
        stream.write('{"observed":"x","count":1,"name":"b"}\nno line of ours\n')
    data = run_inside(machine.environment(), "audit", "out.jsonl", "--json").envelope["data"]
    assert (data["by_name"], data["bad_lines"]) == ({"a": 1, "b": 1}, 1)
    words = ("replay", "--file", "out.jsonl", "--to", "http://127.0.0.1:9/v1", "--dry-run")
    shown = run_inside(machine.environment(), *words)
    assert shown.stderr == "Line 4 holds no event and is left out.\n"
    assert "2 events" in shown.stdout, shown.stdout


def test_requests_are_counted_by_their_target(machine: Machine) -> None:
    """Of a host with many paths all is counted, though not each path; memory is bounded."""
    file = opened(machine)
    for number in range(1100):
        file.store(REQUEST._replace(path=f"/{number}"))
    for number in range(1100):
        file.store(REQUEST._replace(host=f"{number}.example"))
    file.store(REQUEST._replace(host=""))
    file.close()
    sums = file.sums
    assert sums.requests == 2201
    assert (len(sums.by_target), sums.by_target.total()) == (2001, 2200)
    assert sums.by_target[Target("t.example", 443, "/999")] == 1
    assert sums.by_target[Target("t.example", 443)] == 100
    assert sums.by_target[Target(OTHERS, 0)] == 101
    assert sums.target_bytes.total() == 2200 * len(REQUEST.body)


def test_a_capture_does_not_fill_the_disk(machine: Machine) -> None:
    """What goes beyond its size is counted as not kept, with the file's problem."""
    path = machine.folder / "c.jsonl"
    file = CaptureFile(machine.environment(), path, privacy=Privacy(), most_bytes=2000)
    for _ in range(20):
        file.store(Request("POST", "/x", "", {}, b'{"name":"a"}'))
    file.close()
    lines = path.read_bytes().splitlines()
    assert (path.stat().st_size <= 2000, len(lines) > 1) == (True, True)
    assert len(lines) + file.sums.unstored == file.sums.requests == 20
    assert file.problem is not None
    assert "too large" in str(file.problem)
