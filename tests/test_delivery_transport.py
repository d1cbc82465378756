"""Tests of the way to the network: answers, deadlines, certificates, proxies, live questions."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support import endpoint as loopback
from tests.support.endpoint import Endpoint, always, says
from tests.support.machine import REPOSITORY
from usagectl import live
from usagectl.delivery.requests import TOO_LATE, NoAnswerError, build_post
from usagectl.delivery.transport import (
    MAX_DOCUMENT_BYTES,
    NotAnsweringError,
    Transport,
    get_json,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.endpoint import Behaviour
    from tests.support.machine import Machine
    from usagectl.delivery.requests import Answer

LONG = 10.0
SHORT = 0.3
CERTIFICATE = REPOSITORY / "tests" / "data" / "localhost.pem"
INFO = b'{"version": "4.14.0", "session_id": "s", "machine_id": "gen_1", "edition": "pro"}'


def send(base: str, *, seconds: float = LONG) -> Answer:
    """Send one event to a base URL."""
    post = build_post([b'{"name":"e"}'], base=base)
    with closing(Transport(base)) as transport:
        return transport.send(post, time.monotonic() + seconds)


def reason_of(base: str, *, seconds: float = LONG) -> str:
    """Send one event that gets no answer; return why."""
    with pytest.raises(NoAnswerError) as caught:
        send(base, seconds=seconds)
    return caught.value.reason


def test_what_comes_before_the_deadline_is_the_answer() -> None:
    """A status counts even where the body breaks off or drips; without one, the reason is said."""
    table: list[tuple[Behaviour, float, tuple[int, str] | str]] = [
        (always(200, b"hello"), LONG, (200, "")),
        (always(404, b""), LONG, (404, "")),
        (loopback.reset_in_body, LONG, (200, "the connection broke")),
        (always(200, b"x" * 70_000), LONG, (200, "it is larger than 65536 bytes")),
        (loopback.drip_body, SHORT, (200, TOO_LATE)),
        (loopback.hang, SHORT, TOO_LATE),
        (loopback.drip, SHORT, TOO_LATE),
        (always(200), 0, TOO_LATE),
        (loopback.garbage, LONG, "what it answers is not HTTP, or ends too soon"),
        (loopback.reset, LONG, "the connection broke"),
    ]
    found: list[object] = []
    for behave, seconds, _ in table:
        with Endpoint(behave) as there:
            try:
                answer = send(there.base, seconds=seconds)
                found.append((answer.status, answer.problem))
            except NoAnswerError as error:
                found.append(error.reason)
    assert found == [expected for *_, expected in table]


def test_a_slow_reader_is_left_at_the_deadline() -> None:
    """An endpoint that takes no bytes holds a large body no longer than its time."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        base = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        post = build_post([b'{"x":"%b"}' % (b"x" * 30_000_000)], base=base)
        with closing(Transport(base)) as transport, pytest.raises(NoAnswerError, match="in time"):
            transport.send(post, time.monotonic() + SHORT)


@contextmanager
def listening_with_tls(*, greeting: bytes = b"") -> Iterator[str]:
    """Serve TLS connections with a certificate of `localhost`; say a greeting before, if any."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)

    def accept() -> None:
        while True:
            try:
                connected, _ = listener.accept()
            except OSError:
                return
            try:
                connected.sendall(greeting)
                with context.wrap_socket(connected, server_side=True) as stream:
                    connection = loopback.Connection(stream)
                    if connection.read_request():
                        connection.answer(200)
            except OSError:
                connected.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"https://localhost:{listener.getsockname()[1]}/v1"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_certificates_are_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint of this machine too has to show one that SSL_CERT_FILE or the system trusts."""
    with listening_with_tls() as base:
        assert reason_of(base) == "its certificate cannot be verified"
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        assert send(base).status == 200
        monkeypatch.setenv("SSL_CERT_FILE", "/nope")
        assert "certificates to trust cannot be read (SSL_CERT_FILE" in reason_of(base)
        monkeypatch.delenv("SSL_CERT_FILE")
    with listening_with_tls(greeting=b"SSH-2.0-OpenSSH\r\n") as base:
        assert reason_of(base) == "a TLS connection cannot be made"


