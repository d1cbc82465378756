"""The rules: each has an event that triggers it and a near miss that does not."""

from __future__ import annotations

import base64
import gzip
import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.support.audit_cases import (
    CASES,
    ID,
    RAW_ID,
    WORDS,
    call,
    cli,
    counts_of,
    example,
    failed,
    other,
    rules_in,
    run,
    sent,
)
from tests.support.machine import NOW
from usagectl import audit, notice
from usagectl.capture import records as capturing

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine


@pytest.fixture
def context(machine: Machine, tmp_path: Path) -> audit.Context:
    """Take the values of a machine on which somebody works."""
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "machine-id").write_text(f"{RAW_ID}\n")
    variables = {"USER": "jodoe", "HOME": "/srv/people/jodoe", "DEPLOY_TOKEN": "kT9-abcdef-0123"}
    environment = machine.environment()._replace(
        variables=variables, host_name="jo-laptop.corp", root=root, account_home=None
    )
    return audit.Context.from_environment(environment, WORDS)


def test_each_rule_finds_its_event_and_leaves_its_near_miss(context: audit.Context) -> None:
    """Every rule is triggered by its events, and not by what only resembles them."""
    wrong = []
    for rule, case in CASES.items():
        if not case.triggers or rule not in rules_in(run(context, *case.triggers)):
            wrong.append(f"{rule} is not found")
        result = run(context, *case.misses)
        if not case.misses or rule in rules_in(result) or result.bad_lines:
            wrong.append(f"{rule} is found in its near miss")
    assert wrong == []
    assert set(CASES) == {rule.id for rule in audit.RULES}


def test_examples_of_the_notice_pass(context: audit.Context) -> None:
    """The events that the notice itself shows have no finding."""
    examples = [event.example for event in notice.load().events]
    result = run(context, *examples)
    assert (result.events, result.findings) == (len(examples), ())


def test_members_of_ours_are_no_departure_unless_they_are_open(context: audit.Context) -> None:
    """What a program's author may opt into passes; another type, word or number does not."""
    good = example("cli_cmd", version="1.2.0", outcome="interrupted", duration_ms=0)
    assert run(context, good).findings == ()
    rows: list[tuple[str, object, str]] = [
        ("version", 1, "UC103"),
        ("outcome", True, "UC103"),
        ("outcome", "failed", "UC105"),
        ("duration_ms", "12", "UC103"),
        ("duration_ms", 1.5, "UC103"),
        ("duration_ms", -1, "UC105"),
        ("exit_status", 1, "UC102"),
    ]
    for name, value, rule in rows:
        found = run(context, example("cli_cmd", **{name: value})).findings
        assert [(each.rule, each.field) for each in found] == [(rule, f"/payload/{name}")]


def test_rules_are_well_formed() -> None:
    """IDs and names are unique, and every departure that a rule names exists."""
    known = {departure.id for departure in notice.load().departures}
    promises = {promise.id for promise in notice.load().never_collected}
    for names in ([rule.id for rule in audit.RULES], [rule.name for rule in audit.RULES]):
        assert len(set(names)) == len(audit.RULES)
    for rule in audit.RULES:
        assert set(rule.known) <= known
        assert rule.rests_on in known | promises | {"field"}


SYSTEM = "Docker Desktop,6.6.12-linuxkit,aarch64"
FAILURE = "cfn_stack_deploy_failures"
DEPARTURES: tuple[tuple[str, str, tuple[object, ...]], ...] = (
    ("UC101", "config", CASES["UC301"].triggers),
    ("UC105", "session.system", (example("session", system=SYSTEM),)),
    ("UC201", "cli_cmd.metadata.session_id", CASES["UC201"].triggers),
    ("UC201", "cli_cmd.headers.localstack-session-id", (sent(cli()),)),
    ("UC202", "cli_cmd.headers.localstack-session-id", (sent(cli()), sent(call()))),
    ("UC301", "config.env_vars.DEBUG", CASES["UC301"].triggers),
    ("UC302", "lstk_command.environment.auth_token_id", CASES["UC302"].triggers),
    ("UC303", "session.machine_id", CASES["UC303"].triggers),
    ("UC304", "aws_request_agg.api_calls.err_type", CASES["UC304"].triggers),
    ("UC305", f"{FAILURE}.tb", (other(FAILURE, tb="Traceback (most recent call last):\n"),)),
    ("UC306", f"{FAILURE}.reason", (other(FAILURE, reason="x"),)),
)


