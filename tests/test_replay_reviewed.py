"""Tests of what a review of replay found: each was wrong once."""

from __future__ import annotations

import json
import os
import pty
import re
import resource
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies

from tests.support import confined
from tests.support.commands import run_inside
from tests.support.endpoint import Endpoint, always, hang
from tests.support.machine import NOW
from tests.support.spooling import put, spool_dir
from usagectl import endpoint, settings, spool
from usagectl.delivery import attempts, replay, routing, sender
from usagectl.delivery.requests import build_post
from usagectl.delivery.transport import Answer, HttpxTransport, NoAnswerError
from usagectl.errors import SpoolUnwritableError
from usagectl.spool import lines, purging, queue
from usagectl.spool.queue import Batch
from usagectl.tools import registry
from usagectl.tools.registry import Registration

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tests.support.endpoint import Connection, Received
    from tests.support.machine import Machine, Outcome
    from usagectl.delivery.requests import Post

HALF = rb'{"name":"e","metadata":{},"payload":{"path":"\udcff"}}'


def event(count: int) -> bytes:
    """Build an event that is told from its like by a number."""
    return b'{"name":"e","metadata":{},"payload":{"n":%d}}' % count


def start(machine: Machine, *words: str, limits: Callable[[], None] | None = None) -> Any:  # noqa: ANN401
    """Start a command line."""
    return subprocess.Popen(
        [sys.executable, "-m", "usagectl", *words],
        env=machine.process_variables(),
        cwd=machine.cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=limits,  # noqa: PLW1509  (it sets a limit, and nothing else)
    )


def numbers(there: Endpoint) -> list[int]:
    """List the numbers of the events that came."""
    events = [each for request in there.received for each in request.events]
    return [each["payload"]["n"] for each in events if "n" in each["payload"]]


def test_two_replays_of_a_file_send_each_event_once(machine: Machine) -> None:
    """The second waits for the first, finds that all was sent, and both end well."""
    (machine.cwd / "file.jsonl").write_bytes(b"".join(event(n) + b"\n" for n in range(20_000)))
    with Endpoint() as there:
        words = ("replay", "--file", "file.jsonl", "--to", there.base, "--json")
        first = start(machine, *words)
        time.sleep(0.5)
        second = start(machine, *words)
        outcomes = [each.communicate(timeout=60) for each in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), outcomes
    assert sorted(numbers(there)) == list(range(20_000))


def test_a_file_is_taken_up_where_a_limit_ended(machine: Machine) -> None:
    """What a limit leaves of a file goes with the next replay of it, not what went already."""
    (machine.cwd / "file.jsonl").write_bytes(b"".join(event(n) + b"\n" for n in range(5)))
    with Endpoint() as there:
        words = ("replay", "--file", "file.jsonl", "--to", there.base)
        for _ in range(3):
            assert machine.run(*words, "--limit", "2").status == 0
    assert numbers(there) == [0, 1, 2, 3, 4]


def test_a_file_without_events_is_an_error(machine: Machine) -> None:
    """Nothing was sent, and that is not what was meant."""
    (machine.cwd / "file.txt").write_text("no event\nhere\n")
    found = machine.run("replay", "--file", "file.txt", "--to", "http://127.0.0.1:9/v1")
    assert found.status == 3
    assert "file.txt holds 2 lines and no event. [no-events]" in found.stderr


def _no_room() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def test_a_full_disk_sends_nothing(machine: Machine) -> None:
    """What could not be noted as sent is not sent: else it would go again and again."""
    put(machine, event(1), kind="e")
    with Endpoint() as there:
        words = ("replay", "--to", there.base, "--event", "e")
        for _ in range(2):
            found = start(machine, *words, limits=_no_room)
            _, err = found.communicate(timeout=60)
            assert found.returncode == 4, err
        assert there.received == []
        assert machine.run(*words).status == 0
        assert numbers(there) == [1]


class _Busy:
    """Be a transport whose endpoint always asks for a long rest."""

    def start(self, post: Post, *, deadline: float) -> _Busy:
        """Begin."""
        del post, deadline
        return self

    def result(self) -> Answer:
        """Ask for twenty seconds."""
        return Answer(503, retry_after="20")

    def close(self) -> None:
        """End."""