def test_a_failing_proxy_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead or refusing proxy is not taken for the endpoint."""
    told = {}
    with Endpoint(always(403)) as refusing:
        for name, address in {
            "dead": "http://me:secret@127.0.0.1:9",
            "refusing": refusing.base.replace("//", "//me:secret@"),
            "socks": "socks5://me:secret@127.0.0.1:9",
            "no address": "ftp://me:secret@127.0.0.1:9",
        }.items():
            monkeypatch.setenv("HTTPS_PROXY", address)
            told[name] = reason_of("https://name.invalid/v1")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "name.invalid")
    told["passed by"] = reason_of("https://name.invalid:9/v1")
    assert told == {
        "dead": "the proxy 127.0.0.1:9 cannot be reached: "
        "nothing listens there (connection refused)",
        "refusing": f"the proxy refuses it, on the way through the proxy 127.0.0.1:{refusing.port}",
        "socks": "a SOCKS proxy needs the package httpx[socks]",
        "no address": "its URL, or a proxy's, cannot be used",
        "passed by": "its name cannot be resolved",
    }


def test_proxies_are_for_the_way_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that is meant for this machine is handed to a proxy; another host is."""
    with Endpoint() as proxy, Endpoint() as there:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.base.removesuffix("/v1"))
        assert send(there.base).status == 200
        assert get_json(f"{there.base}/x", timedelta(seconds=LONG)) == {"track_events": True}
        assert proxy.accepted == 0
        assert send("http://telemetry.invalid/v1").status == 200
    assert [each.path for each in proxy.received] == ["http://telemetry.invalid/v1/events"]


def test_a_live_question_is_one_plain_get(machine: Machine) -> None:
    """A running instance's info becomes a mapping; no credential or cookie goes along."""
    with Endpoint(always(200, INFO)) as there:
        assert get_json(f"{there.base}/info", timedelta(seconds=LONG)) == json.loads(INFO)
        machine.variables["GATEWAY_LISTEN"] = f"127.0.0.1:{there.port}"
        answer, problems = live.ask(machine.environment())
    assert answer.instance == json.loads(INFO)
    assert [problem.code for problem in problems] == ["docker-not-answering"]
    assert [(each.method, each.path) for each in there.received] == [
        ("GET", "/v1/info"),
        ("GET", "/_localstack/info"),
    ]
    names = {name.lower() for each in there.received for name in each.headers}
    assert not names & {"cookie", "authorization"}


def test_a_live_question_always_ends_with_a_reason() -> None:
    """Whatever a server does, the question ends in time, never with a traceback."""
    table: list[tuple[Behaviour, str]] = [
        (loopback.hang, TOO_LATE),
        (loopback.drip, TOO_LATE),
        (loopback.drip_body, TOO_LATE),
        (loopback.drips(b"HTTP/1.1 200 OK\r\n\r\n"), TOO_LATE),
        (says(b"x", status="500 Oops"), "status 500"),
        (says(b"{}", status="404 No"), "status 404"),
        (says(b"", status="302 Found", headers="Location: http://127.0.0.1:9/\r\n"), "status 302"),
        (says(b"not json"), "the answer is not JSON"),
        (says(b"\xff\xfe{"), "the answer is not JSON"),
        (says(b"[" * 100_000), "the answer is not JSON"),
        (says(b"[]"), "the answer is no JSON object"),
        (says(b"null"), "the answer is no JSON object"),
        (says(b""), "the answer is not JSON"),
        (says(b" " * (MAX_DOCUMENT_BYTES + 1)), f"it is larger than {MAX_DOCUMENT_BYTES} bytes"),
        (loopback.garbage, "what it answers is not HTTP, or ends too soon"),
        (lambda connection, _: connection.socket.shutdown(2), "what it answers is not HTTP, or"),
    ]
    wrong = []
    for number, (behave, reason) in enumerate(table):
        with Endpoint(behave) as there:
            seconds = SHORT if reason == TOO_LATE else LONG
            with pytest.raises(NotAnsweringError) as raised:
                get_json(f"{there.base}/info", timedelta(seconds=seconds))
        told = f"{there.base}/info gave no answer: {reason}"
        if not raised.value.message.startswith(told) or raised.value.code != "not-answering":
            wrong.append((number, raised.value.message))
    assert wrong == []


def test_only_loopback_is_asked_a_live_question() -> None:
    """An address elsewhere, or any name, is refused before a socket is made."""
    for url in (
        "http://192.0.2.1/",
        "http://example.invalid/",
        "http://[2001:db8::1]/",
        "http:///",
    ):
        with pytest.raises(ValueError, match=r"loopback|address"):
            get_json(url, timedelta(seconds=LONG))
    with Endpoint() as there:
        pass
    with pytest.raises(NotAnsweringError, match="nothing listens there"):
        get_json(there.base, timedelta(seconds=LONG))
