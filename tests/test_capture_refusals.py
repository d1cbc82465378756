"""Tests of what a capture turns away, and why."""

from __future__ import annotations

import ssl
from contextlib import suppress

from usagectl.capture import refusals
from usagectl.capture.refusals import REASONS, Refusal, is_own_host


def greeting(host: str | None) -> bytes:
    """Return what a TLS client sends first."""
    out = ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname = host is not None
    client = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=host)
    with suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return out.read()


BYTES = (
    (greeting("telemetry.example.com"), False, Refusal("tls", "telemetry.example.com")),
    (greeting(None), False, Refusal("tls")),
    (b"\x16\x03\x01" + bytes(500), True, Refusal("tls")),
    (b"\x16\x03", True, Refusal("tls")),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", False, Refusal("http2")),
    (b"GET\r\n\r\n", False, Refusal("no-http")),
    (b"POST /v1/events HTTP/1.1\r\nHost: loc", True, Refusal("broken-off")),
    (b"POST / HTTP/1.1\r\nX: " + b"y" * 70_000, False, Refusal("too-large")),
)

REQUESTS: tuple[tuple[str, str, dict[str, str], Refusal | None], ...] = (
    ("CONNECT", "t.example:443", {"host": "t.example:443"}, Refusal("proxy", "t.example:443")),
    ("POST", "http://t.example/v1", {"host": "localhost"}, Refusal("proxy", "t.example")),
    ("POST", "http://me:geheim@t.example/", {"host": "t"}, Refusal("proxy", "t.example")),
    ("POST", "http://127.0.0.1:9/v1", {"host": "127.0.0.1:9"}, None),
    ("POST", "/", {"origin": "https://p.example"}, Refusal("browser", "p.example")),
    ("POST", "/", {"origin": "null", "host": "localhost"}, Refusal("browser", "localhost")),
    ("GET", "/", {"sec-fetch-site": "none", "host": "h"}, Refusal("browser", "h")),
    ("POST", "/", {"host": "evil.example"}, Refusal("other-host", "evil.example")),
    ("GET", "/", {"host": "host.docker.internal"}, Refusal("other-host", "host.docker.internal")),
    ("POST", "/", {"host": "host.docker.internal"}, None),
    ("POST", "/", {}, None),
    ("POST", "/", {"host": "a\nb"}, Refusal("other-host", "a\\nb")),
    ("POST", "/", {"host": f"ghp_{'a1' * 18}"}, Refusal("other-host", "*" * 40)),
)


def test_what_is_turned_away_has_a_reason_and_a_host() -> None:
    """Each kind is told from the others, by its bytes or by its request."""
    found = [refusals.of_bytes(data, is_ended=is_ended) for data, is_ended, _ in BYTES]
    assert found == [refusal for *_, refusal in BYTES]
    told = [refusals.of_request(method, target, each) for method, target, each, _ in REQUESTS]
    assert told == [refusal for *_, refusal in REQUESTS]
    assert {each.reason for each in [*found, *told] if each} == set(REASONS)


def test_any_bytes_of_a_greeting_are_read() -> None:
    """A greeting that breaks off, or lies about a length, has no host; nothing raises."""
    whole = greeting("telemetry.example.com")
    for size in range(2, len(whole)):
        assert refusals.of_bytes(whole[:size], is_ended=True).reason == "tls"
        torn = whole[:size] + b"\xff" * 40
        assert len(refusals.of_bytes(torn, is_ended=True).host) <= 100


def test_hosts_of_this_machine() -> None:
    """Loopback, a container's name for it and the address that was bound; no other name."""
    hosts = (
        ("127.0.0.1:80", "", True),
        ("LOCALHOST", "", True),
        ("[::1]:9", "", True),
        ("127.9.9.9", "", True),
        ("host.docker.internal:1", "", True),
        ("172.17.0.1:9", "172.17.0.1", True),
        ("172.17.0.1:9", "", False),
        ("192.168.0.7", "0.0.0.0", True),  # noqa: S104
        ("evil.example", "0.0.0.0", False),  # noqa: S104
        ("[::1", "", False),
        ("user:geheim@127.0.0.1", "", False),
        ("evil.com\\@127.0.0.1", "", False),
        ("127.0.0.1:notaport", "", False),
        ("127.0.0.1:99999", "", False),
        ("2130706433", "", False),
    )
    wrong = [(host, also) for host, also, is_own in hosts if is_own_host(host, also) is not is_own]
    assert wrong == []