def test_an_opt_out_ends_a_rest() -> None:
    """A rest that an endpoint asks for is over within half a second once somebody says No."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    def may_continue() -> None:
        if now[0] > 3:
            raise routing.TelemetryOffError("DISABLE_EVENTS=1")

    deliverer = attempts.Deliverer(
        _Busy(),
        "http://127.0.0.1:9/v1",
        policy=attempts.Policy(),
        may_continue=may_continue,
        clock=lambda: now[0],
        sleep=sleep,
    )
    with pytest.raises(routing.TelemetryOffError):
        list(deliverer.deliver(Batch([event(1)], ())))
    assert 3 < now[0] <= 3.5


@pytest.mark.parametrize(
    "text",
    [
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2026 99999999999999999999:00:00 GMT",
        "Mon, 01 Jan 2026 00:00:00 +999999999999",
        "٣",
    ],
)
def test_any_retry_after_is_read(text: str) -> None:
    """A number that fits no date is no wait, and no traceback."""
    found = attempts.parse_retry_after(text)
    assert found is None or timedelta() <= found <= timedelta(days=30)


def test_a_session_that_fits_no_header_blocks_nothing(machine: Machine) -> None:
    """An ID with blanks around it goes without the header, and the next event follows."""
    session = b'{"name":"session","metadata":{"session_id":" abc"},"payload":{}}'
    (machine.cwd / "file.jsonl").write_bytes(session + b"\n" + event(1) + b"\n")
    with Endpoint() as there:
        found = machine.run("replay", "--file", "file.jsonl", "--to", there.base)
        assert (found.status, numbers(there)) == (0, [1])
    assert there.bodies[0] == session
    assert "Localstack-Session-ID" not in there.received[0].headers


def test_what_is_no_segment_keeps_nothing_back(machine: Machine) -> None:
    """A folder with a segment's name is told of; the rest is counted and sent."""
    put(machine, event(1), kind="e")
    (spool_dir(machine) / "00000099.jsonl").mkdir()
    state = spool.state(machine.environment())
    assert state.pending == 1
    assert "00000099.jsonl" in state.problem
    with Endpoint() as there:
        assert machine.run("replay", "--to", there.base, "--event", "e").status == 0
    assert numbers(there) == [1]


def test_credentials_of_a_url_are_a_header_that_is_shown(machine: Machine) -> None:
    """They reach the endpoint as they do with any client, and preview masks them."""
    put(machine, event(1), kind="e")
    with Endpoint() as there:
        base = there.base.replace("//", "//me:se%3Acret@")
        assert machine.run("replay", "--to", base, "--event", "e").status == 0
    (request,) = there.received
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert headers["authorization"] == "Basic bWU6c2U6Y3JldA=="
    assert headers["host"] == base.split("@")[1].split("/")[0]
    machine.variables["ANALYTICS_API"] = "https://me:secret@x.invalid/v1"
    shown = machine.run("preview", "usagectl", "--json").data["requests"][0]
    assert shown["url"] == "https://x.invalid/v1/events"
    assert set(shown["headers"]["Authorization"].removeprefix("Basic ")) == {"*"}


def test_what_a_program_holds_is_said(machine: Machine) -> None:
    """Events that a running program keeps open wait on, and the exit status says so."""
    with spool.Writer(machine.environment()) as writer, Endpoint() as there:
        writer.append(event(1), tool="mytool", kind="e")
        words = ("replay", "--to", there.base, "--event", "e", "--json")
        held = machine.run(*words)
        assert (held.status, held.envelope["errors"][0]["code"]) == (5, "events-held")
        assert (held.data["sent"], held.data["kept"]) == (0, 1)
        writer.release()
        assert machine.run(*words).data["sent"] == 1


def test_lines_that_are_none_do_not_wait(machine: Machine) -> None:
    """What only looks like a record is set aside, and then nothing is said to wait."""
    put(machine, event(1), kind="e")
    (spool_dir(machine) / "00000009.jsonl").write_bytes(b'{"uid":"x","event":{}}\n')
    with Endpoint() as there:
        found = machine.run("replay", "--to", there.base, "--json", variables=_RECORD_NOTHING)
    assert (found.status, found.data["planned"], found.data["kept"]) == (0, 1, 0)


_RECORD_NOTHING = {"DO_NOT_TRACK": "1"}


