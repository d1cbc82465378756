"""Tests of what preview shows of each tool, and when: consent, addresses, the spool's own bytes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.support.commands import run_inside
from tests.support.machine import codes
from usagectl.preview import preview
from usagectl.settings import save
from usagectl.spool import append
from usagectl.tools.previews import Live, PreviewWish
from usagectl.tools.registry import select

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine
    from usagectl.preview import Preview

LAST = (
    b'{"name":"cli_cmd","metadata":{"client_time":"1"},"payload":{"cmd":"\xc3\xa9 1","params":[]}}'
)
PRESENT = b'{"name": "cli_cmd", "metadata": {}, "payload": {"cmd": "usagectl preview"}}'


def previews(machine: Machine, name: str, **wish: Any) -> tuple[Preview, ...]:  # noqa: ANN401
    """Preview a tool."""
    environment = machine.environment()
    tool = select(environment, [name])[0]
    return preview(environment, tool, PreviewWish(**wish), present=PRESENT)[0]


def own(machine: Machine, **wish: Any) -> Preview:  # noqa: ANN401
    """Preview usagectl."""
    return previews(machine, "usagectl", **wish)[0]


def keep(machine: Machine, event: bytes, *, tool: str = "usagectl") -> None:
    """Put an event into the spool."""
    append(machine.environment(), event, tool=tool, kind="event")


def test_an_opted_out_client_shows_nothing_unless_asked(machine: Machine) -> None:
    """An opted-out client sends nothing, so nothing is shown; --if-enabled shows what would be."""
    for value in ("1", "true"):
        machine.variables["DISABLE_EVENTS"] = value
        (off,) = previews(machine, "localstack")
        assert (off.requests, off.would_send, off.consent.telemetry) == ((), False, "off")
        (shown,) = previews(machine, "localstack", if_enabled=True)
        assert (len(shown.requests), shown.would_send) == (1, False)


def test_lstks_bytes_are_not_known(machine: Machine) -> None:
    """What lstk would send is said without bytes; once it is off there is nothing to say."""
    for value, if_enabled, code in (("0", True, 1), ("1", True, 1), ("1", False, 0)):
        machine.variables = {"LOCALSTACK_DISABLE_EVENTS": value}
        for found in previews(machine, "lstk", if_enabled=if_enabled):
            assert (found.requests, found.is_unknown) == ((), True)
            assert codes(found) == ["bytes-not-known"] * code
            assert found.would_send == (value == "0")


def test_raw_bytes_or_the_reason_why_there_are_none(machine: Machine) -> None:
    """Nothing to print is exit status 1, its reason on stderr; no hint repeats what was typed."""
    done = run_inside(machine.environment(), "preview", "localstack", "--raw")
    assert (done.status, json.loads(done.stdout)["name"], done.stderr) == (0, "session", "")
    machine.variables["DISABLE_EVENTS"] = "1"
    off = run_inside(machine.environment(), "preview", "localstack", "--raw")
    assert (off.status, off.stdout) == (1, "")
    assert "off; nothing would be sent. Decided by: DISABLE_EVENTS=1" in off.stderr
    assert "try: usagectl preview localstack --raw --if-enabled" in off.stderr
    local = run_inside(machine.environment(), "preview", "go", "--if-enabled")
    assert local.stdout.startswith("go sends nothing. If it were on, it would send events.")
    asks = run_inside(machine.environment(), "preview", "gcloud")
    assert asks.stdout.startswith("gcloud: off; nothing would be sent. No switch is set.\n")
    shown = ("preview", "lstk", "--raw", "--if-enabled")
    for words in (shown, (*shown[:2], "--if-enabled")):
        done = run_inside(machine.environment(), *words)
        assert "try: usagectl explain lstk_command" in done.stdout + done.stderr
        assert done.status == ("--raw" in words)


def test_own_events_are_shown_unless_off(machine: Machine) -> None:
    """Off shows nothing, local shows what is recorded, on says that it would be sent."""
    for mode, shown, would_send in (("off", 0, False), ("local", 1, False), ("on", 1, True)):
        save(machine.environment(), {"mode": mode})
        found = own(machine)
        assert (len(found.requests), found.would_send) == (shown, would_send), mode
        assert len(own(machine, if_enabled=True).requests) == 1


def test_own_bytes_are_the_spools_and_the_present_events(machine: Machine, tmp_path: Path) -> None:
    """The last event of the spool and the present one are joined byte for byte; nobody is named."""
    keep(machine, b'{"name":"cli_cmd","metadata":{},"payload":{"cmd":"older"}}')
    keep(machine, LAST)
    keep(machine, b'{"name":"other","metadata":{},"payload":{}}', tool="localstack")
    (request,) = own(machine).requests
    assert request.body == b'{"events":[' + LAST + b"," + PRESENT + b"]}"
    assert (request.events, request.masked) == (("cli_cmd", "cli_cmd"), ())
    assert str(tmp_path) not in str(request)
    environment = machine.environment()
    tool = select(environment, ["usagectl"])[0]
    (found,), _ = preview(environment, tool, PreviewWish())
    assert found.requests[0].body == b'{"events":[' + LAST + b"]}"


def test_a_spoiled_spool_does_not_stop_preview(machine: Machine) -> None:
    """Spooled bytes that are no event (people may edit the file) are not shown as one."""
    for junk in (
        b"5",
        b"null",
        b"[]",
        b"{}",
        b'{"name":5}',
        b'{"name":"x","payload":{}}',
        b'{"name":"\xed\xa0\x80"}',
        b"[" * 3000 + b"]" * 3000,
    ):
        keep(machine, junk)
        assert own(machine).requests[0].body == b'{"events":[' + PRESENT + b"]}", junk[:20]


def test_preview_writes_nothing(machine: Machine) -> None:
    """Looking makes no machine ID, no folder, no event."""
    for name in ("localstack", "lstk", "usagectl"):
        previews(machine, name, if_enabled=True)
    assert list(machine.home.rglob("*")) == []
    assert not machine.state_dir.exists()


def test_user_info_of_the_address_never_becomes_the_host(machine: Machine) -> None:
    """The Host header holds host and port alone, for both tools."""
    hosts = {"http://user:secret@host.example:8123/v1": "host.example:8123", "http://u@h/v1": "h"}
    for url, host in hosts.items():
        machine.variables["ANALYTICS_API"] = url
        for request in (*previews(machine, "localstack")[0].requests, *own(machine).requests):
            assert request.headers["Host"] == host


def test_an_invalid_address_sends_nothing(machine: Machine) -> None:
    """No client can post to an invalid address: that is said instead of a request."""
    for value in ("http://[bad", "nonsense", "ftp://h/v1", "http://h:99999999/v1"):
        machine.variables = {"ANALYTICS_API": value, "LOCALSTACK_ANALYTICS_API": value}
        live = Live({}, {"version": "4.14.0"}, {"ANALYTICS_API": value})
        found = [*previews(machine, "localstack", live=live), own(machine)]
        assert len(found) == 3
        for each in found:
            assert (each.requests, each.would_send) == ((), False), value
            assert codes(each) == ["endpoint-invalid"]
        done = run_inside(machine.environment(), "preview", "--json")
        assert (done.status, done.data["requests"]) == (0, [])


def test_in_a_container_the_answer_comes_before_the_explanation(machine: Machine) -> None:
    """What `localstack start` posts is shown first; then that other commands post something else.

    Where no session is sent at all, nobody reads that nothing is.
    """
    verdicts = {"0": "localstack cli would send this.", "1": "localstack cli is off. If it were on"}
    for switch, verdict in verdicts.items():
        machine.variables = {"OVERRIDE_IN_DOCKER": "1", "DISABLE_EVENTS": switch}
        shown = run_inside(machine.environment(), "preview", "localstack", "--if-enabled").stdout
        assert shown.startswith(verdict)
        assert '"is_docker": false' in shown.partition("only `localstack start` posts this")[0]
        assert "usagectl capture -- localstack config show" in shown
    machine.cwd.rmdir()
    machine.variables = {"DISABLE_EVENTS": "1"}
    shown = run_inside(machine.environment(), "preview", "localstack", "--if-enabled").stdout
    assert "is off. If it were on, it would send events." in shown
    assert "nothing would be sent" not in shown


def test_rules_that_were_never_read_are_admitted(machine: Machine) -> None:
    """A version between or beyond those that were read is shown with a word of caution."""
    read, unread = ("1.0.4", "4.14.0", "2026.8.2"), ("0.14", "9.9", "2027.1")
    for version in (*read, *unread):
        words = ("preview", "localstack", "--localstack-version", version, "--json")
        notices = run_inside(machine.environment(), *words).data["notices"]
        assert any("never read" in text for text in notices) == (version in unread), version


def test_the_notice_speaks_of_localstack_alone(machine: Machine) -> None:
    """When LocalStack sends an event is no word on when usagectl records its own."""
    environment = machine.environment()
    assert "localstack CLI" not in run_inside(environment, "preview", "usagectl").stdout
    shown = run_inside(environment, "preview", "localstack").stdout
    assert "session: Once for each process" in shown
