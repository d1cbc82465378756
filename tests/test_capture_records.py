"""Tests of the lines of a capture file: from the body of a request to captured events."""

from __future__ import annotations

import base64
import gzip
import json
import os
import resource
import zlib
from itertools import product
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import brotli
import zstandard
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.machine import NOW
from tests.support.secrets import PLACED, TOKENS
from usagectl import capture
from usagectl.capture import decoding, records
from usagectl.capture.records import Privacy, Request
from usagectl.events import slicing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

HEADERS = {"user-agent": "localstack/4.12.0", "content-type": "application/json"}
BODY = b'{"events":[{"name":"a"}]}'
SECRET = "ls-s3cret-t0ken"  # noqa: S105  (of no account anywhere)
CLEAR = Privacy(reveal=True)


def build(body: bytes, *, privacy: Privacy = Privacy(), **members: Any) -> list[bytes]:  # noqa: ANN401, B008
    """Build the lines of a request."""
    request = Request("POST", "/v1/events", "", HEADERS, body)._replace(**members)
    lines, _ = records.build(request, now=NOW, entropy=os.urandom, privacy=privacy)
    assert lines.endswith(b"\n")
    return lines.split(b"\n")[:-1]


def record_of(body: bytes, **members: Any) -> dict[str, Any]:  # noqa: ANN401
    """Build the one line of a request, as values."""
    (line,) = build(body, **members)
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


def test_a_coding_is_taken_off() -> None:
    """Each coding that a client may use is removed; the last one first."""
    for encoding, body in (
        ("", BODY),
        ("identity", BODY),
        ("gzip", gzip.compress(BODY)),
        ("x-gzip", gzip.compress(BODY)),
        (" GZIP ", gzip.compress(BODY)),
        ("deflate", zlib.compress(BODY)),
        ("deflate", zlib.compress(BODY, wbits=-zlib.MAX_WBITS)),
        ("gzip, deflate", zlib.compress(gzip.compress(BODY))),
        ("gzip", gzip.compress(BODY[:5]) + gzip.compress(BODY[5:])),
        ("br", brotli.compress(BODY)),
        ("zstd", zstandard.compress(BODY)),
        ("zstd", zstandard.compress(BODY[:5]) + zstandard.compress(BODY[5:])),
        ("br, gzip", gzip.compress(brotli.compress(BODY))),
    ):
        assert decoding.decode(body, encoding) == BODY, encoding
        assert record_of(body, headers={"content-encoding": encoding})["event"] == {"name": "a"}


def test_an_unreadable_body_says_why() -> None:
    """Nothing raises: the request is recorded with the reason."""
    for encoding, body, problem in (
        ("lzma", BODY, "not known"),
        ("br", b"\0garbage", "broken"),
        ("br", brotli.compress(BODY * 100)[:-4], "too soon"),
        ("zstd", BODY, "broken"),
        ("gzip", BODY, "broken"),
        ("gzip", gzip.compress(BODY)[:-9], "too soon"),
        ("deflate", b"\x00garbage", "broken"),
        ("gzip", gzip.compress(b"") * 60_000, "too many parts"),
        ("gzip," * 5, BODY, "four times"),
        ("", b"", "empty"),
        ("", b"nonsense", "not JSON"),
        ("", b"5", "no object"),
        ("", b'{"events":[]}', "no event"),
        ("", b'{"events":null}', "no event"),
        ("", b"null", "no event"),
        ("", b"[" + b"{}," * 20_000 + b"{}]", "more than"),
        ("", b"{}\n" * 20_001, "more than"),
    ):
        record = record_of(body, headers={"content-encoding": encoding})
        assert record["kind"] == "unparsed"
        assert problem in record["problem"], encoding
        assert "event" not in record