def test_refused_copies_are_not_said_to_be_kept(machine: Machine) -> None:
    """With --copy nothing goes under rejected, and nothing says so."""
    put(machine, event(1), kind="e")
    with Endpoint(always(400)) as there:
        found = machine.run("replay", "--to", there.base, "--copy", "--event", "e")
    assert found.status == 5
    assert "these were copies" in found.stderr
    assert "rejected." not in found.stderr.partition("[")[0]


def _few_descriptors() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


@pytest.mark.parametrize(
    "words", [("replay",), ("replay", "--event", "e"), ("spool", "purge", "--event", "e", "--yes")]
)
def test_few_descriptors_are_enough(machine: Machine, words: tuple[str, ...]) -> None:
    """More segments than a process may open files are sent, and purged, all the same."""
    for count in range(150):
        with spool.Writer(machine.environment()) as writer:
            writer.append(event(count), tool="usagectl", kind="e")
    with Endpoint() as there:
        to = ("--to", there.base) if words[0] == "replay" else ()
        done = start(machine, *words, *to, limits=_few_descriptors)
        _, err = done.communicate(timeout=60)
    said = [line for line in err.splitlines() if not re.match(rb"\d+ of \d+ sent, ", line)]
    assert (done.returncode, said) == (0, [])  # A replay of over a second tells how far it is.
    assert sorted(numbers(there)) == (list(range(150)) if to else [])
    left = lines.Selection(events=("e",))
    assert (
        purging.purge(machine.environment(), selection=left, states=("pending",), dry_run=True) == 0
    )


def test_half_a_surrogate_pair_is_delivered(machine: Machine) -> None:
    """An event that msgspec refuses goes as it is, out of the spool and out of a file."""
    put(machine, HALF, kind="e")
    (machine.cwd / "file.jsonl").write_bytes(b'{"events":[%b,%b]}' % (HALF, event(1)))
    with Endpoint() as there:
        assert machine.run("replay", "--to", there.base, "--event", "e").status == 0
        assert machine.run("replay", "--to", there.base, "--file", "file.jsonl").status == 0
    assert there.bodies == [b'{"events":[%b]}' % HALF, b'{"events":[%b,%b]}' % (HALF, event(1))]


def test_missing_certificates_are_said_at_once(machine: Machine) -> None:
    """The error names the variable, and nothing is tried four times."""
    put(machine, event(1), kind="e")
    variables = {"SSL_CERT_FILE": "/nope", "USAGECTL_TELEMETRY": "on"}
    words = ("replay", "--to", "https://127.0.0.1:9/v1", "--event", "e")
    found = machine.run(*words, variables=variables)
    assert found.status == 5
    assert "certificates to trust cannot be read (SSL_CERT_FILE" in found.stderr
    assert "tried" not in found.stderr


@pytest.mark.parametrize("base", ["http://127.0.0.1:1/v1?x=1", "http://127.0.0.1:1/v1#f"])
def test_a_base_that_a_path_cannot_follow_is_none(base: str) -> None:
    """A query or a fragment would swallow the path that is put behind it."""
    assert endpoint.problem_of(base) == "invalid"


@given(strategies.from_regex(endpoint.USUAL, fullmatch=True))
def test_the_short_cut_for_usual_addresses_takes_none_that_is_wrong(base: str) -> None:
    """What it takes is usable by the long way too: a URL, of this machine or with https."""
    assert settings.is_http_url(base)
    assert base.startswith("https:") or endpoint.is_loopback(base)
    assert not {"?", "#"} & set(base)


def test_what_is_shown_next_is_the_same_command(machine: Machine) -> None:
    """After a dry run, the next step sends what was planned to where it was planned."""
    (machine.cwd / "a file.jsonl").write_bytes(event(1) + b"\n")
    with Endpoint(hang) as there:
        words = ("replay", "--file", "a file.jsonl", "--to", there.base)
        found: Outcome = machine.run(*words, "--dry-run")
        assert f"Next: usagectl replay --file 'a file.jsonl' --to {there.base}" in found.stdout
        failed = machine.run(*words, "--timeout", "0.2")
    assert "try: usagectl replay --file 'a file.jsonl' --to http" in failed.stderr
    assert "--timeout 0.2 --dry-run" in failed.stderr


