"""Events that break each rule of the audit on the machine of tests/test_audit_checks.py."""

from __future__ import annotations

import copy
import json
from typing import NamedTuple

from usagectl import audit, notice

ID = "64517be1-7dd0-479b-a8ec-88d3e544afd9"
OTHER_ID = "f41119fd-af20-4d48-af92-2b8d69f8cf7e"
TIME = "2026-11-23 09:00:00.000001"
RAW_ID = "0123456789abcdef0123456789abcdef"
WORDS = ("localstack", "pod", "load", "--name=my-cloud-pod", "-e", "K=hidden-value", "true", "12")


def example(name: str, **payload: object) -> dict[str, object]:
    """Build the notice's own event, with other values in its payload."""
    event = copy.deepcopy(notice.find_event(name).example)
    assert event is not None
    found = event["payload"]
    assert isinstance(found, dict)
    found.update(payload)
    return event


def cli(cmd: object = "localstack pod load", **metadata: object) -> dict[str, object]:
    """Build a CLI event."""
    event = example("cli_cmd", cmd=cmd)
    found = event["metadata"]
    assert isinstance(found, dict)
    found.update(metadata)
    return event


def other(name: str, **payload: object) -> dict[str, object]:
    """Build an event that the notice does not name."""
    return {"name": name, "metadata": {"client_time": TIME}, "payload": payload}


def call(**payload: object) -> dict[str, object]:
    """Build an API call that failed."""
    return example("aws_request", **payload)


def failed(text: str) -> dict[str, object]:
    """Build an API call with an error text."""
    return call(err_msg=text)


def without(event: dict[str, object], key: str) -> dict[str, object]:
    """Build an event whose payload lacks a key."""
    payload = event["payload"]
    assert isinstance(payload, dict)
    return {**event, "payload": {name: payload[name] for name in payload if name != key}}


def sent(event: dict[str, object], session: str = ID) -> dict[str, object]:
    """Build a record of a capture."""
    headers = {"user-agent": "localstack/4.12.0", "localstack-session-id": session}
    return {"uid": "1", "time": TIME, "tool": "localstack", "headers": headers, "event": event}


def unparsed(problem: str, **members: str) -> dict[str, str]:
    """Build the line of a capture for a request without an event."""
    return {
        "kind": "unparsed",
        "method": "POST",
        "path": "/v1/events",
        "problem": problem,
        **members,
    }


class Case(NamedTuple):
    """Events that trigger a rule, and events that nearly do."""

    triggers: tuple[object, ...]
    misses: tuple[object, ...]


counted = {"service": "s3", "operation": "PutObject", "status_code": 200, "count": 1}