def test_a_bomb_ends_at_the_limit() -> None:
    """A small body that becomes enormous is refused before it is unpacked, in every layer."""
    bomb = gzip.compress(bytes(200_000_000), 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for body, encoding in (
        (bomb, "gzip"),
        (gzip.compress(bomb), "gzip, gzip"),
        (brotli.compress(bytes(200_000_000), quality=1), "br"),
        (zstandard.compress(bytes(200_000_000)), "zstd"),
    ):
        assert "larger" in record_of(body, headers={"content-encoding": encoding})["problem"]
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 4 * decoding.MAX_DECODED_BYTES // 1024


def test_telemetry_of_opentelemetry_is_shown() -> None:
    """An export in protobuf is named as one, and its values stand beside; a broken one says so."""
    export = ExportTraceServiceRequest()
    span = export.resource_spans.add().scope_spans.add().spans.add()
    span.name = "build"
    whole = export.SerializeToString()
    http: dict[str, Any] = {
        "headers": {"content-type": "application/x-protobuf"},
        "path": "/v1/traces",
    }
    service = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    grpc: dict[str, Any] = {"headers": {"content-type": "application/grpc"}, "path": service}
    framed = b"\0" + len(whole).to_bytes(4) + whole
    for body, members in ((whole, http), (framed, grpc)):
        first, beside = map(json.loads, build(body, **members))
        assert first["problem"] == "it is OTLP in protobuf (traces)"
        assert json.loads(base64.b64decode(beside["body"])) == {
            "resourceSpans": [{"scopeSpans": [{"spans": [{"name": "build"}]}]}]
        }
    assert record_of(b"\xff\xff", **http)["problem"] == "it is OTLP in protobuf, and broken"


def test_what_stands_beside_the_events_has_a_line() -> None:
    """The rest of a body is recorded beside its events, and masked as they are."""
    for body, beside in (
        (b'{"events":[{"name":"a"}]}', None),
        (
            b'{"events":[{"name":"a"}],"host":"h","api_key":"geheim"}',
            '{"host":"h","api_key":"******"}',
        ),
        (b'{"home" : [1, 2] ,"events":[{"name":"a"}]}', '{"home":[1, 2]}'),
        (b'{"events":[{"name":"b"}],"events":[{"name":"a"}]}', '{"events":[{"name":"b"}]}'),
        (b'[{"name":"a"}]', None),
        (b'{"name":"a","events":1}', None),
    ):
        event, *rest = map(json.loads, build(body))
        assert event["kind"] == "a"
        assert [base64.b64decode(each["body"]).decode() for each in rest] == (
            [] if beside is None else [beside]
        )
        assert all(each["problem"] == "it holds more than its events" for each in rest)


ODD_EVENTS = (
    b'{"name":"a"}',
    b'{ "name" :\t"a" , "payload" : null }',
    b'{"name":"\\u0061","x":"\\/"}',
    '{"name":"ä","x":"✓"}'.encode(),
    b'{"name":"a","x":123456789012345678901234567890,"y":1.000,"z":-0}',
    b'{"name":"a","name":"b"}',
)
"""Events that another serialiser would write otherwise."""


def test_events_keep_their_bytes() -> None:
    """Spacing, escapes, big numbers and doubled members leave the file as they came in."""
    for event, count in product(ODD_EVENTS, (1, 2, 1000)):
        found = build(b'{"events": [' + b" , ".join([event] * count) + b"]}")
        parsed = [slicing.parse_line(line) for line in found]
        assert [each and each.event for each in parsed] == [event] * count


def test_an_event_of_several_lines_is_one_line(tmp_path: Path) -> None:
    """A line of the file is one line, and the exact bytes are read back."""
    event = b'{\n  "name": "a"\r\n}'
    (line,) = build(event)
    assert base64.b64decode(json.loads(line)["raw"]) == event
    assert json.loads(line)["event"] == {"name": "a"}
    file = tmp_path / "capture.jsonl"
    file.write_bytes(line + b"\nno line of ours\n{}\n" + build(b"noise")[0] + b"\n")
    read = list(capture.load(file))
    assert [(each.name, each.body) for each in read] == [("a", event), ("unparsed", b"")]
    assert read[0].document == {"name": "a"}
    assert read[1].problem


def test_a_line_says_what_the_request_was() -> None:
    """Method, path, harmless headers, and one id for all events of a request."""
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
    assert record_of(b'{"name":"lstk_command"}', headers={})["tool"] == "lstk"


def test_what_is_left_of_a_torn_body_is_read() -> None:
    """Events around what is no event are recorded, and the rest is told of."""
    event = b'{"name":"a"}'
    for body, problem in (
        (event + b"\njunk\n" + event, "it is not JSON"),
        (b"[%b,1,%b]" % (event, event), "it holds what is no object"),
    ):
        *events, rest = map(json.loads, build(body))
        assert [each["event"] for each in events] == [{"name": "a"}] * 2
        assert (rest["kind"], rest["problem"]) == ("unparsed", problem)
    for body in (event + b'\n{"events":[]}', b"\n \n" + event):
        assert [json.loads(line)["kind"] for line in build(body)] == ["a"]


def test_reveal_keeps_everything() -> None:
    """With `reveal`, headers, query, tokens and bodies are recorded as they came."""
    event = b'{"name":"session","payload":{"api_key":"geheim-token"}}'
    members = {"headers": {"authorization": "Basic x"}, "query": "a=1"}
    record = record_of(event, privacy=CLEAR, **members)
    assert record["event"]["payload"]["api_key"] == "geheim-token"
    assert record["headers"] == members["headers"]
    assert record["path"] == "/v1/events?a=1"
    assert "masked" not in record
    for body in (b"\x00\xff noise", b"", b"[1,2]"):
        record = record_of(body, privacy=CLEAR)
        assert (record["kind"], base64.b64decode(record["body"])) == ("unparsed", body)


def test_a_body_that_is_not_json_is_withheld() -> None:
    """Of forms, texts, other encodings and torn JSON only the size is kept.

    JSON without an event is evidence: it is kept, and its secrets are masked.
    """
    for body in (
        b"noise",
        b"\x00\xff noise",
        b"api_key=geheim&x=1",
        b"{'api_key': 'geheim'}",
        b'{"name":"session","payload":{"api_key":"geheim',
        '{"api_key":"geheim'.encode("utf-16"),
    ):
        record = record_of(body)
        assert (record["withheld_body"], record["bytes"]) == (True, len(body))
        assert "body" not in record
    coded = record_of(b"\x1f\x8b broken", headers={"content-encoding": "gzip"})
    assert coded["withheld_body"]
    masked = record_of(f'[1, "{SECRET}"]'.encode(), privacy=Privacy(secrets=(SECRET,)))
    assert base64.b64decode(masked["body"]) == f'[1, "{"*" * len(SECRET)}"]'.encode()
    assert record_of(b"")["body"] == ""


def test_what_each_event_repeats_is_short() -> None:
    """A client chooses path, query, method and headers: none of them makes a line long."""
    headers = {f"x-{number}-{'y' * 5000}": "1" for number in range(100)}
    for members in (
        {"headers": {"user-agent": "x" * 60_000}},
        {
            "method": "M" * 60_000,
            "path": "/" + "p" * 60_000,
            "query": "&".join(f"{number}{'q' * 600}=1" for number in range(99)),
            "headers": headers,
        },
    ):
        for privacy in (Privacy(), CLEAR):
            found = build(b"[{},{},{}]", privacy=privacy, **members)
            assert max(map(len, found)) < 10_000


def _kept(**members: Any) -> str:  # noqa: ANN401
    """Return all that the file keeps of a request, decoded."""
    request = Request("POST", "/", "", {}, b"{}")._replace(**members)
    lines, arrival = records.build(request, now=NOW, entropy=os.urandom, privacy=Privacy())
    found = [repr(arrival)]
    for line in map(json.loads, lines.splitlines()):
        coded = (line.get(name, "") for name in ("body", "raw"))
        found += [
            json.dumps(line, ensure_ascii=False),
            *(f"{base64.b64decode(c)!r}" for c in coded),
        ]
    return "\n".join(found)


def _header(name: str, text: str) -> str:
    return _kept(headers={name: f"a/1 {text}"})


PLACES: Mapping[str, Callable[[str], str]] = {
    "value": lambda text: _kept(body=json.dumps({"name": "a", "x": [text]}).encode()),
    "name": lambda text: _kept(body=json.dumps({text: {"y": 1}}).encode()),
    "event's name": lambda text: _kept(body=json.dumps({"name": text}).encode()),
    "JSON in a text": lambda text: _kept(body=json.dumps({"x": json.dumps({"y": text})}).encode()),
    "several lines": lambda text: _kept(body=json.dumps({"x": text}, indent=1).encode()),
    "beside": lambda text: _kept(body=json.dumps({"events": [{}], "x": text}).encode()),
    "no event": lambda text: _kept(body=json.dumps([1, text]).encode()),
    "no JSON": lambda text: _kept(body=text.encode()),
    "compressed": lambda text: _kept(
        body=gzip.compress(text.encode()), headers={"content-encoding": "gzip"}
    ),
    "path": lambda text: _kept(path=f"/v1/{text}"),
    "coded path": lambda text: _kept(path=f"/v1/{quote(text, safe='')}"),
    "path coded twice": lambda text: _kept(path=f"/v1/{quote(quote(text, safe=''), safe='')}"),
    "query": lambda text: _kept(query=f"x={quote(text)}&{quote(text)}"),
    "method": lambda text: _kept(method=text),
    "user agent": lambda text: _header("user-agent", text),
    "content type": lambda text: _header("content-type", text),
    "name of a header": lambda text: _kept(headers={text: "1"}),
    "other header": lambda text: _header("x-other", text),
}
"""By place of a request: how a text that stands there is kept."""


def test_no_form_of_a_secret_is_kept_in_any_place() -> None:
    """Whatever an audit would find, by form or by place, the file and the screen do not show."""
    texts = [(token, token) for token in TOKENS.values()]
    texts += [(shown, text) for text in PLACED.values() for shown in ("canary", "Y2Fu")]
    odd = [
        (place, text)
        for (place, keep), (shown, text) in product(PLACES.items(), texts)
        if shown in keep(text)
    ]
    assert odd == []


def test_no_secret_stands_beside_the_events() -> None:
    """Method, target, names in the query and headers are masked, and what follows Bearer."""
    (line,) = build(
        b"{}",
        privacy=Privacy(secrets=(SECRET,)),
        method=SECRET,
        path=f"http://user:geheim@127.0.0.1/{SECRET}",
        query=f"{SECRET}=1&Zq7geheim9XkW2mBaa",
        headers={SECRET: "1", "user-agent": f"x {SECRET} Bearer geheim0123456789ab"},
    )
    assert SECRET.encode() not in line
    assert b"geheim" not in line
    assert json.loads(line)["path"].startswith("http://127.0.0.1/***")


def test_a_recorder_knows_where_a_request_was_to_go() -> None:
    """Host, port and scheme stand in the line, masked as the path is; elsewhere they do not."""
    where = {"host": "t.example", "port": 443, "scheme": "https"}
    found = record_of(b'{"name":"a"}', **where)
    assert {name: found.get(name) for name in where} == where
    assert not where.keys() & record_of(b'{"name":"a"}').keys()
    privacy = Privacy(secrets=(SECRET,))
    assert SECRET.encode() not in build(b"{}", privacy=privacy, host=f"{SECRET}.example")[0]
