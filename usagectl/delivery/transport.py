"""The way to the network, on which each request is given up at its deadline.

The only importer of httpx, which no command that sends nothing loads. Other modules build the
requests and judge the answers.
"""

from __future__ import annotations

import math
import socket
import ssl
import time
from contextlib import closing
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies

import httpx  # noqa: TID253

from usagectl.delivery.requests import (
    NOBODY_LISTENS,
    PROXY_AUTHENTICATION,
    TOO_LATE,
    Answer,
    NoAnswerError,
    Tls,
)
from usagectl.endpoint import is_loopback, port_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from usagectl.delivery.requests import PemFile, Post

MAX_BODY_BYTES = 1024 * 1024
MAX_HEAD_BYTES = 256 * 1024
_PROXY_REFUSES = "the proxy refuses it"
_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
_MOST_PORT = 65535
_PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Statuses of a proxy that may be gone when it is asked again."""

_REASONS: tuple[tuple[type[BaseException], str, bool], ...] = (
    (ssl.SSLCertVerificationError, "its certificate cannot be verified", True),
    (ssl.SSLError, "a TLS connection cannot be made", True),
    (socket.gaierror, "its name cannot be resolved", False),
    (UnicodeError, "its name cannot be resolved", True),
    (ConnectionRefusedError, NOBODY_LISTENS, False),
    (httpx.ProxyError, _PROXY_REFUSES, False),
    (httpx.TimeoutException, TOO_LATE, False),
    (httpx.LocalProtocolError, "the request cannot be sent as it is", True),
    (httpx.ProtocolError, "what it answers is not HTTP, or ends too soon", False),
    (httpx.InvalidURL, "its URL, or a proxy's, cannot be used", True),
    (httpx.HTTPError, "the connection broke", False),
    (OSError, "the connection broke", False),
    (ImportError, "a SOCKS proxy needs the package httpx[socks]", True),
    (ValueError, "its URL, or a proxy's, cannot be used", True),
)
"""Causes of a failure, each in our words, and whether trying again is vain."""


class Transport:
    """Requests to one endpoint with httpx, over a connection that is kept.

    Proxies and certificates are those of the environment, as httpx reads them; the way
    to this machine passes every proxy by, so that nothing leaves it. Redirects are not
    followed, and no cookie is kept.
    """

    def __init__(self, base: str, tls: Tls = Tls()) -> None:  # noqa: B008  (nobody changes it)
        self._base = base
        self._tls = tls
        self._client: httpx.Client | None = None
        self._peer = ""
        self._head = _Head()

    def send(self, post: Post, deadline: float, *, method: str = "POST") -> Answer:
        """Send a request and wait for its answer: a status that came before the deadline.

        Raises:
            NoAnswerError: there is none before the deadline, an instant of the monotonic clock.
        """
        left = deadline - time.monotonic()
        if left <= 0:
            raise NoAnswerError(TOO_LATE)
        if self._client is None:
            self._client = _open(self._base, self._tls)
        request = httpx.Request(method, post.url, headers=dict(post.headers), content=post.body)
        exchange = _Exchange(self._client, request, self._peer, self._head)
        exchange.run(left)
        self._peer = exchange.peer
        if exchange.is_late:
            self.close()
        if exchange.answer is not None and exchange.error is None:
            # Over TLS a proxy only passes bytes on.
            is_plain = self._base.startswith("http:")
            return exchange.answer._replace(proxy=exchange.proxy if is_plain else "")
        error = exchange.error or httpx.ReadTimeout(TOO_LATE)
        raise _explain(error, proxy=exchange.proxy, is_here=exchange.is_here) from error

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None


def _open(base: str, tls: Tls) -> httpx.Client:
    is_here = is_loopback(base)
    is_plain = is_here and base.startswith("http:")
    if not is_here and (name := _malformed_proxy(getproxies())):
        reason = f"the proxy that {name} names has no valid URL"
        raise NoAnswerError(reason, is_final=True)
    context = False if is_plain else _context_of(tls)
    try:
        client = httpx.Client(verify=context, trust_env=not is_here, follow_redirects=False)
    except httpx.InvalidURL as error:
        raise NoAnswerError("NO_PROXY names a host that is none", is_final=True) from error
    except Exception as error:
        raise _explain(error) from error
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return client


def _context_of(tls: Tls) -> ssl.SSLContext:
    """Trust the certificates that a user names, else those of SSL_CERT_FILE or of the system.

    Raises:
        NoAnswerError: a file cannot be read.
    """
    try:
        if tls.trusted.path:
            context = ssl.create_default_context(cafile=tls.trusted.path)
        else:
            context = httpx.create_ssl_context()
    except OSError as error:
        if tls.trusted.path:
            raise _unreadable(tls.trusted) from error
        reason = "the certificates to trust cannot be read (SSL_CERT_FILE, SSL_CERT_DIR)"
        raise NoAnswerError(reason, is_final=True) from error
    if tls.certificate.path:
        try:  # An empty password: nobody is asked for one here.
            context.load_cert_chain(tls.certificate.path, tls.key.path or None, password="")
        except OSError as error:
            raise _unreadable(tls.certificate, tls.key) from error
    return context


def _unreadable(*files: PemFile) -> NoAnswerError:
    named = " or ".join(f"{each.path} ({each.variable})" for each in files if each.path)
    return NoAnswerError(f"{named} cannot be read as a certificate or key", is_final=True)


class _Head:
    """A bound on the bytes before an answer: an endpoint may send 1xx answers without end."""

    def __init__(self) -> None:
        self.left: float = math.inf

    def watch(self, stream: Any) -> None:  # noqa: ANN401  (of httpcore, which httpx hides)
        """Count what is read from a connection; httpx itself reads until the deadline."""
        read = stream.read

        def read_counted(max_bytes: int, timeout: float | None = None) -> bytes:
            data: bytes = read(max_bytes, timeout)
            self.left -= len(data)
            if self.left < 0:
                message = "the head of its answer does not end"
                raise httpx.RemoteProtocolError(message)
            return data

        stream.read = read_counted


def _malformed_proxy(proxies: Mapping[str, str]) -> str:
    """Name the variable of a proxy that nothing can be sent through; empty without one."""
    for scheme, text in proxies.items():
        if scheme not in ("http", "https", "all"):
            continue
        try:
            url = httpx.URL(text if ":/" in text else f"http://{text}")
        except (httpx.InvalidURL, ValueError):
            return f"{scheme.upper()}_PROXY"
        is_valid = url.scheme in _PROXY_SCHEMES and url.host and not set(url.host) & set(" %/")
        if not is_valid or not 0 < (1 if url.port is None else url.port) <= _MOST_PORT:
            return f"{scheme.upper()}_PROXY"
    return ""


@dataclass(slots=True)
class _Exchange:
    """One request in a thread that is left behind when it is late, and its answer.

    A name look-up cannot be cut off, not even with Ctrl-C: whoever types a command where the
    name server is dead would wait for the resolver's minute. And httpx limits the wait for each
    piece alone: an answer that comes in drops would hold a `replay --timeout 5` for ever.
    """

    client: httpx.Client
    request: httpx.Request
    peer: str  # Host and port that the last connection led to.
    head: _Head
    answer: Answer | None = None  # What has come so far; None before its status.
    error: Exception | None = None  # What httpx raised.
    is_late: bool = False  # It was given up.

    @property
    def proxy(self) -> str:
        """Return host and port of the proxy that the last connection led to; empty without one."""
        url = self.request.url
        there = f"{url.raw_host.decode('ascii')}:{port_of(str(url))}"
        return "" if self.peer == there else self.peer

    @property
    def is_here(self) -> bool:
        """True if the last connection led to this machine: what is not there now does not come."""
        host = self.peer.rpartition(":")[0]
        return bool(host) and is_loopback(f"http://{f'[{host}]' if ':' in host else host}")

    def run(self, seconds: float) -> None:
        """Send the request, and wait for the whole answer until the time is over."""
        limits = dict.fromkeys(("connect", "read", "write", "pool"), seconds)
        self.request.extensions |= {"timeout": limits, "trace": self._trace}
        self.head.left = MAX_HEAD_BYTES
        thread = Thread(target=self._send, daemon=True)
        thread.start()
        try:
            thread.join(seconds)
        finally:
            self.is_late = thread.is_alive()

    def _trace(self, event: str, info: Mapping[str, object]) -> None:
        """Follow httpx, so that no events go over a connection that was made too late."""
        if event == "connection.connect_tcp.started":
            self.peer = f"{info['host']}:{info['port']}"
        elif event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self.head.watch(info["return_value"])
        elif self.is_late and event.endswith("send_request_headers.started"):
            raise httpx.ConnectTimeout(TOO_LATE)

    def _send(self) -> None:
        try:
            with closing(self.client.send(self.request, stream=True)) as response:
                self.answer = self._read(response)
        except Exception as error:  # noqa: BLE001  (whoever waits raises it)
            self.error = error

    def _read(self, response: httpx.Response) -> Answer:
        """Read the body of an answer; its status counts even if the body breaks off."""
        self.head.left = math.inf
        so_far = Answer(
            response.status_code,
            retry_after=response.headers.get("retry-after", ""),
            location=response.headers.get("location", ""),
            problem=TOO_LATE,  # Unless more comes.
        )
        self.answer = so_far
        problem = ""
        try:
            for piece in response.iter_raw():
                self.answer = so_far = so_far._replace(body=so_far.body + piece)
                if len(so_far.body) > MAX_BODY_BYTES:
                    problem = f"it is larger than {MAX_BODY_BYTES} bytes"
                    break
        except Exception as error:  # noqa: BLE001  (a bug is raised again by _explain)
            problem = _explain(error).reason
        return so_far._replace(body=so_far.body[:MAX_BODY_BYTES], problem=problem)


def _explain(error: Exception, *, proxy: str = "", is_here: bool = False) -> NoAnswerError:
    """Translate an error of httpx; one that is not about the network stays a bug.

    With a `proxy` it is that one which cannot be reached, or which refuses. Where the
    connection led to this machine (`is_here`), a refusal is final.
    """
    causes = list(_causes(error))
    found = [row for row in _REASONS if any(isinstance(each, row[0]) for each in causes)]
    if not found:
        raise error
    _, reason, is_final = found[0]
    is_final = is_final or (is_here and reason == NOBODY_LISTENS)
    if isinstance(error, httpx.ProxyError) and (status := str(error)[:3]).isdecimal():
        asks = int(status) == PROXY_AUTHENTICATION
        reason = "the proxy asks for a password" if asks else _PROXY_REFUSES
        reason = f"{reason} (status {status})"
        # Any other one, such as a redirect to a page for people, comes again.
        is_final = int(status) not in _PASSING
    if proxy and isinstance(error, httpx.ConnectError):
        reason = f"the proxy {proxy} cannot be reached: {reason}"
    elif proxy:
        reason = f"{reason}, on the way through the proxy {proxy}"
    return NoAnswerError(reason, is_final=is_final)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