def test_a_header_is_built_for_plain_and_for_odd_credentials() -> None:
    """A name alone, a colon in it, and no credentials at all."""
    assert "Authorization" not in build_post([], base="http://h/v1").headers
    assert build_post([], base="http://me@h/v1").headers["Authorization"] == "Basic bWU6"


def test_an_unknown_choice_is_said(machine: Machine) -> None:
    """Where nothing fits what was asked for, that is the answer, not that nothing waits."""
    put(machine, event(1), kind="e")
    to = ("--to", "http://127.0.0.1:9/v1")
    found = machine.run("replay", *to, "--tool", "usgaectl")
    assert "Nothing that waits was chosen" in found.stdout


def test_a_socks_proxy_is_named_with_what_it_needs(machine: Machine) -> None:
    """Nothing can be sent without that: a person reads which variable, and what is missing."""
    put(machine, event(1), kind="e", consent="environment")
    machine.variables |= {"ALL_PROXY": "socks5://me:secret@127.0.0.1:9", "HTTPS_PROXY": ""}
    found = machine.run("replay", "--to", "https://name.invalid/v1", "--timeout", "9", "--yes")
    assert found.status == 5
    assert "ALL_PROXY names a SOCKS proxy, which needs the package httpx[socks]" in found.stderr
    assert "secret" not in found.stderr


def test_the_child_rests_after_whatever_goes_wrong(machine: Machine) -> None:
    """What nobody foresaw is not tried again after each command."""
    put(machine, event(1), kind="e", consent="environment")
    failed: list[bool] = []

    def now() -> datetime:
        if there.received and not failed:
            failed.append(True)
            raise ZeroDivisionError
        return NOW

    with Endpoint() as there:
        machine.variables |= {"USAGECTL_TELEMETRY": "on", "ANALYTICS_API": there.base}
        with pytest.raises(ZeroDivisionError):
            sender.send(machine.environment(now=now), jitter=lambda: 0.5)
    found = sender.read_pause(machine.environment())
    assert found is not None
    assert found.reason == "unexpected"


