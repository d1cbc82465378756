"""Tests of what `capture` answers of a recorder: by host, its gaps, and what was expected."""

from __future__ import annotations

import json
import os
import shlex
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from tests.support import sealing
from tests.support.commands import run_inside
from tests.support.machine import NOW
from usagectl.audit import AuditResult
from usagectl.capture import Options, Sums, decoding, records
from usagectl.capture.observations import Observation, Seen
from usagectl.capture.records import Privacy, Request
from usagectl.capture.traffic import HostTraffic
from usagectl.cli import _capture_expectations as expectations
from usagectl.cli import _capture_hosts as hosts
from usagectl.cli import _capture_page as page
from usagectl.cli._capture_hosts import Sight

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.support.machine import Machine

TOOL = f"""#!{sys.executable}
import urllib.request as u
u.build_opener(u.ProxyHandler({{}})).open("http://api.t.example/v1", b"{{}}").read()
"""
NEXT = HostTraffic(
    *("telemetry.nextjs.org", 443, "next", "telemetry", ""),
    *(1, 2, 8, 3120),
)
INDEX = HostTraffic("pypi.org", 443, "", "own", "", look_ups=1, requests=3, bytes=90, connections=1)
CHECK = HostTraffic("registry.npmjs.org", 443, "next", "update-check", "", requests=1, bytes=0)
ASKED = HostTraffic("cdp.expo.dev", 0, "expo", "telemetry", "", look_ups=1)
ODD = HostTraffic("2001:db8::1", 8443, "", "unknown", "", connections=4, tls_refused=4)
HERE = HostTraffic("127.0.0.1", 4566, "", "loopback", "", connections=1)
POSTHOG = HostTraffic("eu.i.posthog.com", 443, "", "telemetry", "PostHog", packets=2)


def sight(*traffic: HostTraffic, **members: Any) -> Sight:  # noqa: ANN401
    """Build what a recorder saw of a command."""
    return Sight(members.pop("mode", "sealed"), "next", traffic, **members)


def outcome(seen: Sight | None, **members: Any) -> page.Outcome:  # noqa: ANN401
    """Build the result of a capture, of which nothing but this was kept."""
    file = SimpleNamespace(problem=members.pop("problem", None))
    run = SimpleNamespace(file=file, left=(), variables={}, options=Options())
    sums = members.pop("sums", Sums())
    found = AuditResult(0, {}, ())
    capture = cast("page.Run", run)
    return page.Outcome(capture, sums, (), found, 0, sight=seen, **members)


def codes(seen: Sight, expect: expectations.Expect, *words: str, **members: Any) -> list[str]:  # noqa: ANN401
    """Return the codes of the expectations that failed."""
    found = expectations.failed(outcome(seen, **members), expect, words or ("next", "build"))
    return [each.code for each in found]


def test_the_first_sentence_is_the_answer() -> None:
    """It says who did what to whom in plain words, and whether anything left."""
    for seen, told in (
        (sight(NEXT), "next sent 8 requests to telemetry.nextjs.org. Nothing left this machine."),
        (
            sight(NEXT, ASKED, ODD),
            "next sent 8 requests to telemetry.nextjs.org and to 2 more places. Nothing left this "
            "machine.",
        ),
        (sight(ASKED), "next asked for the address of cdp.expo.dev. Nothing left this machine."),
        (sight(ODD), "next tried to reach [2001:db8::1]:8443. Nothing left this machine."),
        (
            sight(INDEX, CHECK),
            "next sent no telemetry; it tried 2 places known for other things. Nothing left this "
            "machine.",
        ),
        (sight(), "next sent nothing: no look-up, no connection, no packet."),
        (sight(NEXT, mode="proxy", is_offline=False), "next sent 8 requests to telemetry.next"),
        (sight(mode="proxy", is_offline=False), "next sent nothing to the proxy."),
    ):
        found = hosts.first_sentence(seen)
        assert found.startswith(told), found
        assert (found.endswith("Nothing left this machine.")) == ("left" in told)
    offline = hosts.first_sentence(sight(NEXT, mode="proxy", is_offline=True))
    assert offline.endswith("telemetry.nextjs.org. Nothing was passed on."), "it may be passed by"


