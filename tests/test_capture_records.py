"""Tests of the lines of a capture file."""

from __future__ import annotations

import base64
import json
import os
from typing import Any

import pytest

from tests.support.machine import NOW
from usagectl.capture import records
from usagectl.capture.records import Privacy, Request
from usagectl.spool import lines

HEADERS = {"user-agent": "localstack/4.12.0", "content-type": "application/json"}


def build(body: bytes, *, privacy: Privacy = Privacy(), **members: Any) -> list[bytes]:  # noqa: ANN401, B008
    """Build the lines of a request."""
    request = Request("POST", "/v1/events", "", HEADERS, body)._replace(**members)
    found = records.build(request, now=NOW, entropy=os.urandom, privacy=privacy)
    return [line + b"\n" for line in found.lines.split(b"\n")[:-1]]


@pytest.mark.parametrize(
    "event",
    [
        b'{"name":"a"}',
        b'{ "name" :\t"a" , "payload" : null }',
        b'{"name":"\\u0061","x":"\\/"}',
        '{"name":"ä","x":"✓"}'.encode(),
        b'{"name":"a","x":123456789012345678901234567890,"y":1.000,"z":-0}',
        b'{"name":"a","name":"b"}',
    ],
)
@pytest.mark.parametrize("count", [1, 2, 1000])
def test_events_keep_their_bytes(event: bytes, count: int) -> None:
    """Spacing, escapes, big numbers and doubled members come out of the file as they went in."""
    found = build(b'{"events": [' + b" , ".join([event] * count) + b"]}")
    assert len(found) == count
    for line in found:
        record = lines.decode(line)
        assert record is not None
        assert bytes(record.event) == event


def test_line_ends_within_an_event_are_kept_beside_it() -> None:
    """A line of the file is one line; the exact bytes are there all the same."""
    event = b'{\n  "name": "a"\r\n}'
    (line,) = build(event)
    record = json.loads(line)
    assert base64.b64decode(record["raw"]) == event
    assert record["event"] == {"name": "a"}
    assert lines.decode(line) is not None


def test_a_line_says_what_the_request_was() -> None:
    """Method, path, headers without secrets, and one id for all events of a request."""
    headers = {**HEADERS, "authorization": "Basic c2VjcmV0", "cookie": "a=b", "x-odd": "1"}
    found = build(b'[{"name":"a"},{"name":"b"}]', headers=headers, query="token=geheim&v=1")
    first, second = map(json.loads, found)
    assert first["request"] == second["request"]
    assert first["uid"] != second["uid"]
    assert (first["method"], first["path"]) == ("POST", "/v1/events?token=*&v=*")
    assert first["headers"] == HEADERS
    assert first["withheld"] == ["authorization", "cookie", "x-odd"]
    assert (first["tool"], first["kind"], second["kind"]) == ("localstack", "a", "b")
    assert b"geheim" not in found[0]


def test_revealed_means_everything() -> None:
    """Whoever asks for it gets headers, query and tokens as they came."""
    event = b'{"name":"session","payload":{"api_key":"geheim-token"}}'
    members = {"headers": {"authorization": "Basic x"}, "query": "a=1"}
    (line,) = build(event, privacy=Privacy(reveal=True), **members)
    record = json.loads(line)
    assert record["event"]["payload"]["api_key"] == "geheim-token"
    assert record["headers"] == members["headers"]
    assert record["path"] == "/v1/events?a=1"
    assert "masked" not in record


@pytest.mark.parametrize("body", [b"\x00\xff noise", b"", b"[1,2]"])
def test_a_body_without_events_is_kept_as_it_came(body: bytes) -> None:
    """What cannot be read is evidence too."""
    (line,) = build(body)
    record = json.loads(line)
    assert (record["kind"], base64.b64decode(record["body"])) == ("unparsed", body)
    assert record["problem"]
    assert "event" not in record


def test_secrets_in_a_body_without_events_are_masked() -> None:
    """Noise with a token in it keeps its length; what cannot be looked into is withheld."""
    privacy = Privacy(secrets=("ls-s3cret-t0ken",))
    (line,) = build(b"noise ls-s3cret-t0ken", privacy=privacy)
    assert base64.b64decode(json.loads(line)["body"]) == b"noise ***************"
    (line,) = build(b"\x1f\x8b broken", privacy=privacy, headers={"content-encoding": "gzip"})
    record = json.loads(line)
    assert record["withheld_body"] is True
    assert "body" not in record


def test_what_stands_beside_the_events_has_a_line() -> None:
    """The rest of a body is kept beside its events, masked as they are."""
    body = b'{"events":[{"name":"a"}],"host":"h","api_key":"geheim"}'
    event, rest = map(json.loads, build(body))
    assert event["kind"] == "a"
    assert rest["problem"] == "it holds more than its events"
    assert base64.b64decode(rest["body"]) == b'{"host":"h","api_key":"******"}'


def test_a_long_header_is_cut() -> None:
    """A header is repeated with each event, so it must not be long."""
    found = build(b"[{},{},{}]", headers={"user-agent": "x" * 60_000})
    assert max(map(len, found)) < 2000


@pytest.mark.parametrize(
    ("agent", "name", "tool"),
    [
        ("localstack/4.12.0", "cli_cmd", "localstack"),
        ("localstack lstk/dev (linux; amd64)", "x", "lstk"),
        ("Go-http-client/1.1", "lstk_command", "lstk"),
        ("usagectl/1.0", "cli_cmd", "usagectl"),
        ("curl/8", "x", "unknown"),
    ],
)
def test_a_client_is_known_by_what_it_calls_itself(agent: str, name: str, tool: str) -> None:
    """The tool comes from the User-Agent, or from an event that only one tool has."""
    (line,) = build(json.dumps({"name": name}).encode(), headers={"user-agent": agent})
    assert json.loads(line)["tool"] == tool


def test_what_is_repeated_with_each_event_is_short() -> None:
    """Path, query, method and header names are a client's own: none makes a line long."""
    headers = {f"x-{number}-{'y' * 5000}": "1" for number in range(100)}
    many = build(
        b"[{},{},{}]",
        method="M" * 60_000,
        path="/" + "p" * 60_000,
        query="&".join(f"{number}{'q' * 600}=1" for number in range(99)),
        headers=headers,
    )
    assert max(map(len, many)) < 10_000


def test_no_secret_stands_in_what_is_said_of_a_request() -> None:
    """Not in the method, the target, a name of the query or a header, nor behind Bearer."""
    secret = "ls-s3cret-t0ken"  # noqa: S105  (of no account anywhere)
    (line,) = build(
        b"{}",
        privacy=Privacy(secrets=(secret,)),
        method=secret,
        path=f"http://user:geheim@127.0.0.1/{secret}",
        query=f"{secret}=1",
        headers={secret: "1", "user-agent": f"x {secret} Bearer geheim"},
    )
    assert secret.encode() not in line
    assert b"geheim" not in line
    assert json.loads(line)["path"].startswith("http://127.0.0.1/***")