@pytest.mark.parametrize(
    ("no_proxy", "told"),
    [
        ("", "the proxy that HTTPS_PROXY names cannot be reached: nothing listens there"),
        ("localhost", "nothing listens there"),
    ],
)
def test_a_dead_proxy_is_not_taken_for_the_endpoint(
    no_proxy: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a proxy lies between, it is named, by its variable alone; NO_PROXY takes it away."""
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    post = build_post([event(1)], base="https://localhost:9/v1")
    with closing(HttpxTransport()) as transport, pytest.raises(NoAnswerError) as caught:
        transport.start(post, deadline=time.monotonic() + 60).result()
    assert caught.value.reason.startswith(told)
    assert "secret" not in caught.value.reason


def test_an_empty_address_is_no_address(machine: Machine) -> None:
    """`--to ""` (of an unset variable, say) never falls back to the endpoint of the settings."""
    put(machine, event(1), kind="e")
    found = machine.run("replay", "--to", "", "--yes", "--json")
    assert (found.status, found.envelope["errors"][0]["code"]) == (2, "endpoint-invalid")
    assert "--to" in found.envelope["errors"][0]["message"]


def test_hints_repeat_what_was_typed(machine: Machine) -> None:
    """The next step goes where the person wanted, with no password of theirs in it."""
    put(machine, event(1), kind="e")
    plain = machine.run("replay", "--to", "http://me:secret@example.invalid/v1", "--tool", "a")
    assert plain.status == 2
    assert "secret" not in plain.stderr
    assert "@example.invalid/v1' --tool a --allow-http" in plain.stderr
    with Endpoint(always(503)) as there:
        here = there.base.removeprefix("http://")
        busy = machine.run("replay", f"--to=http://me:secret@{here}", "--timeout", "2")
    assert busy.status == 5
    assert "secret" not in busy.stderr
    assert f"@{here}' --timeout 2" in busy.stderr


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_nothing_leaves_unasked(machine: Machine, form: tuple[str, ...]) -> None:
    """Without a terminal and without --yes, what is local stays: mode on, or --yes, lets it go."""
    put(machine, event(1), kind="e")
    words = ("replay", "--to", "https://name.invalid/v1", "--timeout", "0.3", *form)
    refused = machine.run(*words, variables={"USAGECTL_TELEMETRY": "local"})
    assert refused.status == 2
    assert "confirmation-needed" in refused.stdout + refused.stderr
    assert "usagectl replay --to https://name.invalid/v1 --timeout 0.3 --yes" in (
        refused.stdout + refused.stderr
    )
    assert machine.run(*words, variables={"USAGECTL_TELEMETRY": "on"}).status == 5
    assert machine.run(*words, "--yes", variables={"USAGECTL_TELEMETRY": "local"}).status == 5


def test_a_registered_tool_that_is_local_is_not_sent_unasked(machine: Machine) -> None:
    """One tool's switch speaks for no other's events."""
    registry.register(machine.environment(), Registration("one", endpoint=""))
    put(machine, event(1), kind="e", tool="one")
    put(machine, event(2), kind="e")
    machine.variables |= {"ANALYTICS_API": "https://name.invalid/v1"}
    settings.save(machine.environment(), {"mode": "on", "mode_since": NOW})
    found = machine.run("replay", "--timeout", "0.3")
    assert found.status == 2
    assert machine.run("replay", "--timeout", "0.3", "--tool", "usagectl").status == 5


def test_what_stays_says_why(machine: Machine) -> None:
    """A tool without an endpoint has none of its own; each hint does what it says."""
    for name, to in (("none", ""), ("own", "https://own.invalid/v1"), ("off", "")):
        registry.register(machine.environment(), Registration(name, endpoint=to))
        put(machine, event(1), kind="e", tool=name)
    put(machine, event(2), kind="e", tool="own")
    settings.save(machine.environment(), {"mode": "off"}, tool="off")
    told = machine.run("replay", "--dry-run").stderr
    assert "1 event of none stays here: that tool names no endpoint." in told
    assert "usagectl replay --tool none --to http://127.0.0.1:8123/v1" in told
    assert "2 events of own stay here: that tool has an endpoint of its own." in told
    assert "usagectl replay --tool own" in told
    assert "1 event of off stays here: that tool is off, by tools.off.mode=off" in told


def test_nobody_listens_here(machine: Machine) -> None:
    """What was meant for an endpoint of one's own gets the command that makes one."""
    put(machine, event(1), kind="e")
    with Endpoint() as there:
        base = there.base
    found = machine.run("replay", "--to", base, "--timeout", "3")
    port = base.rpartition(":")[2].removesuffix("/v1")
    assert "nothing listens there" in found.stderr
    assert f"try: usagectl capture --port {port}\n" in found.stderr


@pytest.mark.parametrize("seconds", ["nan", "inf", "-inf"])
def test_no_number_of_seconds(machine: Machine, seconds: str) -> None:
    """It is a slip on the command line, not a crash."""
    put(machine, event(1), kind="e")
    found = machine.run("replay", "--to", "http://127.0.0.1:9/v1", "--timeout", seconds)
    assert found.status == 2
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize("copy", [(), ("--copy",)])
def test_a_read_only_spool_sends_nothing(machine: Machine, copy: tuple[str, ...]) -> None:
    """Nothing could be noted or logged: so nothing goes, and it says why with the counts."""
    put(machine, event(1), kind="e")
    with Endpoint() as there:
        words = ("replay", "--to", there.base, "--json", *copy)
        found = confined.run_behind(confined.read_only(machine), machine, *words)
        assert there.received == []
    assert found.status == 4
    assert found.envelope["errors"][0]["code"] == "spool-unwritable"
    assert (found.data["planned"], found.data["sent"], found.data["kept"]) == (1, 0, 1)


def test_too_few_descriptors_are_no_running_program(machine: Machine) -> None:
    """A segment that cannot be opened for want of something is not held by anybody."""
    for day in range(2):
        put(machine, event(day), kind="e", now=NOW + timedelta(days=day))
    folder = spool_dir(machine)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    with queue.Claims(folder, folder) as claims:
        waiting = iter(claims)
        next(waiting)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
        try:
            with suppress(OSError):
                while True:
                    taken.append(os.open(os.devnull, os.O_RDONLY))
            with pytest.raises(SpoolUnwritableError, match=r"(?i)too many open files"):
                next(waiting)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for each in taken:
                os.close(each)


def test_a_log_that_breaks_off_is_told_with_what_went(machine: Machine) -> None:
    """Two batches go, the log takes one: the answer counts what was sent, beside the reason."""
    for count in range(2):
        put(machine, event(count), kind="e")
    sent = spool_dir(machine) / "sent"

    def spoil(connection: Connection, _request: Received) -> None:
        if len(there.received) == 2:
            for file in sent.glob("*.jsonl"):
                file.unlink()
            sent.rmdir()
            sent.write_bytes(b"")
        connection.answer(200)

    large = b'{"name":"e","metadata":{},"payload":{"n":3,"x":"%b"}}' % (b"x" * 5_000_000)
    put(machine, large, kind="e")
    with Endpoint(spoil) as there:
        words = ("--to", there.base, "--copy", "--batch-size", "2", "--json")
        found = machine.run("replay", *words)
    assert found.status == 4
    assert found.data["sent"] == 3


def test_an_interruption_knows_what_was_planned(machine: Machine) -> None:
    """Also before the first answer."""
    put(machine, event(1), kind="e")
    with Endpoint(hang) as there:
        child = start(machine, "replay", "--to", there.base, "--json")
        assert there.wait_for(1)
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=30)
    assert child.returncode == 130
    data = json.loads(out)["data"]
    assert (data["planned"], data["kept"], data["sent"]) == (1, 1, 0)