CASES: dict[str, Case] = {
    "UC101": Case((other("brand_new"),), (cli(),)),
    "UC102": Case((example("session", product="aws"),), (example("session", api_key=None),)),
    "UC103": Case((example("session", is_ci="no"),), (example("run_init", duration=3),)),
    "UC104": Case((without(call(), "region"),), (without(call(), "err_msg"),)),
    "UC105": Case((call(status_code=4000),), (call(status_code=499),)),
    "UC106": Case(({"events": [5]},), ({"events": [cli()]},)),
    "UC107": Case(({"kind": "unparsed", "body": "/w=="},), ({"kind": "unparsed", "event": cli()},)),
    "UC108": Case(
        (b'{"name":"x","payload":{"cmd":"a","cmd":"b"}}',),
        (b'{"name":"x","payload":{"cmd":"a:\\":","a":{"cmd":"b"}}}', b'{"name":"\\u0061:","a":1}'),
    ),
    "UC109": Case((unparsed("it holds no event"),), (unparsed("it is empty"),)),
    "UC110": Case((unparsed("it is empty", method="GET"),), (unparsed("it is empty"),)),
    "UC111": Case((unparsed("it is empty"),), (unparsed("it is empty", method="HEAD"),)),
    "UC112": Case((unparsed("its compression is broken"),), (unparsed("it is not JSON"),)),
    "UC113": Case((unparsed("it holds more than its events"),), (unparsed("it is empty"),)),
    "UC114": Case(
        (unparsed("it is empty", method="GET", path="/v1?id=*"),),
        (unparsed("it is empty", method="GET", path="/v1"),),
    ),
    "UC201": Case((cli(session_id=ID),), (cli(),)),
    "UC202": Case((cli(session_id=ID), call()), (cli(session_id=OTHER_ID), call())),
    "UC203": Case(
        ({**example("run_init"), "metadata": {"client_time": TIME, "session_id": ID}},),
        (example("run_init"),),
    ),
    "UC301": Case(
        (other("config", env_vars={"DEBUG": "1"}),),
        (other("config", env_vars={"DEBUG": None}, set_vars={"DEBUG": 1}),),
    ),
    "UC302": Case(
        (other("lstk_command", environment={"auth_token_id": "abc"}),),
        (example("session", api_key="ls-ABCD1234-wxyz-1234-abcd-123456789012"),),
    ),
    "UC303": Case(
        (example("session", machine_id="sys_0123456789ab"),),
        (example("session", machine_id="gen_1a55233f-ee4"),),
    ),
    "UC304": Case(
        (example("aws_request_agg", api_calls=[{**counted, "err_type": "QueueDoesNotExist"}]),),
        (example("aws_request_agg", api_calls=[counted]),),
    ),
    "UC305": Case(
        (failed('Traceback (most recent call last):\n  File "a.py", line 3'),),
        (
            without(
                without(
                    call(status_code=500, stack_trace="Traceback (most recent call last):"),
                    "err_msg",
                ),
                "err_type",
            ),
        ),
    ),
    "UC306": Case(
        (call(status_code=200),),
        (
            call(status_code=404),
            example("session", container_runtime="a text of five words and more"),
        ),
    ),
    "UC401": Case(
        (example("cli_cmd", params=["my-cloud-pod"]),),
        (cli(), example("cli_cmd", params=["my-cloud-pods", "load"])),
    ),
    "UC402": Case((failed("denied for kT9-abcdef-0123"),), (failed("denied for kT9-abcdef"),)),
    "UC403": Case((failed("no such user: JoDoe!"),), (failed("no such user: jodoer"),)),
    "UC404": Case((failed("via jo-laptop.corp"),), (failed("via jo-laptops"),)),
    "UC405": Case((failed("open /srv/people/jodoe/x"),), (failed("open /srv/people/y /home"),)),
    "UC406": Case((failed(f"id {RAW_ID}"),), (failed(f"id {RAW_ID[:-1]}"),)),
    "UC501": Case((failed("mail jo@corp.io"),), (failed("mail jo@example.com, a@b"),)),
    "UC502": Case((failed("at 10.1.2.3"),), (failed("at 127.0.0.1 with 1.2.3 and 1.2.3.400"),)),
    "UC503": Case((failed("key AKIAIOSFODNN7EXAMPLE"),), (failed("key AKIAIOSFODNN7"),)),
    "UC504": Case((failed(f"with ghp_{'a1' * 18}"),), (failed("with ghp_short"),)),
    "UC505": Case(
        (failed("not in arn:aws:s3:::bucket/key"),), (failed("not an arn:aws at AWS::S3::Bucket"),)
    ),
}
"""For every rule events that trigger it, and events that nearly do."""


def run(context: audit.Context, *records: object) -> audit.AuditResult:
    """Audit records as the lines of a file; bytes and texts are lines as they are."""
    lines = []
    for each in records:
        text = each if isinstance(each, (bytes, str)) else json.dumps(each)
        lines.append(text if isinstance(text, bytes) else text.encode())
    return audit.Auditor(context).add_stream([line + b"\n" for line in lines])


def rules_in(result: audit.AuditResult) -> set[str]:
    """Name the rules that were broken."""
    return {finding.rule for finding in result.findings}


def counts_of(result: audit.AuditResult, rule: str) -> list[int]:
    """List how often each finding of a rule was seen."""
    return [finding.count for finding in result.findings if finding.rule == rule]