def test_none_fails_on_what_may_be_telemetry() -> None:
    """Telemetry, error reports and unknown hosts fail it, by a look-up too; the rest is named."""
    errors = NEXT._replace(kind="errors")
    for rows, expect, found in (
        ((NEXT,), "none", ["unexpected-events"]),
        ((errors,), "none", ["unexpected-events"]),
        ((ODD,), "none", ["unexpected-events"]),
        ((ASKED,), "none", ["unexpected-events"]),
        ((POSTHOG,), "none", ["unexpected-events"]),
        ((INDEX, CHECK), "none", []),
        ((), "none", []),
        ((INDEX,), "silence", ["unexpected-events"]),
        ((CHECK,), "silence", ["unexpected-events"]),
        ((), "silence", []),
        ((NEXT, ODD), "notice", []),
    ):
        expected = cast("expectations.Expect", expect)
        assert codes(sight(*rows), expected) == found, (rows, expect)


def test_a_recorder_that_missed_something_proves_nothing() -> None:
    """What could not be kept or watched is no silence; what was tried is said all the same."""
    lost, blind = Sums(unstored=1), sight(lacks=("no-packets",))
    expects: tuple[expectations.Expect, ...] = ("none", "silence")
    for expect in expects:
        assert codes(sight(), expect, sums=lost) == ["silence-unproven"]
        assert codes(blind, expect) == ["silence-unproven"]
        assert codes(sight(NEXT), expect, sums=lost) == ["unexpected-events"]


def test_a_proxy_is_no_proof_for_a_tool_that_may_pass_it_by() -> None:
    """By its entry in the catalogue: ignored and unknown are unproven, by name; honoured is not."""
    for words, found in (
        (("next", "build"), ["unproven"]),
        (("/usr/bin/turbo", "run"), []),
        (("mine",), []),
        (("npx", "--yes", "next@16", "build"), ["unproven"]),
        (("npx", "@angular/cli", "new"), ["unproven"]),
        (("timeout", "5", "npx", "turbo", "run"), []),
        (("uvx", "aider-chat"), ["unproven"]),
        (("sh", "-c", "next build"), ["unproven"]),
        (("mine", "next"), []),
    ):
        assert codes(sight(mode="proxy"), "none", *words) == found, words
    assert codes(sight(NEXT, mode="proxy"), "none") == ["unexpected-events"]


def test_the_program_behind_a_launcher_is_named(machine: Machine) -> None:
    """The sentence tells what sent, not what started it."""
    machine.install_program("tool", TOOL)
    found = sealing.seal(machine, "--", "env", "A=1", "tool")
    assert found.outcome.stderr.startswith("tool sent 1 request to api.t.example.")


def test_what_had_to_be_ended_proves_no_silence() -> None:
    """It might have sent a moment later; what it did send comes first, and the notice asks less."""
    for seen, expect, found in (
        (sight(killed=1), "silence", ["silence-unproven"]),
        (sight(CHECK, killed=2), "none", ["silence-unproven"]),
        (sight(NEXT, killed=2), "none", ["unexpected-events"]),
        (sight(killed=1), "notice", []),
    ):
        assert codes(seen, expect) == found  # type: ignore[arg-type]
    (error,) = expectations.failed(outcome(sight(killed=2)), "none", ("x",))
    assert "2 processes still ran and had to be ended" in str(error)
    assert error.hint == "usagectl capture --sealed --grace 60 -- CMD"
    ended = outcome(sight(killed=2))
    ended.capture.options = Options(grace_seconds=400)
    (error,) = expectations.failed(ended, "none", ("x",))
    assert error.hint == "usagectl capture --sealed --grace 600 -- CMD", "it takes no more"
    (error,) = expectations.failed(outcome(sight(lacks=("no-packets",))), "silence", ("x",))
    assert error.hint == "usagectl capture --sealed --live -- CMD", "it would go out without"