def test_departures_of_real_clients_are_explained(context: audit.Context) -> None:
    """What real clients are known to do is a warning that says where it is known."""
    unexplained = [
        (rule, place)
        for rule, place, records in DEPARTURES
        if not any(
            (each.rule, each.place, each.level) == (rule, place, "warning")
            and each.known is not None
            and each.known.id in each.message
            for each in run(context, *records).findings
        )
    ]
    assert unexplained == []


def test_version_of_the_client_counts(context: audit.Context) -> None:
    """A departure that is known of later versions does not explain what an older one does."""
    record = sent(example("session", container_runtime="docker"))
    finding = run(context, record).findings[0]
    assert (finding.rule, finding.level, finding.known) == ("UC102", "error", None)
    headers = {"user-agent": "localstack/2026.3.0"}
    assert run(context, {**record, "headers": headers}).findings[0].level == "warning"


def test_a_setting_of_any_type_is_a_configuration_value(context: audit.Context) -> None:
    """A number or a switch that is set counts as a text would; what is not set does not."""
    values: tuple[object, ...] = (2, 2.5, True, False, "v2", [1], {"a": 1}, None, "")
    found = {
        repr(value): counts_of(run(context, other("lambda:config", version=value)), "UC301")
        for value in values
    }
    assert found == {repr(value): [] if value in (None, "") else [1] for value in values}


ASSIGNED = "ls_service_provider_assignment"
SET: tuple[tuple[str, dict[str, object], int], ...] = (
    (ASSIGNED, {"s3": "localstack.aws.provider/s3:default"}, 0),
    (ASSIGNED, {"eks": "localstack.aws.provider/eks:pro"}, 0),
    (ASSIGNED, {"resource-groups": "localstack.aws.provider/resource-groups:default"}, 0),
    (ASSIGNED, {"dynamodb": "localstack.aws.provider/dynamodb:v2"}, 1),
    (ASSIGNED, {"events": "localstack.aws.provider/events:v1_pro"}, 1),
    (ASSIGNED, {"s3": "mine"}, 1),
    (ASSIGNED, {"s3": 5}, 1),
    # The environment names this provider, although it is the default too.
    (ASSIGNED, {"sqs": "localstack.aws.provider/sqs:default"}, 1),
    (ASSIGNED, {"acm-pca": "localstack.aws.provider/acm-pca:pro"}, 1),
    (ASSIGNED, {"sns": "localstack.aws.provider/sns:default"}, 0),  # It names another one.
    ("lambda:config", {"version": "v1", "default_executor_mode": "local"}, 0),
    ("lambda:config", {"executor_mode": "docker", "default_executor_mode": "docker"}, 1),
)


def test_a_default_is_no_value_of_a_setting(machine: Machine) -> None:
    """Only what differs from the client's default counts, or what the environment names."""
    variables = {
        "PROVIDER_OVERRIDE_SQS": "default",
        "LOCALSTACK_PROVIDER_OVERRIDE_ACM_PCA": "pro",
        "PROVIDER_OVERRIDE_SNS": "v2",
    }
    setting = audit.Context.from_environment(machine.environment()._replace(variables=variables))
    wrong = [
        (event, payload)
        for event, payload, count in SET
        if sum(counts_of(run(setting, other(event, **payload)), "UC301")) != count
    ]
    assert wrong == []


COUNTED: tuple[tuple[str, dict[str, object]], ...] = (
    ("UC103", example("session", is_ci="no")),
    ("UC103", example("run_init", duration="x")),
    ("UC105", call(account_id="nothing of the kind")),
    ("UC105", {**cli(), "metadata": {"client_time": "today"}}),
    ("UC201", sent(cli())),
    ("UC403", other("jodoe")),
    ("UC501", failed("mail jo@corp.io")),
    ("UC501", {"uid": "1", "kind": "unparsed", "body": base64.b64encode(b"x=jo@corp.io").decode()}),
)


def test_the_same_departure_counts_each_time(context: audit.Context) -> None:
    """A text that breaks a rule is never remembered as harmless."""
    counts = [counts_of(run(context, event, event, event), rule) for rule, event in COUNTED]
    assert counts == [[3]] * len(COUNTED)


