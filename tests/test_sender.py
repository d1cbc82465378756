"""Tests of automatic sending, with real children and a real loopback endpoint."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.endpoint import Endpoint, always, hang, reset
from tests.support.machine import NOW
from usagectl import consent, spool
from usagectl.delivery import child, sender

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.machine import Machine


def children(machine: Machine) -> dict[int, list[str]]:
    """Give the processes that send for this machine now, and their command lines.

    What a child starts bears its command line for an instant, until it is the sleep.
    """
    found: dict[str, tuple[str, list[str]]] = {}
    for folder in Path("/proc").iterdir():
        try:
            environ = (folder / "environ").read_bytes()
            words = os.fsdecode((folder / "cmdline").read_bytes()).split("\0")[:-1]
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if str(machine.state_dir).encode() in environ and words[-1:] == ["usagectl.delivery.child"]:
            found[folder.name] = (parent, words)
    return {int(pid): words for pid, (parent, words) in found.items() if parent not in found}


@contextmanager
def held_back(machine: Machine) -> Iterator[None]:
    """Stop the child that was started, so that a slow machine changes no order of events."""
    (child,) = children(machine)
    os.kill(child, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(child, signal.SIGCONT)


def wait_for_end(machine: Machine) -> None:
    """Wait until no child is at work: its lifetime, and what a busy machine takes to start it."""
    until = time.monotonic() + child.LIFETIME_SECONDS + 15
    while children(machine):
        assert time.monotonic() < until, "a child outlives its time"
        time.sleep(0.05)


def commands_of(endpoint: Endpoint) -> list[str]:
    """Give the commands whose events came, without the program's name."""
    events = [event for request in endpoint.received for event in request.events]
    return [event["payload"]["cmd"].removeprefix("usagectl ") for event in events]


def pause_of(machine: Machine) -> dict[str, Any] | None:
    """Read the pause as it is stored."""
    file = machine.state_dir / "spool" / "pause.json"
    found = json.loads(file.read_text()) if file.exists() else None
    assert found is None or isinstance(found, dict)
    return found


def test_only_what_was_recorded_under_consent_is_sent(machine: Machine) -> None:
    """Nothing goes before consent; then what follows goes by itself, what came before stays."""
    with Endpoint() as endpoint:
        machine.variables["ANALYTICS_API"] = endpoint.base
        machine.run("status")
        machine.run("explain")
        assert not children(machine)
        machine.run("enable", "usagectl")
        assert endpoint.wait_for(1)
        wait_for_end(machine)
        machine.run("settings")
        assert endpoint.wait_for(2)
        wait_for_end(machine)
    assert commands_of(endpoint) == ["enable", "settings"]
    waiting = [json.loads(record.event) for record in spool.records(machine.environment())]
    assert [event["payload"]["cmd"] for event in waiting] == ["usagectl status", "usagectl explain"]
    assert pause_of(machine) is None


def test_a_child_has_nothing_on_its_command_line_and_one_is_enough(machine: Machine) -> None:
    """Ten commands start one child; its command line names a module, and it leaves no zombie."""
    machine.variables["USAGECTL_TELEMETRY"] = "on"
    with Endpoint() as endpoint:
        machine.variables["ANALYTICS_API"] = endpoint.base
        most = 0
        for _ in range(6):
            machine.run("env")
            found = children(machine)
            assert len(found) <= 1
            most = max(most, len(found))
            for words in found.values():
                assert words[-3:] == ["-P", "-m", "usagectl.delivery.child"]
                assert words[:-4] in ([], ["/bin/sh", "-c", 'sleep 1; exec "$@"', "sh"])
        assert most >= 1
        endpoint.wait_for(1)
        wait_for_end(machine)
        machine.run("env")
        wait_for_end(machine)
    assert len(commands_of(endpoint)) == 7
    assert len(endpoint.received) < 7


def test_a_local_or_off_mode_never_starts_one(machine: Machine) -> None:
    """Neither the default nor an opt-out starts a process or opens a connection."""
    with Endpoint() as endpoint:
        machine.variables["ANALYTICS_API"] = endpoint.base
        for variables in ({}, {"USAGECTL_TELEMETRY": "off"}, {"DO_NOT_TRACK": "1"}):
            machine.run("status", variables=variables)
            assert not children(machine)
        time.sleep(1.5)
    assert endpoint.accepted == 0


def test_an_opt_out_stops_a_child_before_it_sends(machine: Machine) -> None:
    """Switched off while the child gathers: nothing arrives, and what waited is gone."""
    with Endpoint() as endpoint:
        machine.variables["ANALYTICS_API"] = endpoint.base
        machine.run("enable", "usagectl")
        with held_back(machine):
            machine.run("disable", "usagectl")
        wait_for_end(machine)
        assert endpoint.received == []
    assert list(spool.records(machine.environment())) == []


