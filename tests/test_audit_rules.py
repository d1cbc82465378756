"""Hold the rules: each has an event that triggers it and a near miss that does not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.audit_cases import (
    CASES,
    ID,
    call,
    cli,
    counted,
    example,
    failed,
    other,
    sent,
    somebodys_machine,
)
from usagectl import audit, notice
from usagectl.audit import rules

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machine import Machine

IDS = {rule.id for rule in rules.RULES}


@pytest.fixture
def context(machine: Machine, tmp_path: Path) -> audit.Context:
    """Give the values of a machine on which somebody works."""
    return somebodys_machine(machine, tmp_path)


def run(context: audit.Context, *records: object) -> audit.AuditResult:
    """Audit records as the lines of a file; bytes are lines as they are."""
    lines = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in records]
    text = b"".join(line + b"\n" for line in lines)
    return audit.audit_stream([text], context=context)


def found(result: audit.AuditResult) -> set[str]:
    """Name the rules that were broken."""
    return {finding.rule for finding in result.findings}


def test_every_rule_has_a_case() -> None:
    """A rule without an event that triggers it is a rule that nobody has seen work."""
    assert set(CASES) == IDS
    assert all(case.triggers and case.misses for case in CASES.values())


@pytest.mark.parametrize("rule", sorted(IDS))
def test_rule_is_triggered(rule: str, context: audit.Context) -> None:
    """Each rule finds its event."""
    assert rule in found(run(context, *CASES[rule].triggers))


@pytest.mark.parametrize("rule", sorted(IDS))
def test_near_miss_is_none(rule: str, context: audit.Context) -> None:
    """Each rule leaves its near miss alone, and so do all others but for what it says itself."""
    result = run(context, *CASES[rule].misses)
    assert rule not in found(result)
    assert not result.bad_lines


def test_examples_of_the_notice_pass(context: audit.Context) -> None:
    """What the notice shows as its own events has no finding."""
    examples = [event.example for event in notice.load().events]
    result = run(context, *examples)
    assert result.events == len(examples)
    assert result.findings == ()


def test_rules_are_well_formed() -> None:
    """IDs and names are unique, and every departure that a rule names is one."""
    known = {departure.id for departure in notice.load().departures}
    promises = {promise.id for promise in notice.load().never_collected}
    assert len({rule.id for rule in rules.RULES}) == len({rule.name for rule in rules.RULES})
    assert len({rule.id for rule in rules.RULES}) == len(rules.RULES)
    for rule in rules.RULES:
        assert set(rule.known) <= known
        assert rule.rests_on in known | promises | {"field"}


@pytest.mark.parametrize(
    ("rule", "place", "records"),
    [
        ("UC201", "cli_cmd.metadata.session_id", (cli(session_id=ID),)),
        ("UC201", "cli_cmd.headers.localstack-session-id", (sent(cli()),)),
        ("UC202", "cli_cmd.headers.localstack-session-id", (sent(cli()), sent(call()))),
        ("UC101", "config", (other("config", env_vars={}),)),
        ("UC301", "config.env_vars.USE_SSL", (other("config", env_vars={"USE_SSL": "0"}),)),
        (
            "UC302",
            "lstk_command.environment.auth_token_id",
            (other("lstk_command", environment={"auth_token_id": "ls-token"}),),
        ),
        ("UC303", "session.machine_id", (example("session", machine_id="dkr_0123456789ab"),)),
        (
            "UC304",
            "aws_request_agg.api_calls.err_type",
            (example("aws_request_agg", api_calls=[{**counted, "err_type": "X"}]),),
        ),
        (
            "UC305",
            "cfn_stack_deploy_failures.tb",
            (other("cfn_stack_deploy_failures", tb="Traceback (most recent call last):\n"),),
        ),
        (
            "UC306",
            "cfn_stack_deploy_failures.reason",
            (other("cfn_stack_deploy_failures", reason="x"),),
        ),
    ],
)
def test_departures_of_real_clients_are_explained(
    rule: str, place: str, records: tuple[object, ...], context: audit.Context
) -> None:
    """What real clients are known to do is found, and is a warning that says where it is known."""
    findings = run(context, *records).findings
    finding = next(each for each in findings if each.rule == rule and each.place == place)
    assert finding.level == "warning"
    assert finding.known is not None
    assert finding.known.id in finding.message


def test_version_of_the_client_counts(context: audit.Context) -> None:
    """A departure that is known of later versions does not explain what an older one does."""
    event = example("session", container_runtime="docker")
    record = sent(event)
    finding = run(context, record).findings[0]
    assert (finding.rule, finding.level, finding.known) == ("UC102", "error", None)
    headers = {"user-agent": "localstack/2026.3.0"}
    finding = run(context, {**record, "headers": headers}).findings[0]
    assert finding.level == "warning"


@pytest.mark.parametrize("value", [2, 2.5, True, False, "v2", [1], {"a": 1}])
def test_a_setting_of_any_type_is_a_configuration_value(
    value: object, context: audit.Context
) -> None:
    """A number or a switch that was set is told as a text would be."""
    result = run(context, other("lambda:config", version=value))
    assert [each.count for each in result.findings if each.rule == "UC301"] == [1]


@pytest.mark.parametrize("value", [None, ""])
def test_a_setting_that_is_not_set_is_none(value: object, context: audit.Context) -> None:
    """What says that nothing is set gives no value away."""
    assert "UC301" not in found(run(context, other("lambda:config", version=value)))


@pytest.mark.parametrize(
    ("rule", "event"),
    [
        ("UC103", example("session", is_ci="no")),
        ("UC103", example("run_init", duration="x")),
        ("UC105", call(account_id="nothing of the kind")),
        ("UC105", {**cli(), "metadata": {"client_time": "today"}}),
    ],
)
def test_the_same_departure_counts_each_time(
    rule: str, event: dict[str, object], context: audit.Context
) -> None:
    """A text that departs is never remembered as one that is in order."""
    result = run(context, event, event, event)
    assert [each.count for each in result.findings if each.rule == rule] == [3]


def test_new_field_of_a_known_event_is_an_error(context: audit.Context) -> None:
    """That an event is known explains none of its fields that nobody has seen."""
    findings = run(context, other("container_info", serial="x")).findings
    assert ("UC102", "error") in {(finding.rule, finding.level) for finding in findings}


@pytest.mark.parametrize("first", [True, False])
def test_shared_id_is_found_in_either_order(*, first: bool, context: audit.Context) -> None:
    """Which of the two events comes first does not matter."""
    records = [cli(session_id=ID), call()]
    result = run(context, *(records if first else reversed(records)))
    finding = next(each for each in result.findings if each.rule == "UC202")
    assert (finding.event, finding.count) == ("cli_cmd", 1)


def test_sub_command_is_no_value(context: audit.Context) -> None:
    """A typed word that is part of an audited `cmd` is a command's name, wherever it stands."""
    assert "UC401" in found(run(context, failed("cannot load")))
    assert "UC401" not in found(run(context, failed("cannot load"), cli()))