def test_an_id_in_a_cli_event_counts_each_time(context: audit.Context) -> None:
    """Each CLI event that carries an ID of another event counts, before that event and after."""
    naming = example("cli_cmd", cmd=ID)
    for records in (
        [naming] * 3 + [call()],
        [naming, naming, call(), naming],
        [call(), *[naming] * 3],
    ):
        finding = next(each for each in run(context, *records).findings if each.rule == "UC202")
        assert (finding.event, finding.field, finding.count) == ("cli_cmd", "/payload/cmd", 3)
        assert finding.line == records.index(naming) + 1


def test_new_field_of_a_known_event_is_an_error(context: audit.Context) -> None:
    """That an event is known explains none of its fields that nobody has seen."""
    findings = run(context, other("container_info", serial="x")).findings
    assert ("UC102", "error") in {(finding.rule, finding.level) for finding in findings}


def test_name_of_a_command_is_no_value(context: audit.Context) -> None:
    """A typed word that is part of an audited command's name is no value, wherever it stands."""
    assert "UC401" in rules_in(run(context, failed("cannot load")))
    assert "UC401" not in rules_in(run(context, failed("cannot load"), cli()))
    parameters = {"command": "load", "subcommand": "my-cloud-pod"}
    findings = run(context, other("lstk_command", parameters=parameters)).findings
    typed = [(each.place, each.level) for each in findings if each.rule == "UC401"]
    assert typed == [("lstk_command.parameters.subcommand", "warning")]


MAIL = '"secret jo@corp.io"'
RECORD = '{"uid":"1","time":"t","tool":"x","kind":"k","event":%s}'
HIDDEN = (
    '{"name":"cli_cmd","payload":{"cmd":%s,"cmd":"x"}}',
    '{"name": "cli_cmd", "payload": {"cmd" : %s, "cmd": "x"}}',
    '{"name":"cli_cmd","payload":{"cmd":%s,"c\\u006dd":"x"}}',
    '{"name":"cli_cmd","payload":{"cmd":%s,"cmd":"\\u003a"}}',
    '{"name":"cli_cmd","payload":{"a":[{"cmd":{"b":[%s]},"cmd":"x"}]}}',
    '{"name":"cli_cmd","payload":{"a":{"b":%s,"b":1},"a":"x"}}',
    '{"name":"cli_cmd","payload":{"x":%s},"payload":{"cmd":"x"}}',
    '{"uid":"1","event":{"name":"cli_cmd","x":%s},"event":{"name":"run_init"}}',
    '{"events":[{"name":"x","payload":%s}],"events":[{"name":"cli_cmd"}]}',
    '{"name":%s,"payload":{"cmd":"x"},"name":"cli_cmd"}',
    '{"name":"cli_cmd","payload":{"cmd":%s,"cmd":NaN}}',
    '{"name":"run_init","metadata":{},"payload":{"a":%s,"a":1}}',
    '{"name":"run_init","metadata":{},"payload":{ "a" : %s , "a" : 1 }}',
    '{"name":"run_init","metadata":{},"payload":{"a":%s,"\\u0061":1}}',
    '{"name":"run_init","metadata":{"a":%s,"a":1},"payload":{}}',
    '{"name":"run_init","metadata":{},"payload":{"a":%s},"payload":{}}',
    '{"name":"brand_new","metadata":{},"payload":{"a":%s,"a":1}}',
    '{\n"name":"x",\n"payload":{"cmd":%s,"cmd":"x"}}',
)


def test_what_a_repeated_name_hides_is_found(context: audit.Context) -> None:
    """Whatever a second member of the same name overwrites was sent, so it is searched."""
    usual = json.dumps(cli())
    missed = []
    for form in HIDDEN:
        text = form % MAIL
        files = [[text]]
        if "\n" not in text:
            files.append([usual, text, usual])
        if text.startswith('{"name"'):
            files += [[RECORD % text], [RECORD % usual, RECORD % text, RECORD % usual]]
        for lines in files:
            result = run(context, *lines)
            line = 1 if len(lines) == 1 else 2
            found = {(each.rule, each.line) for each in result.findings}
            if result.bad_lines or not found >= {("UC108", line), ("UC501", line)}:
                missed.append(lines)
    assert missed == []


