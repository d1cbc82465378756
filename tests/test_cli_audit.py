"""The audit command: its answers, its exit statuses, what it suppresses and what it hides."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import run_inside
from tests.support.machine import REPOSITORY
from tests.support.terminals import ESCAPE, draw_all, needs_terminal
from usagectl import notice
from usagectl.audit import RULES
from usagectl.capture import records
from usagectl.capture.records import Privacy, Request

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine, Outcome

KNOWN = json.dumps(
    {
        "name": "cli_cmd",
        "metadata": {"client_time": "2026-11-23 09:00:00", "session_id": "x"},
        "payload": {"cmd": "localstack start", "params": []},
    }
)
NEW = json.dumps({"name": "brand_new", "payload": {"a/b": "mail jo@corp.io"}})
GOOD = json.dumps(notice.find_event("run_init").example)


def captured(
    machine: Machine, host: str, body: object, agent: str = "node", *, query: str = ""
) -> bytes:
    """Build the lines that a recorder keeps of a request."""
    given = machine.environment()
    headers = {"user-agent": agent}
    request = Request("POST", "/x", query, headers, json.dumps(body).encode(), host=host, port=443)
    lines, _ = records.build(
        request, now=given.now(), entropy=given.entropy, privacy=Privacy(reveal=True)
    )
    return lines


def test_an_address_may_give_something_away(machine: Machine) -> None:
    """A counting pixel has its values in the query, once for all events of its request."""
    (machine.cwd / "events.jsonl").write_bytes(
        captured(machine, "t.example", {"events": [{}, {}]}, query="u=jo%40corp.io&token=*&u=z&=x")
    )
    found = audit(machine, "--json").data["findings"]
    assert [(each["rule"], each["field"], each["count"]) for each in found] == [
        ("UC501", "/path/u", 1)
    ]
    (machine.cwd / "events.jsonl").write_bytes(
        captured(machine, "t.example", {"n": 1}, query="jo%40corp.io")
    )
    assert [each["rule"] for each in audit(machine, "--json").data["findings"]] == ["UC501"]


def test_what_another_tool_sent_is_not_held_against_the_notice(machine: Machine) -> None:
    """It is searched under its host's name; what was meant for the notice's host is held.

    A client of the notice is known by its name at any host. A replay sends what was audited as
    events, and nothing that another program meant for its own host.
    """
    event = json.loads(KNOWN)
    body = {"context": {"cwd": "/home/alice/x"}, "events": [{"eventName": "a"}, {"token": "x1y"}]}
    (machine.cwd / "events.jsonl").write_bytes(
        captured(machine, "t.example", body)
        + captured(machine, "u.example", {"name": "odd", "message": "Free text of many words."})
        + captured(machine, "jo@corp.io", {"name": "cli_cmd", "to": "jo@corp.io"})
        + captured(machine, "analytics.localstack.cloud", event)
        + captured(machine, "proxy.example", event, "localstack/4.14")
    )
    found = audit(machine, "--json").data
    assert (found["events"], found["other_requests"]) == (2, 3)
    assert found["by_name"] == {"cli_cmd": 2}
    places = [(each["rule"], each["event"], each["field"]) for each in found["findings"]]
    assert places == [
        ("UC302", "t.example", "/token"),
        ("UC405", "t.example", "/body/context/cwd"),
        ("UC501", "(another host)", "/to"),
        ("UC201", "cli_cmd", "/metadata/session_id"),
    ]
    assert [each["sentence"] for each in found["findings"][:3]] == ["", "", ""]
    shown = audit(machine, "--ignore", "UC302=t.example.token:no secret")
    told = "findings in 2 events and 3 requests to hosts that the notice is not about"
    assert told in shown.stdout.splitlines()[0]
    file = machine.cwd / "events.jsonl"
    lines = file.read_bytes()
    file.write_bytes(captured(machine, "t.example", {"name": "odd"}))
    silent = audit(machine)
    assert "searched for secrets, names and paths of this machine." in silent.stdout
    assert "usagectl report --capture events.jsonl says" in silent.stdout
    file.write_bytes(lines)
    words = ("replay", "--dry-run", "--file", "events.jsonl", "--to", "http://127.0.0.1:9/v1")
    plan = run_inside(machine.environment(), *words)
    assert plan.stdout.startswith("2 events would go"), plan
    assert "5 lines were meant for another program's host" in plan.stderr


@pytest.fixture
def file(machine: Machine) -> Path:
    """Write a file with a good event, a known departure, and a new one."""
    path = machine.cwd / "events.jsonl"
    path.write_text(f"{GOOD}\n{KNOWN}\n{NEW}\n")
    return path


def audit(machine: Machine, *arguments: str) -> Outcome:
    """Audit the file."""
    return run_inside(machine.environment(), "audit", "events.jsonl", *arguments)


def rules_of(outcome: Outcome) -> list[str]:
    """List the rules of the findings that count."""
    return [each["rule"] for each in outcome.data["findings"] if each["suppressed"] is None]


@pytest.mark.usefixtures("file")
def test_json(machine: Machine) -> None:
    """The machine form names rule, place, count, example, sentence and what to do."""
    outcome = audit(machine, "--json")
    assert outcome.status == 1
    assert outcome.data["events"] == 3
    assert outcome.data["by_name"] == {"run_init": 1, "cli_cmd": 1, "brand_new": 1}
    assert outcome.data["totals"] == {"error": 2, "warning": 1, "note": 0, "suppressed": 0}
    finding = outcome.data["findings"][-1]
    assert finding["rule"] == "UC201"
    assert finding["known"]["id"] == "D01"
    assert finding["sentence"] in (REPOSITORY / "tests" / "data" / "notice.md").read_text()
    assert finding["line"] == 2
    assert outcome.envelope["errors"][0]["code"] == "findings"
    assert audit(machine, "--format", "json").data == outcome.data


@pytest.mark.usefixtures("file")
def test_fail_on(machine: Machine) -> None:
    """It exits 1 when a finding is as bad as --fail-on or worse, in every form."""
    rules = {"error": "undocumented-event", "warning": "UC201", "none": "UC503"}
    fails = {("error", "error"), ("warning", "error"), ("warning", "warning")}
    wrong = []
    for worst, rule in rules.items():
        for level in ("error", "warning", "never"):
            for form in ("table", "json", "sarif"):
                words = ("--rule", rule, "--fail-on", level, "--format", form)
                if audit(machine, *words).status != int((level, worst) in fails):
                    wrong.append(words)
    assert wrong == []


@pytest.mark.usefixtures("file")
def test_table(machine: Machine) -> None:
    """The answer comes first, then what was found, in words of the notice."""
    outcome = audit(machine)
    lines = outcome.stdout.splitlines()
    assert lines[0] == "3 findings in 3 events: 2 errors, 1 warning."
    assert "brand_new.a~1b" in outcome.stdout
    assert "not connected to the session" in outcome.stdout
    assert lines[-1].startswith("Next: ")
    assert "[findings]" in outcome.stderr


def test_good_events(machine: Machine) -> None:
    """Without a finding it says so and exits 0."""
    file = machine.cwd / "events.jsonl"
    for text in (f"{GOOD}\n", f"\n{GOOD}\n \n"):
        file.write_text(text)
        assert audit(machine).stdout.startswith("No findings in 1 event.")


PROBE = '{"kind":"unparsed","method":"GET","path":"/v1","problem":"it is empty"}'


def test_an_audit_of_nothing_proves_nothing(machine: Machine) -> None:
    """A file without an event exits 1, in every form, unless that is accepted."""
    file, wrong = machine.cwd / "events.jsonl", []
    for text in ("", "\n \r\n", "\ufeff", "[]", '{"events": []}\n[]\n', PROBE):
        file.write_text(text, encoding="utf-8")
        for words, status in (
            ((), 1),
            (("--json",), 1),
            (("--format", "sarif"), 1),
            (("--rule", "UC101"), 1),
            (("--fail-on", "warning"), 1),
            (("--allow-empty",), 0),
            (("--allow-empty", "--json"), 0),
            (("--fail-on", "never"), 0),
        ):
            outcome = audit(machine, *words)
            told = "no-events" in outcome.stderr + outcome.stdout or "never" in words
            if (outcome.status, told) != (status, bool(status) or "never" in words):
                wrong.append((text, words, outcome.status, outcome.stderr))
    assert wrong == []
    assert "holds no event" in audit(machine, "--fail-on", "never").stderr
    file.write_text("junk")
    assert audit(machine, "--allow-empty").status == 3
    piped = machine.run("audit", "-", stdin=b"")
    assert (piped.status, "Standard input holds no event. [no-events]" in piped.stderr) == (1, True)
    # That the spool holds nothing is known, and need not be a fault.
    assert run_inside(machine.environment(), "audit").status == 0


def test_bad_lines(machine: Machine) -> None:
    """Lines that hold no event are counted aloud; what could not be audited proves nothing."""
    file = machine.cwd / "events.jsonl"
    for text, status in (("junk\n", 3), (f"junk\n{GOOD}\n", 1), (f"{GOOD}\njunk", 1)):
        file.write_text(text)
        outcome = audit(machine)
        assert outcome.status == status
        assert "no event" in outcome.stderr
        assert "Traceback" not in outcome.stderr
        if status == 1:
            errors = audit(machine, "--json").envelope["errors"]
            assert [each["code"] for each in errors] == ["lines-unread"]
            assert audit(machine, "--format", "sarif").status == 1
            forgiven = audit(machine, "--fail-on", "never")
            assert (forgiven.status, "no event" in forgiven.stderr) == (0, True)


USAGE_ERRORS = (
    ("--rule", "UC999"),
    ("--rule", "undocumented-evnt"),
    ("--ignore", "UC201"),
    ("--ignore", "UC201:"),
    ("--ignore", "UC201=cli_cmd: "),
    ("--ignore", "UC201=cli_cnd:typo"),
    ("--fail-on", "bad"),
    ("--format", "xml"),
    ("--format", "sarif", "--json"),
    ("--write-baseline",),
    ("--state", "sent"),
)


@pytest.mark.usefixtures("file")
def test_usage_errors(machine: Machine) -> None:
    """Words that do not fit exit 2, in the envelope for a program, and say what would fit."""
    outcomes = {words: audit(machine, *words) for words in USAGE_ERRORS}
    assert {words: each.status for words, each in outcomes.items()} == dict.fromkeys(outcomes, 2)
    assert [words for words, each in outcomes.items() if each.stdout and each.data] == []
    assert "undocumented-event" in outcomes["--rule", "undocumented-evnt"].stderr
    assert "cli_cmd" in outcomes["--ignore", "UC201=cli_cnd:typo"].stderr
    enveloped = audit(machine, "--format", "json", "--rule", "UC999").envelope
    assert [each["code"] for each in enveloped["errors"]] == ["unknown-rule"]


def test_unreadable(machine: Machine) -> None:
    """A file that is not there exits 3; so does a file that is not a baseline."""
    assert run_inside(machine.environment(), "audit", "gone.jsonl").status == 3
    (machine.cwd / "events.jsonl").write_text(GOOD)
    (machine.cwd / "base.json").write_text("{}")
    assert audit(machine, "--baseline", "base.json").status == 3
    assert audit(machine, "--baseline", "gone.json").status == 3
    assert run_inside(machine.environment(), "audit", ".").status == 3


@pytest.mark.usefixtures("file")
def test_ignore(machine: Machine) -> None:
    """What is ignored stays in the output with its reason, and does not count."""
    outcome = audit(machine, "--json", "--ignore", "UC201=cli_cmd.metadata.session_id:it is known")
    assert rules_of(outcome) == ["UC101", "UC501"]
    hidden = next(each for each in outcome.data["findings"] if each["suppressed"])
    assert hidden["suppressed"] == {"by": "ignore", "reason": "it is known"}
    for place in (f"cli_cmd{hidden['field']}", f"cli_cmd.{hidden['field']}", "cli_cmd/metadata"):
        again = audit(machine, "--json", "--ignore", f"UC201={place}:it is known")
        assert (again.stdout, again.stderr) == (outcome.stdout, ""), place
    elsewhere = audit(machine, "--json", "--ignore", "UC201=session:other: reason")
    assert elsewhere.stderr == "--ignore UC201=session matches no finding.\n"
    assert "UC201" in rules_of(elsewhere)
    everything = audit(machine, *(w for r in RULES for w in ("--ignore", f"{r.name}:all")))
    assert everything.status == 0
    assert "all" in everything.stdout
    # A colon within an event's name does not end it.
    event = {"name": "lambda:config", "payload": {"executor_mode": "docker"}}
    (machine.cwd / "events.jsonl").write_text(json.dumps(event))
    words = ("--ignore", "UC101=lambda:config:why: because", "--fail-on", "never", "--json")
    outcome = audit(machine, *words)
    reasons = [each["suppressed"] for each in outcome.data["findings"] if each["rule"] == "UC101"]
    assert reasons == [{"by": "ignore", "reason": "why: because"}]


def test_baseline(machine: Machine, file: Path) -> None:
    """With a baseline nothing that was there before fails, and what is new does.

    A file that is not a baseline stays as it is, in a dry run too.
    """
    words, before = ("--baseline", "base.json"), file.read_bytes()
    for more in ((), ("--dry-run",)):
        refused = audit(machine, "--baseline", "events.jsonl", "--write-baseline", *more)
        assert (refused.status, file.read_bytes()) == (3, before)
    dry = audit(machine, *words, "--write-baseline", "--dry-run", "--json", "--ignore", "UC101:x")
    assert (dry.status, dry.data["baseline_written"]) == (0, 2)
    assert not (machine.cwd / "base.json").exists()
    assert audit(machine, *words, "--write-baseline").status == 0
    outcome = audit(machine, *words, "--json")
    assert (outcome.status, rules_of(outcome)) == (0, [])
    assert outcome.data["totals"]["suppressed"] == 3
    file.write_text(file.read_text() + json.dumps({"name": "newer"}) + "\n")
    outcome = audit(machine, *words, "--json")
    assert (outcome.status, rules_of(outcome)) == (1, ["UC101"])


def test_baseline_does_not_hide_what_got_worse(machine: Machine, file: Path) -> None:
    """A warning of the baseline that is an error now counts."""
    event = notice.find_event("session").example
    assert event is not None
    payload = event["payload"]
    assert isinstance(payload, dict)
    record = {"event": {**event, "payload": {**payload, "container_runtime": "docker"}}}
    for agent, status in (("localstack/2026.3.0", 0), ("localstack/4.12.0", 1)):
        file.write_text(json.dumps({"headers": {"user-agent": agent}, **record}))
        if not status:
            audit(machine, "--baseline", "base.json", "--write-baseline")
        assert audit(machine, "--baseline", "base.json").status == status


def test_spool_is_audited_without_a_file(machine: Machine) -> None:
    """Without FILE it is the spool, which holds the event of the run before."""
    run_inside(machine.environment(), "explain")
    outcome = run_inside(machine.environment(), "audit", "--json")
    assert outcome.data["source"] == "spool"
    assert (outcome.status, outcome.data["findings"]) == (0, [])
    assert outcome.data["by_name"] == {"cli_cmd": 1}


def test_list_rules(machine: Machine) -> None:
    """Every rule is listed, for a person and for a machine."""
    listed = run_inside(machine.environment(), "audit", "--list-rules").stdout
    data = run_inside(machine.environment(), "audit", "--list-rules", "--json").data
    assert [each["id"] for each in data["rules"]] == [rule.id for rule in RULES]
    assert all(rule.name in listed for rule in RULES)


CANARY = "c4n4ry-5c2e9a71-token"
USER = "canaryuser"
HOST = "canaryhost"
SECRETS = (CANARY, USER, HOST, "ghp_" + "c4" * 18, "canary@corp.io", "10.66.77.88")


def test_no_secret_is_shown(machine: Machine) -> None:
    """No secret of the machine stands in any answer, error or file, unless --reveal is typed."""
    machine.variables |= {"DEPLOY_TOKEN": CANARY, "USER": USER, "HOSTNAME": HOST}
    text = " ".join(SECRETS)
    event = {
        "name": text,
        "metadata": {"session_id": text, text: 1},
        "payload": {secret: {"x": secret} for secret in SECRETS},
    }
    cli = json.loads(KNOWN)
    cli["payload"] = {"cmd": text, "params": list(SECRETS), CANARY: text}
    lines = [json.dumps(each) for each in (event, cli, {**cli, "name": CANARY})]
    (machine.cwd / "events.jsonl").write_text("\n".join([*lines, f"junk {text}", ""]))
    base = machine.cwd / "base.json"
    leaks = []
    for arguments in (
        (),
        ("--json",),
        ("--format", "sarif"),
        ("--baseline", "base.json", "--write-baseline"),
        ("--ignore", "UC402=nothing:x"),
        ("--ignore", "UC402:known"),
    ):
        outcome = audit(machine, *arguments)
        shown = outcome.stdout + outcome.stderr + (base.read_text() if base.exists() else "")
        leaks += [(arguments, secret) for secret in SECRETS if secret in shown]
    assert leaks == []
    assert CANARY in audit(machine, "--json", "--reveal").stdout


@needs_terminal
def test_a_terminal_shows_how_often_each_rule_was_broken(machine: Machine) -> None:
    """As bars above the table, longest first, in the colour of the level; a pipe has none."""
    (machine.cwd / "x.jsonl").write_text("\n".join([KNOWN, *[NEW] * 4]))
    coloured, plain, piped = (
        *draw_all(machine, [("audit x.jsonl", 80)]),
        *draw_all(machine, [("audit x.jsonl", 80), ("audit x.jsonl", 0)], variables=NO_COLOUR),
    )
    bars = re.findall(r"^  (UC\d+) .*?  (\d+)  (▇+)$", ESCAPE.sub("", coloured), re.MULTILINE)
    assert bars[0][:2] == ("UC101", "4")
    assert ("UC201", "1") in [bar[:2] for bar in bars]
    assert sorted(bars, key=lambda bar: -len(bar[2])) == bars
    assert re.search(r"\x1b\[31m▇+", coloured)
    assert re.search(r"^  UC101 .*  4  #+$", plain, re.MULTILINE)
    assert "##" not in piped
    assert "UC101" in piped


NO_COLOUR = {"NO_COLOR": "1"}