def test_command_of_lstk_is_no_value(context: audit.Context) -> None:
    """What lstk names as its command is no value, what was handed on after it is."""
    parameters = {"command": "load", "subcommand": "my-cloud-pod"}
    findings = run(context, other("lstk_command", parameters=parameters)).findings
    typed = [(each.place, each.level) for each in findings if each.rule == "UC401"]
    assert typed == [("lstk_command.parameters.subcommand", "warning")]


def test_escaped_secret_is_found(context: audit.Context) -> None:
    """A secret whose characters are written as escapes is the same secret."""
    text = json.dumps(failed("kT9-abcdef-0123")).replace("kT9", "\\u006b\\u0054\\u0039")
    result = audit.audit_stream([text.encode()], context=context)
    assert "UC402" in found(result)


MAIL = '"secret jo@corp.io"'
HIDDEN = {
    "compact": '{"name":"cli_cmd","payload":{"cmd":%s,"cmd":"x"}}',
    "spaced": '{"name": "cli_cmd", "payload": {"cmd" : %s, "cmd": "x"}}',
    "escaped name": '{"name":"cli_cmd","payload":{"cmd":%s,"c\\u006dd":"x"}}',
    "a colon instead": '{"name":"cli_cmd","payload":{"cmd":%s,"cmd":"\\u003a"}}',
    "below": '{"name":"cli_cmd","payload":{"a":[{"cmd":{"b":[%s]},"cmd":"x"}]}}',
    "twice lost": '{"name":"cli_cmd","payload":{"a":{"b":%s,"b":1},"a":"x"}}',
    "payload": '{"name":"cli_cmd","payload":{"x":%s},"payload":{"cmd":"x"}}',
    "event": '{"uid":"1","event":{"name":"cli_cmd","x":%s},"event":{"name":"run_init"}}',
    "events": '{"events":[{"name":"x","payload":%s}],"events":[{"name":"cli_cmd"}]}',
    "name": '{"name":%s,"payload":{"cmd":"x"},"name":"cli_cmd"}',
    "no JSON to msgspec": '{"name":"cli_cmd","payload":{"cmd":%s,"cmd":NaN}}',
}


def test_what_a_repeated_name_hides_in_a_document_is_found(context: audit.Context) -> None:
    """The same holds for an event that is set out over many lines."""
    document = b'{\n"name":"x",\n"payload":{"cmd":"secret jo@corp.io","cmd":"x"}}'
    assert {"UC108", "UC501"} <= found(audit.audit_stream([document], context=context))


@pytest.mark.parametrize("form", HIDDEN)
@pytest.mark.parametrize("before", [b"", b'{"name":"run_init"}\n' * 2])
def test_what_a_repeated_name_hides_is_found(
    form: str, before: bytes, context: audit.Context
) -> None:
    """Whatever a second member of the same name overwrites was sent, so it is searched."""
    line = (HIDDEN[form] % MAIL).encode()
    result = audit.audit_stream([before + line], context=context)
    assert {"UC108", "UC501"} <= found(result)
    assert not result.bad_lines


def test_a_repeated_name_is_told_where_it_stands(context: audit.Context) -> None:
    """The finding names event and field, and no secret that is a name."""
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


def test_secret_in_a_key_is_found_and_not_named(context: audit.Context) -> None:
    """A secret that stands as a name is found too, and its place does not tell it."""
    result = run(context, other("new", **{"kT9-abcdef-0123": {"a": 1}}), other("kT9-abcdef-0123"))
    assert "UC402" in found(result)
    assert "kT9" not in repr(result)


@pytest.mark.parametrize(
    ("system", "known"), [("Linux", None), ("Docker Desktop,6.6.12-linuxkit,aarch64", "D08")]
)
def test_an_operating_system_with_kernel_and_architecture_is_known(
    system: str, known: str | None
) -> None:
    """The notice speaks of the system alone; what newer runtimes add is a known departure."""
    example = notice.find_event("session").example
    assert example is not None
    event = json.loads(json.dumps(example))
    event["payload"]["system"] = system
    auditor = audit.Auditor()
    auditor.add(event)
    found = [each for each in auditor.result().findings if each.field == "/payload/system"]
    assert [each.known.id if each.known else "" for each in found] == ([known] if known else [])
