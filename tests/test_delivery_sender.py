"""Tests of automatic sending: who may start a child, what it sends, and when sending rests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import endpoint as loopback
from tests.support.counting import wait_until
from tests.support.delivering import event, fill, numbers, put, register, send, set_mode, states
from tests.support.endpoint import Endpoint, always
from tests.support.machine import NOW, REPOSITORY
from usagectl import consent
from usagectl.delivery import child, sender

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.endpoint import Behaviour
    from tests.support.machine import Machine

ON = {"USAGECTL_TELEMETRY": "on"}
UNDER_CONSENT = "environment"


def children(machine: Machine) -> dict[int, list[str]]:
    """Return the processes that send for this machine now, and their command lines."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            environ = (folder / "environ").read_bytes()
            words = os.fsdecode((folder / "cmdline").read_bytes()).split("\0")[:-1]
        except OSError:
            continue
        if str(machine.state_dir).encode() in environ and words[-1:] == ["usagectl.delivery.child"]:
            found[int(folder.name)] = words
    return found


@contextmanager
def held_back(machine: Machine) -> Iterator[None]:
    """Stop the child that was started, so that a slow machine changes no order of events."""
    (number,) = children(machine)
    os.kill(number, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(number, signal.SIGCONT)


def wait_for_end(machine: Machine) -> None:
    """Wait until no child is at work: its lifetime, and what a busy machine takes to start it."""
    assert wait_until(lambda: not children(machine), child.LIFETIME_SECONDS + 15)


def commands_of(there: Endpoint) -> list[str]:
    """List the commands whose events came, without the program's name."""
    events = [each for request in there.received for each in request.events]
    return [each["payload"]["cmd"].removeprefix("usagectl ") for each in events]


def pause_of(machine: Machine) -> dict[str, object] | None:
    """Read the pause as it is stored."""
    file = machine.state_dir / "delivery" / "pause-usagectl.json"
    found = json.loads(file.read_text()) if file.exists() else None
    assert found is None or isinstance(found, dict)
    return found


def allow(machine: Machine, tool: str, there: Endpoint, *events: int) -> None:
    """Register a tool, switch its sending on, and record events of it."""
    register(machine, **{tool: there.base})
    set_mode(machine, tool, "on")
    for number in events:
        put(machine, event(number), tool=tool, consent=NOW.isoformat())


def send_once(
    machine: Machine, *, seconds: float = 7, sleep: Callable[[float], None] = lambda _: None
) -> None:
    """Send as the child does, but for its rests."""
    sender.send(machine.environment(), patience=timedelta(seconds=seconds), sleep=sleep)


def test_only_what_was_recorded_under_consent_is_sent(machine: Machine) -> None:
    """Nothing goes before consent; then what follows goes by itself, what came before stays."""
    with Endpoint() as there:
        machine.variables["ANALYTICS_API"] = there.base
        machine.run("status")
        machine.run("explain")
        assert not children(machine)
        machine.run("enable", "usagectl")
        assert there.wait_for(1)
        wait_for_end(machine)
        machine.run("settings")
        assert there.wait_for(2)
        wait_for_end(machine)
    assert commands_of(there) == ["enable", "settings"]
    waiting = [json.loads(body)["payload"]["cmd"] for body in states(machine)["pending"]]
    assert waiting == ["usagectl status", "usagectl explain"]
    assert pause_of(machine) is None


def test_one_child_serves_the_commands_of_a_script(machine: Machine) -> None:
    """Single flight, nothing on its command line, and no command waits for it or opens a socket."""
    machine.variables |= ON
    with Endpoint() as there:
        machine.variables["ANALYTICS_API"] = there.base
        machine.run("env")
        with held_back(machine):
            first = children(machine)
            for _ in range(4):
                machine.run("env")
            assert children(machine) == first
            assert there.accepted == 0
        wait_for_end(machine)
    (words,) = first.values()
    assert words[-3:] == ["-P", "-m", "usagectl.delivery.child"]
    assert commands_of(there) == ["env"] * 5
    assert there.accepted == 1


def test_a_child_holds_nothing_of_its_caller(machine: Machine) -> None:
    """No pipe, no descriptor of a lock and no folder: a script goes on, and a disk is unmounted.

    What is relative to the caller's folder still names the same.
    """
    lock = machine.folder / "lock"
    with Endpoint() as there:
        given = {**machine.process_variables(), **ON, "ANALYTICS_API": there.base}
        given["USAGECTL_STATE_DIR"] = machine.state_dir.name
        given["PYTHONPATH"] = os.path.relpath(REPOSITORY, machine.folder)
        given |= dict.fromkeys(("SSL_CERT_FILE", "OTEL_EXPORTER_OTLP_CERTIFICATE"), "ca.pem")
        script = 'exec 9>"$1"; flock 9; "$2" -m usagectl env | cat'
        subprocess.run(
            ["sh", "-c", script, "sh", str(lock), sys.executable],
            env=given,
            cwd=machine.folder,
            stdout=subprocess.PIPE,  # It ends only once nobody holds it.
            check=True,
        )
        (number,) = children(machine)
        assert Path(f"/proc/{number}/cwd").readlink() == Path("/")
        told = Path(f"/proc/{number}/environ").read_text().split("\0")
        for name in ("SSL_CERT_FILE", "OTEL_EXPORTER_OTLP_CERTIFICATE"):
            assert f"{name}={machine.folder / 'ca.pem'}" in told
        assert subprocess.run(["flock", "-n", str(lock), "true"], check=False).returncode == 0
        with suppress(FileNotFoundError):  # It may just close what it read.
            for link in Path(f"/proc/{number}/fd").iterdir():
                assert not str(link.readlink()).startswith("pipe:")
        assert there.wait_for(1)
        wait_for_end(machine)


def test_without_consent_there_is_no_child(machine: Machine) -> None:
    """Neither the default nor an opt-out starts a process, nor does an endpoint of no use."""
    with Endpoint() as there:
        machine.variables["ANALYTICS_API"] = there.base
        for variables in ({}, {"USAGECTL_TELEMETRY": "off"}, {"DO_NOT_TRACK": "1"}):
            machine.run("status", variables=variables)
            assert not children(machine)
    assert there.accepted == 0
    for url in ("http://telemetry.invalid/v1", "ftp://x", "nonsense"):
        machine.variables |= {**ON, "ANALYTICS_API": url}
        environment = machine.environment()
        assert not sender.start_if_due(environment, consent.evaluate(environment, ["usagectl"])[0])
        assert not children(machine)


def test_an_opt_out_stops_a_child_before_it_sends(machine: Machine) -> None:
    """Switched off while the child rests, by command or project file: nothing arrives."""
    with Endpoint() as there:
        machine.variables["ANALYTICS_API"] = there.base
        machine.run("enable", "usagectl")
        with held_back(machine):
            machine.run("disable", "usagectl")
        wait_for_end(machine)
        assert states(machine)["pending"] == []
        machine.run("enable", "usagectl")
        with held_back(machine):
            (machine.cwd / ".usagectl.toml").write_text('[telemetry]\nmode = "local"\n')
        wait_for_end(machine)
    assert there.received == []


def test_after_a_failure_it_rests(machine: Machine) -> None:
    """Nothing is lost, status says so, the next command starts no child, and a replay sends all."""
    table: list[tuple[Behaviour, str]] = [
        (always(503), "endpoint-busy"),
        (loopback.reset, "endpoint-unreachable"),
        (loopback.hang, "endpoint-unreachable"),
    ]
    machine.variables |= ON
    put(machine, event(1), consent=UNDER_CONSENT)
    now = datetime.now(UTC)
    found = []
    for number, (behave, _) in enumerate(table, start=1):
        with Endpoint(behave) as there:
            machine.variables["ANALYTICS_API"] = there.base
            environment = machine.environment(now=lambda instant=now: instant)
            sender.send(environment, patience=timedelta(seconds=0.5))
        pause = sender.read_pause(environment)
        assert pause is not None
        assert (pause.failures, pause.reason, pause.since) == (number, table[number - 1][1], now)
        found.append((pause.until - now.replace(microsecond=0)).total_seconds())
        if number < len(table):
            now = pause.until + timedelta(seconds=1)
    assert found == [60, 120, 240]
    now = datetime.now(UTC)
    with Endpoint(always(503)) as there:
        machine.variables["ANALYTICS_API"] = there.base
        machine.run("env")
        assert not children(machine)
        parts = machine.run("status", "usagectl", "--json").data["tools"]
    assert [each["code"] for each in parts[0]["warnings"]] == ["sending-paused"]
    assert there.accepted == 0
    with Endpoint() as there:
        assert send(machine, there.base).progress.sent == 3


def test_a_child_that_meets_a_hanging_endpoint_ends_and_rests(machine: Machine) -> None:
    """The real child, against an endpoint that never answers: it ends by itself, and remembers."""
    machine.variables |= ON
    with Endpoint(loopback.hang) as there:
        machine.variables["ANALYTICS_API"] = there.base
        machine.run("env")
        wait_for_end(machine)
    pause = pause_of(machine)
    assert pause is not None
    assert (pause["failures"], pause["reason"]) == (1, "endpoint-unreachable")
    assert len(states(machine)["pending"]) == 1


def test_a_pause_holds_until_its_instant(machine: Machine) -> None:
    """It ends by itself; one of a clock far ahead, or of another form, holds nothing."""

    def rests(now: datetime, document: object) -> bool:
        folder = machine.state_dir / "delivery"
        folder.mkdir(parents=True, exist_ok=True)
        text = document if isinstance(document, str) else json.dumps(document)
        (folder / "pause-usagectl.json").write_text(text)
        return sender.read_pause(machine.environment(now=lambda: now)) is not None

    instants = {"until": NOW.isoformat(), "since": NOW.isoformat()}
    pause = {**instants, "failures": 2, "reason": "endpoint-busy"}
    before = NOW - timedelta(minutes=1)
    assert rests(before, pause)
    assert not rests(NOW, pause)
    assert not rests(NOW - timedelta(days=400), pause)
    wrong = ["", "{", "[]", "null", "1", '{"until": 1}', '{"until": "soon"}', "[" * 9999]
    wrong += [json.dumps({**pause, "until": "2026-11-23T06:30:00"}), json.dumps({"until": None})]
    assert [text for text in wrong if rests(before, text)] == []


def test_each_tool_has_its_own_consent_endpoint_and_pause(machine: Machine) -> None:
    """Events go to their tool's endpoint under its consent, and its failure rests it alone.

    `track_events: false` ends automatic sending for a day; a dead endpoint takes no part of the
    time of the others.
    """
    refusal = always(403, b'{"track_events": false}')
    with (
        Endpoint() as first,
        Endpoint() as second,
        Endpoint(refusal) as refusing,
        Endpoint(loopback.hang) as dead,
    ):
        register(machine, three=second.base)
        allow(machine, "dead", dead, 6)
        allow(machine, "one", first, 1)
        allow(machine, "refused", refusing, 7)
        allow(machine, "two", second, 2)
        put(machine, event(3), tool="three", consent=NOW.isoformat())
        put(machine, event(4), tool="two")
        put(machine, event(5))
        send_once(machine, seconds=4)
    assert (numbers(first), numbers(second)) == ([1], [2])
    assert states(machine)["pending"] == [event(number) for number in (6, 7, 3, 4, 5)]
    pauses = {
        tool: found and (found.reason, found.until - NOW.replace(microsecond=0))
        for tool in ("dead", "one", "refused", "two", "usagectl")
        for found in [sender.read_pause(machine.environment(), tool)]
    }
    assert pauses == {
        "dead": ("endpoint-unreachable", timedelta(minutes=1)),
        "one": None,
        "refused": ("tracking-refused", timedelta(days=1)),
        "two": None,
        "usagectl": None,
    }


def test_what_is_recorded_meanwhile_goes_in_another_turn(machine: Machine) -> None:
    """A program that ends while the child is at work can start no other: that one goes on.

    No turn begins with so little time that a good endpoint would look dead.
    """
    for patience, expected in ((7, [1, 2]), (1, [1])):
        with Endpoint() as there:
            allow(machine, "one", there, 1)
            recorded = [2]

            def record(_seconds: float, recorded: list[int] = recorded) -> None:
                if recorded:
                    number = recorded.pop()
                    put(machine, event(number), tool="one", consent=NOW.isoformat())

            send_once(machine, seconds=patience, sleep=record)
        assert numbers(there) == expected
        assert sender.read_pause(machine.environment(), "one") is None


def test_it_rests_after_whatever_goes_wrong(machine: Machine) -> None:
    """What nobody foresaw is not tried again after each command."""
    fill(machine, 1)
    put(machine, event(1), consent=UNDER_CONSENT)
    failed: list[bool] = []

    def now() -> datetime:
        if there.received and not failed:
            failed.append(True)
            raise ZeroDivisionError
        return NOW

    with Endpoint() as there:
        machine.variables |= {**ON, "ANALYTICS_API": there.base}
        with pytest.raises(ZeroDivisionError):
            sender.send(machine.environment(now=now))
    found = sender.read_pause(machine.environment())
    assert found is not None
    assert found.reason == "unexpected"