def test_a_project_file_stops_it_too(machine: Machine) -> None:
    """The child reads the switches of the folder that the command was typed in."""
    with Endpoint() as endpoint:
        machine.variables |= {"ANALYTICS_API": endpoint.base, "USAGECTL_TELEMETRY": "on"}
        machine.run("env")
        with held_back(machine):
            (machine.cwd / ".usagectl.toml").write_text('[telemetry]\nmode = "local"\n')
        wait_for_end(machine)
    assert endpoint.received == []


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        (always(503), "endpoint-busy"),
        (reset, "endpoint-unreachable"),
        (hang, "endpoint-unreachable"),
    ],
    ids=["busy", "reset", "hang"],
)
def test_after_a_failure_it_rests(behave: Any, reason: str, machine: Machine) -> None:  # noqa: ANN401
    """Nothing is lost, the child ends in time, status says so, and the next one waits."""
    machine.variables["USAGECTL_TELEMETRY"] = "on"
    with Endpoint(behave) as endpoint:
        machine.variables["ANALYTICS_API"] = endpoint.base
        machine.run("env")
        wait_for_end(machine)
        pause = pause_of(machine)
        assert pause is not None
        assert (pause["failures"], pause["reason"]) == (1, reason)
        count = endpoint.accepted
        machine.run("env")
        assert not children(machine)
        assert endpoint.accepted == count
        warnings = machine.run("status", "--json").data["tools"][-1]["warnings"]
        assert [each["code"] for each in warnings] == ["sending-paused"]
    with Endpoint() as endpoint:
        done = machine.run("replay", "--to", endpoint.base, "--json").data
    assert done["sent"] == done["planned"] == 3
    assert commands_of(endpoint) == ["env", "env", "status"]


def rests(machine: Machine, now: datetime, document: object) -> bool:
    """Tell whether a stored pause holds at an instant."""
    folder = machine.state_dir / "spool"
    folder.mkdir(parents=True, exist_ok=True)
    text = document if isinstance(document, str) else json.dumps(document)
    (folder / "pause.json").write_text(text)
    return sender.read_pause(machine.environment(now=lambda: now)) is not None


def test_a_pause_holds_until_its_instant(machine: Machine) -> None:
    """It ends by itself; one of a clock far ahead, or that is no pause, holds nothing."""
    pause = {"until": NOW.isoformat(), "failures": 2, "reason": "endpoint-busy"}
    assert rests(machine, NOW - timedelta(minutes=1), pause)
    assert not rests(machine, NOW, pause)
    assert not rests(machine, NOW - timedelta(days=400), pause)
    for wrong in ("", "{", "[]", "null", "1", '{"until": 1}', '{"until": "soon"}', "[" * 9999):
        assert not rests(machine, NOW - timedelta(minutes=1), wrong)


def test_pauses_grow(machine: Machine) -> None:
    """Each failure doubles the pause, up to a day; what an endpoint asks for is heeded."""
    machine.variables["USAGECTL_TELEMETRY"] = "on"
    instant = datetime.now(UTC)
    pauses = []
    with Endpoint(always(503)) as endpoint:
        machine.variables["ANALYTICS_API"] = endpoint.base
        spool.append(
            machine.environment(), b'{"a":{}}', tool="usagectl", kind="a", consent="environment"
        )
        for _ in range(3):
            environment = machine.environment(now=lambda instant=instant: instant)
            sender.send(environment, patience=timedelta(seconds=0.2), jitter=lambda: 0.5)
            found = sender.read_pause(environment)
            assert found is not None
            pauses.append((found.until - instant.replace(microsecond=0)).total_seconds())
            instant = found.until + timedelta(seconds=1)
    assert pauses == [
        pytest.approx(60, abs=2),
        pytest.approx(120, abs=2),
        pytest.approx(240, abs=2),
    ]


def test_an_endpoint_that_wants_no_events_is_left_alone_for_a_day(machine: Machine) -> None:
    """`track_events: false` ends automatic sending for a day; the events are kept."""
    machine.variables["USAGECTL_TELEMETRY"] = "on"
    environment = machine.environment()
    for _ in range(2):
        spool.append(environment, b'{"a":{}}', tool="usagectl", kind="a", consent="environment")
    with Endpoint(always(403, b'{"track_events": false}')) as endpoint:
        machine.variables["ANALYTICS_API"] = endpoint.base
        sender.send(machine.environment(), jitter=lambda: 0.5)
    found = sender.read_pause(machine.environment())
    assert found is not None
    assert found.until - NOW > timedelta(hours=23)
    assert len(list(spool.records(environment))) == 2


@pytest.mark.parametrize("url", ["http://telemetry.invalid/v1", "ftp://x", "nonsense"])
def test_no_child_for_an_endpoint_that_may_not_be_used(url: str, machine: Machine) -> None:
    """Plain http to another machine, and what is no URL, is never sent to by itself."""
    machine.variables |= {"USAGECTL_TELEMETRY": "on", "ANALYTICS_API": url}
    environment = machine.environment()
    verdict = consent.evaluate(environment, ["usagectl"])[0]
    assert not sender.start_if_due(environment, verdict)
    machine.run("env")
    assert not children(machine)


def test_no_child_while_a_delivery_is_at_work(machine: Machine) -> None:
    """Whoever holds the spool sends what is there; a second process is not started."""
    from usagectl.spool import queue

    machine.variables |= {"USAGECTL_TELEMETRY": "on", "ANALYTICS_API": "http://127.0.0.1:9/v1"}
    environment = machine.environment()
    verdict = consent.evaluate(environment, ["usagectl"])[0]
    with queue.held(environment, seconds=0):
        assert not sender.start_if_due(environment, verdict)
        machine.run("env")
        assert not children(machine)


def test_the_child_ends_after_ten_seconds_whatever_happens(machine: Machine) -> None:
    """A hanging endpoint holds it no longer, and the event is kept."""
    machine.variables["USAGECTL_TELEMETRY"] = "on"
    with Endpoint(hang) as endpoint:
        machine.variables["ANALYTICS_API"] = endpoint.base
        machine.run("env")
        wait_for_end(machine)
    assert len(list(spool.records(machine.environment()))) == 1