def test_a_host_of_many_is_of_nobody() -> None:
    """A service that many tools post to is named by itself: who sent there is not known."""
    shared = POSTHOG._replace(tool="chromadb, mem0")
    assert hosts.tool_of((shared,)) == ""
    assert hosts.tool_of((shared, NEXT)) == "next"
    assert hosts.tool_of((shared,), "mem0") == "mem0"
    assert "status" not in hosts.next_step(sight(shared))
    (error,) = expectations.failed(outcome(sight(shared)), "none", ("x",))
    assert error.hint == "usagectl capture --sealed --output out.jsonl -- CMD"


def test_silence_of_what_was_ended_or_is_on_is_no_whole_answer() -> None:
    """It is said in the first sentence, and by the next step."""
    assert hosts.first_sentence(sight(killed=1)).startswith("next sent nothing until 1 process of")
    assert "usagectl status next" in hosts.next_step(sight(quiet="next"))
    assert hosts.next_step(sight()) == ""


def test_the_next_step_is_one_that_helps() -> None:
    """A proxy's capture stays one; `--own` is named for what nobody knows, and not for silence."""
    for seen, expect, hint in (
        (sight(ODD, mode="proxy"), "none", "usagectl capture --proxy --own 2001:db8::1 -- CMD"),
        (sight(POSTHOG, ODD), "none", "usagectl capture --sealed --own 2001:db8::1 -- CMD"),
        (sight(ODD), "silence", "usagectl capture --sealed --output out.jsonl -- CMD"),
        (sight(NEXT), "silence", "usagectl status next"),
    ):
        (error,) = expectations.failed(outcome(seen), expect, ("x",))  # type: ignore[arg-type]
        assert error.hint == hint


def test_what_was_not_seen_is_said() -> None:
    """Each gap has a code and a sentence; a run with none has no other than it had no network."""
    seen = [
        Seen(Observation(kind, "h.example", "", 1, detail), 2, NOW)  # type: ignore[arg-type]
        for kind, detail in (
            *(("connection", "h2"), ("connection", "unknown"), ("connection", "refused")),
            *(("datagram", ""), ("packet", "icmp")),
        )
    ]
    lacks = ("no-brotli", "no-http2", "no-ipv6", "no-packets", "no-redirect", "no-zstandard")
    whole = sight(
        *(ODD, HERE, NEXT),
        seen=seen,
        lacks=lacks,
        unread=1,
        killed=2,
        hidden=("/run/a", "/run/b", "/run/c"),
    )
    found = {gap.code: gap.text for gap in hosts.gaps(whole)}
    assert found.keys() == {
        *lacks,
        *(
            "tls-refused",
            "unknown-protocol",
            "packets",
            "killed",
            "hidden-sockets",
            "no-network",
            "no-loopback",
        ),
    }
    assert [each for each in found.values() if not each.endswith(".") or ".." in each] == []
    assert found["hidden-sockets"] == "Hidden from it: 3 sockets of daemons, such as /run/a."
    assert f"{sys.executable} -m pip install brotli " in found["no-brotli"]
    assert [gap.code for gap in hosts.gaps(sight(NEXT))] == ["no-network"]
    assert hosts.gaps(sight()) == []
    # What is not there, and was not wanted, is no gap.
    unused = sight(lacks=("no-brotli", "no-http2", "no-redirect", "no-zstandard"))
    assert hosts.gaps(unused) == []
    assert [gap.code for gap in hosts.gaps(sight(NEXT, mode="proxy"))] == ["passes-proxy"]