def test_a_file_whose_place_cannot_be_changed(machine: Machine) -> None:
    """What an earlier replay left and cannot be removed ends in our words."""
    (machine.cwd / "file.jsonl").write_bytes(event(1) + b"\n")
    with Endpoint() as there:
        words = ("replay", "--file", "file.jsonl", "--to", there.base, "--json")
        assert machine.run(*words).status == 0
        wall = confined.read_only(machine)
        found = confined.run_behind(wall, machine, *words)
    assert (found.status, len(there.received)) == (4, 1)
    assert found.envelope["errors"][0]["code"] == "spool-unwritable"


def test_a_number_of_thousands_of_digits_is_shown(machine: Machine) -> None:
    """Preview shows the bytes and needs no number's value."""
    digits = b"1" * 6000
    body = b'{"name":"%b","metadata":{},"payload":{"n":%b}}'
    for kind in (b"e", b"session"):
        put(machine, body % (kind, digits), kind=kind.decode())
    found = machine.run("preview", "usagectl", "--waiting", "--raw")
    assert found.status == 0
    assert found.stdout.encode().count(digits) == 2
    named = machine.run("preview", "usagectl", "--waiting", "--json").data["requests"]
    assert [each["events"] for each in named][:2] == [["e"], ["session"]]


def test_without_a_home_the_hint_makes_a_place(machine: Machine) -> None:
    """Where there is no folder, none is named: neither as `None` nor as an empty one."""
    homeless = machine.environment(state_dir=None, config_dir=None)
    found = run_inside(homeless, "spool")
    assert "try: export USAGECTL_STATE_DIR=/an/absolute/folder" in found.stdout
    assert "None" not in found.stdout
    assert "()" not in run_inside(homeless, "status").stdout


def test_a_no_says_that_nothing_was_sent(machine: Machine) -> None:
    """The answer to a question about sending is about sending."""
    put(machine, event(1), kind="e")
    words = [sys.executable, "-m", "usagectl", "replay", "--to", "https://name.invalid/v1"]
    ours, theirs = pty.openpty()
    os.write(ours, b"n\n")
    child = subprocess.Popen(
        words,
        env=machine.process_variables(),
        cwd=machine.cwd,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    assert child.wait(timeout=60) == 1
    os.close(theirs)
    shown = os.read(ours, 65536)
    os.close(ours)
    assert b"Nothing was sent." in shown


def test_what_files_left_long_ago_goes_with_any_replay(machine: Machine) -> None:
    """Eight days after an interrupted replay of a file nothing of it lies here any more."""
    left = spool_dir(machine) / "files"
    for name, days in (("old", 8), ("young", 1)):
        (left / name).mkdir(parents=True)
        moment = (NOW - timedelta(days=days)).timestamp()
        os.utime(left / name, (moment, moment))
    put(machine, event(1), kind="e")
    with Endpoint() as there:
        options = replay.Options(to=there.base)
        environment = machine.environment()
        replay.run(environment, options, base=there.base, folder=spool_dir(machine))
    assert [each.name for each in left.iterdir()] == ["young"]