REQUESTS: tuple[tuple[str, str, str, bytes], ...] = (
    ("UC110 note", "GET", "", b""),
    ("UC110 note", "HEAD", "", b""),
    ("UC110 note", "OPTIONS", "", b""),
    ("UC111 note", "POST", "", b""),
    ("UC111 note", "PUT", "", b" \r\n"),
    ("UC111 note", "POST", "", b"\xef\xbb\xbf"),
    ("UC109 note", "POST", "", b'{"events": []}'),
    ("UC109 note", "POST", "", b"[]"),
    ("UC114 error", "GET", "id=1", b""),
    ("UC114 error", "POST", "id=1", b""),
    ("UC107 error", "POST", "", b"id=1&a=some words that make a sentence"),
    ("UC106 error", "POST", "", b'"some words that make a sentence"'),
    ("UC113 error", "POST", "", b'{"events":[],"host":"h"}'),
)


def test_a_request_without_an_event_has_its_own_word(context: audit.Context) -> None:
    """What says nothing is a note and no event; whatever else was sent is an error."""
    wrong = []
    for word, method, query, body in REQUESTS:
        request = capturing.Request(method, "/v1/events", query, {}, body)
        lines, _ = capturing.build(
            request, now=NOW, entropy=os.urandom, privacy=capturing.Privacy()
        )
        result = audit.Auditor(context).add_stream([lines])
        found = [f"{each.rule} {each.level}" for each in result.findings]
        silent = word.endswith("note")
        if found[0] != word or silent is not (result.events == 0) or result.bad_lines:
            wrong.append((word, method, body, found))
        if silent and (len(found), result.without_events) != (1, 1):
            wrong.append((word, method, body, found))
    assert wrong == []


def test_a_body_is_searched_without_its_coding(context: audit.Context) -> None:
    """What a revealed capture keeps packed is unpacked, also where no header says that it is."""
    wrong = []
    for host in ("", "events.example"):
        for headers in ({"content-encoding": "gzip"}, {}):
            body = gzip.compress(b"a=jo@corp.io")
            request = capturing.Request("POST", "/x", "", headers, body, host=host)
            privacy = capturing.Privacy(reveal=True)
            lines, _ = capturing.build(request, now=NOW, entropy=os.urandom, privacy=privacy)
            if "UC501" not in rules_in(audit.Auditor(context).add_stream([lines])):
                wrong.append((host, headers))
    assert wrong == []
    broken = {"kind": "unparsed", "headers": {"content-encoding": 1}, "problem": "it is not JSON"}
    for members in ({}, {"headers": {"content-encoding": "gzip"}}, {"headers": [1]}):
        line = {**broken, **members, "body": base64.b64encode(b"x=jo@corp.io").decode()}
        assert "UC501" in rules_in(run(context, line)), members


def test_a_repeated_name_is_told_where_it_stands(context: audit.Context) -> None:
    """The finding names event and field, and no name that is itself a secret."""
    result = run(
        context,
        b'{"name":"cli_cmd","payload":{"a":[{"b":1,"b":2}]}}',
        b'{"name":"x","payload":{"kT9-abcdef-0123":{"b":1,"b":2}}}',
        b'{"name":"jodoe","payload":{"b":1,"b":2}}',
    )
    places = [(each.event, each.field) for each in result.findings if each.rule == "UC108"]
    assert places == [
        ("*", "/payload/b"),
        ("cli_cmd", "/payload/a/*/b"),
        ("x", "/payload/*/b"),
    ]


def test_nothing_of_a_value_of_this_machine_is_shown(context: audit.Context) -> None:
    """An example of a secret, user or host has no character of it."""
    result = run(context, failed("kT9-abcdef-0123"), call(err_msg="jo-laptop.corp", region="jodoe"))
    shown = {each.rule: each.example for each in result.findings}
    assert {shown["UC402"], shown["UC403"], shown["UC404"]} == {"******"}


def test_a_secret_is_found_wherever_it_stands(context: audit.Context) -> None:
    """As a name too, whose place does not show it, and written as escapes.

    The values that are looked for have no text form either, so that no traceback shows them.
    """
    assert "kT9" not in repr(context) + str(context)
    secret = "kT9-abcdef-0123"  # noqa: S105  (of no account anywhere)
    escaped = json.dumps(failed(secret)).replace("kT9", "\\u006b\\u0054\\u0039")
    for event in (other("new", **{secret: {"a": 1}}), other(secret), escaped):
        result = run(context, event)
        assert "UC402" in rules_in(result)
        assert "kT9" not in repr(result)