def test_only_a_body_that_a_library_would_read_is_called_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one that is empty, nor one that is no JSON: no library would change that."""
    monkeypatch.setattr(decoding, "find_spec", lambda _name: None)
    lines = b""
    for body, coding in ((b"x", "br"), (b"{}", ""), (b"", ""), (b"text", ""), (b"x", "zstd")):
        request = Request("POST", "/x", "", {"content-encoding": coding}, body)
        lines += records.build(request, now=NOW, entropy=os.urandom, privacy=Privacy())[0]
    (tmp_path / "out.jsonl").write_bytes(lines)
    assert hosts.count_unread(tmp_path / "out.jsonl") == 2


def test_the_page_fits_and_leads_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The worst host is first, a dozen rows are enough, and no line is too long."""
    many = [INDEX._replace(host=f"{number}.example") for number in range(20)]
    for width in (80, 120):
        monkeypatch.setenv("COLUMNS", str(width))
        shared = POSTHOG._replace(tool="chromadb, mem0")
        page.show_outcome(outcome(sight(NEXT, shared, ODD, *many)))
        lines = capsys.readouterr().out.splitlines()
        assert [line for line in lines if len(line) > width] == []
        table = [line.split() for line in lines if line.startswith("  ")]
        assert table[0] == [
            *("telemetry", "of", "next", "telemetry.nextjs.org", "8", "requests,", "3120", "bytes")
        ]
        assert table[1][:3] == ["telemetry", "(PostHog)", "eu.i.posthog.com"]
        wrapped = width == 80  # One row of many words.
        assert (len(table), table[-1][:3]) == (12 + wrapped, ["and", "12", "more;"])
        assert lines[-1] == "Next: usagectl status next says which switch decides."
    page.show_outcome(outcome(sight(ODD)))
    assert "name it with --own 2001:db8::1;" in capsys.readouterr().out
    page.show_outcome(outcome(sight()))
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_no_row_breaks_at_a_long_host(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its beginning is left out, as its end says whose it is; in a pipe it stands whole.

    Where 80 columns leave too little of it, hosts stand below what they are.
    """
    host = f"{'a-customer.' * 9}elb.example-company.com"
    insights = POSTHOG._replace(service="Application Insights", packets=0, requests=1, bytes=12)
    rows = [insights, *(ODD._replace(host=each, tls_refused=0) for each in (host, "b.example"))]
    drawn = {}
    for width in (80, 120, 0):
        monkeypatch.setenv("COLUMNS", str(width) if width else "")
        page.show_outcome(outcome(sight(*rows)))
        lines = capsys.readouterr().out.splitlines()
        drawn[width] = [line for line in lines if line.startswith("  ")]
        assert not [line for line in lines if len(line) > (width or 999)]
    assert [line.split()[0] for line in drawn[80]] == [
        *("telemetry", "eu.i.posthog.com", "unknown", drawn[80][3].split()[0], "b.example:8443")
    ]
    assert drawn[80][3].endswith(".elb.example-company.com:8443  4 connections")
    assert drawn[80][3].startswith("    …")
    assert [len(drawn[width]) for width in (120, 0)] == [3, 3]
    assert "…" in drawn[120][1]
    assert host in drawn[0][1]
    assert hosts.host_shown(host, lambda text: f"{text[:80]}…") == host, "its end tells whose it is"
    assert hosts.host_shown(host, lambda _text: "*") == "*"


def test_the_answer_for_a_program() -> None:
    """Beside the keys of today it has the way, the hosts, what was observed, and the gaps."""
    look_up = Seen(Observation("look-up", "cdp.expo.dev", detail="A"), 2, NOW)
    data = page.outcome_data(outcome(sight(NEXT, ASKED, seen=[look_up], killed=2)))
    json.dumps(data)
    assert (data["mode"], data["not_seen"]) == ("sealed", ["killed", "no-network"])
    counts = {"requests": 8, "bytes": 3120, "tls_refused": 0, "packets": 0}
    first, second = cast("list[dict[str, Any]]", data["hosts"])
    assert first == {
        "host": "telemetry.nextjs.org",
        "port": 443,
        "tool": "next",
        "kind": "telemetry",
        "service": None,
        "look_ups": 1,
        "connections": 2,
        **counts,
    }
    assert (second["port"], second["look_ups"]) == (None, 1)
    (observed,) = cast("list[dict[str, Any]]", data["observed"])
    assert (observed["kind"], observed["count"], observed["detail"]) == ("look-up", 2, "A")
    plain = page.outcome_data(outcome(None))
    assert {"by_target", "target_bytes"} & plain.keys() == set()
    assert [plain[name] for name in ("mode", "hosts", "observed", "not_seen")] == [
        *("redirect", [], [], [])
    ]


def test_ways_that_do_not_go_together(machine: Machine) -> None:
    """Each is refused with its reason, before anything runs."""
    machine.install_program("tool")
    for line, told in (
        ("--sealed", "needs a command"),
        ("--sealed --proxy -- tool", "two ways"),
        ("--sealed --port 80 -- tool", "--bind nor --port"),
        ("--sealed --bind 0.0.0.0 -- tool", "--bind nor --port"),
        ("--offline -- tool", "goes with --proxy"),
        ("--sealed --offline -- tool", "goes with --proxy"),
        ("--own pypi.org -- tool", "goes with --sealed or --proxy"),
        ("--sealed --allow pypi.org -- tool", "--own HOST names what CMD is for"),
        ("--allow pypi.org -- tool", "Nothing leaves a sealed run"),
        ("--expect silence -- tool", "only a sealed run sees every look-up"),
        ("--proxy --expect silence -- tool", "only a sealed run sees every look-up"),
        ("--proxy --expect none --answer refuse -- tool", "can prove nothing"),
        ("--sealed --own https://pypi.org/ -- tool", "--own"),
        ("--sealed --own= -- tool", "--own"),
    ):
        found = run_inside(machine.environment(), "capture", *line.split())
        assert (found.status, found.stdout) == (2, ""), line
        assert told in found.stderr, (line, found.stderr)
        assert "try:" in found.stderr


def test_a_sealed_run_answers_by_host(machine: Machine) -> None:
    """A real run: what it shows as it comes, what it says at the end, and what is expected.

    A host that the notice says nothing of is no departure from it; its own is named by --own.
    """
    sealing.require()
    machine.install_program("tool", TOOL)
    sealed = ("capture", "--sealed", "--summary", "sum.json", "--force")
    for more, status, code in (
        (("--expect", "none", "--live"), 1, "unexpected-events"),
        (("--expect", "silence", "--own", "t.example"), 1, "unexpected-events"),
        (("--expect", "none", "--own", "t.example"), 0, ""),
        (("--expect", "notice"), 0, ""),
    ):
        done = machine.run(*sealed, *more, "--", "tool")
        document = json.loads((machine.cwd / "sum.json").read_text())
        assert done.status == status, done.stderr
        assert [each["code"] for each in document["errors"]] == ([code] if code else []), more
        assert document["data"]["status"] == 0
        (host,) = document["data"]["hosts"]
        assert (host["host"], host["port"], host["requests"]) == ("api.t.example", 80, 1)
        assert ("look-up: api.t.example (A)" in done.stderr) == ("--live" in more)
        assert "Nothing left this machine." in done.stderr
        variables = document["data"]["variables"]
        assert ("SSL_CERT_FILE" in variables, "HOME" in variables) == (True, False)
    assert machine.run("capture", "--sealed", "--expect", "silence", "--", "/bin/true").status == 0
    machine.install_program("turbo", "#!/bin/sh\n")  # It is on, and this run sends nothing.
    silent = machine.run("capture", "--sealed", "--", "turbo", "--version")
    assert "Next: turbo is on in this shell; usagectl status turbo says" in silent.stderr
    off = machine.run("capture", "--sealed", "--", "turbo", variables={"DO_NOT_TRACK": "1"})
    assert "Next:" not in off.stderr
    failed = machine.run("capture", "--sealed", "--expect", "none", "--", "tool")
    hint = "usagectl capture --expect none --sealed --own api.t.example -- tool"
    assert failed.stderr.endswith(f"  try: {hint}\n")
    assert machine.run(*shlex.split(hint)[1:]).status == 0
