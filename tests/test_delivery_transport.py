"""Tests of the way to the network: answers, deadlines, certificates and proxies."""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from tests.support import endpoint as loopback
from tests.support.endpoint import Endpoint, always
from tests.support.machine import REPOSITORY
from usagectl.delivery.requests import TOO_LATE, NoAnswerError, PemFile, Tls, build_post
from usagectl.delivery.transport import Transport

if TYPE_CHECKING:
    from tests.support.endpoint import Behaviour
    from usagectl.delivery.requests import Answer

LONG = 10.0
SHORT = 0.3
CERTIFICATE = REPOSITORY / "tests" / "data" / "localhost.pem"


def send(base: str, *, seconds: float = LONG, tls: Tls = Tls()) -> Answer:  # noqa: B008
    """Send one event to a base URL."""
    post = build_post([b'{"name":"e"}'], base=base)
    with closing(Transport(base, tls)) as transport:
        return transport.send(post, time.monotonic() + seconds)


def reason_of(base: str, *, seconds: float = LONG, tls: Tls = Tls()) -> str:  # noqa: B008
    """Send one event that gets no answer; return why."""
    with pytest.raises(NoAnswerError) as caught:
        send(base, seconds=seconds, tls=tls)
    return caught.value.reason


def test_what_comes_before_the_deadline_is_the_answer() -> None:
    """A status counts even where the body breaks off or drips; without one, the reason is said."""
    table: list[tuple[Behaviour, float, tuple[int, str] | str]] = [
        (always(200, b"hello"), LONG, (200, "")),
        (always(404, b""), LONG, (404, "")),
        (loopback.reset_in_body, LONG, (200, "the connection broke")),
        (always(200, b"x" * 1_048_577), LONG, (200, "it is larger than 1048576 bytes")),
        (loopback.drip_body, SHORT, (200, TOO_LATE)),
        (loopback.hang, SHORT, TOO_LATE),
        (loopback.drip, SHORT, TOO_LATE),
        (always(200), 0, TOO_LATE),
        (loopback.garbage, LONG, "what it answers is not HTTP, or ends too soon"),
        (loopback.reset, LONG, "the connection broke"),
        (loopback.flood, LONG, "what it answers is not HTTP, or ends too soon"),
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


def test_certificates_are_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint of this machine too has to show one that SSL_CERT_FILE or the system trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with Endpoint(tls=context) as there:
        base = f"https://localhost:{there.port}/v1"
        assert reason_of(base) == "a TLS connection cannot be made"
        context.load_cert_chain(CERTIFICATE)
        assert reason_of(base) == "its certificate cannot be verified"
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        assert send(base).status == 200
        monkeypatch.setenv("SSL_CERT_FILE", "/nope")
        assert "certificates to trust cannot be read (SSL_CERT_FILE" in reason_of(base)


def test_an_endpoint_may_be_trusted_by_a_file_of_its_own_and_ask_for_a_certificate(
    tmp_path: Path,
) -> None:
    """Files that a user names hold for that endpoint: what to trust, what to show, its key.

    A file that cannot be read is named with its variable; nobody is asked for a password.
    """
    authority, other = trustme.CA(), trustme.CA()
    client = authority.issue_cert("client@example.org")
    named = {
        name: PemFile(str(tmp_path / name), f"VARIABLE_{name}")
        for name in ("trusted", "certificate", "key", "other")
    }
    authority.cert_pem.write_to_path(named["trusted"].path)
    other.cert_pem.write_to_path(named["other"].path)
    client.cert_chain_pems[0].write_to_path(named["certificate"].path)
    client.private_key_pem.write_to_path(named["key"].path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    whole = Tls(named["trusted"], named["certificate"], named["key"])
    with Endpoint(tls=context) as there:
        base = f"https://localhost:{there.port}/v1"
        assert send(base, tls=whole).status == 200
        locked = PemFile(str(tmp_path / "locked"), "VARIABLE_locked")
        made = load_pem_private_key(Path(named["key"].path).read_bytes(), None)
        hidden = BestAvailableEncryption(b"secret")
        Path(locked.path).write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden))
        told = {
            "VARIABLE_locked": reason_of(base, tls=whole._replace(key=locked)),
            "TLS": reason_of(base, tls=whole._replace(certificate=PemFile())),
            "verified": reason_of(base, tls=whole._replace(trusted=named["other"])),
            "VARIABLE_certificate": reason_of(base, tls=whole._replace(key=named["trusted"])),
            "(GONE)": reason_of(base, tls=whole._replace(trusted=PemFile("/nope", "GONE"))),
        }
        both = tmp_path / "both"
        both.write_bytes(client.private_key_pem.bytes() + client.cert_chain_pems[0].bytes())
        assert send(base, tls=Tls(named["trusted"], PemFile(str(both), "X"))).status == 200
    assert [word for word, reason in told.items() if word not in reason] == [], told


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
        "refusing": "the proxy refuses it (status 403), on the way through the proxy "
        f"127.0.0.1:{refusing.port}",
        "socks": "a SOCKS proxy needs the package httpx[socks]",
        "no address": "the proxy that HTTPS_PROXY names has no valid URL",
        "passed by": "its name cannot be resolved",
    }


def test_what_a_proxy_refuses_for_good_is_final(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password, a ban, a dead proxy on this machine or no proxy at all: it is not tried again."""
    base = "https://name.invalid/v1"
    found = {}
    for status in (302, 401, 403, 407, 429, 501, 502, 511):
        with Endpoint(always(status)) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.base.removesuffix("/v1"))
            found[str(status)] = is_final(base)
    for text in (
        *("http://127.0.0.1:9", "http://127.0.0.1:x", "http://", "http://:80", "http://p:99999"),
        *("http://a b:1", "htp://p", "http:/p:1", "http://p:0", "http://[::1"),
    ):
        monkeypatch.setenv("HTTPS_PROXY", text)
        found[text] = is_final(base)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "[::1")
    found["NO_PROXY"] = "NO_PROXY" in reason_of(base) and is_final(base)
    assert [name for name, is_it in found.items() if not is_it] == ["429", "502"]


def is_final(base: str) -> bool:
    """Send, and say whether the failure is final."""
    with pytest.raises(NoAnswerError) as caught:
        send(base)
    return caught.value.is_final


def test_proxies_are_for_the_way_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that is meant for this machine is handed to a proxy; another host is."""
    with Endpoint() as proxy, Endpoint() as there:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.base.removesuffix("/v1"))
        assert send(there.base).status == 200
        assert proxy.accepted == 0
        assert send("http://telemetry.invalid/v1").status == 200
    assert [each.path for each in proxy.received] == ["http://telemetry.invalid/v1/events"]
