"""The way to the network, on which each request is given up at its deadline.

The only importer of httpx: whoever sends nothing does not load this module. What a request
says, and what becomes of its answer, is decided elsewhere.
"""

from __future__ import annotations

import json
import queue
import socket
import ssl
import threading
import time
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

import httpx  # noqa: TID253

from usagectl.delivery.requests import NOBODY_LISTENS, TOO_LATE, Answer, NoAnswerError
from usagectl.endpoint import is_loopback, port_of
from usagectl.errors import UsagectlError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta

    from usagectl.delivery.requests import Post

MAX_DOCUMENT_BYTES = 1024 * 1024
_MAX_REPLY_BYTES = 64 * 1024
_PIECE_BYTES = 64 * 1024
_REASONS: tuple[tuple[type[BaseException], str, bool], ...] = (
    (ssl.SSLCertVerificationError, "its certificate cannot be verified", True),
    (ssl.SSLError, "a TLS connection cannot be made", True),
    (socket.gaierror, "its name cannot be resolved", False),
    (UnicodeError, "its name cannot be resolved", True),
    (ConnectionRefusedError, NOBODY_LISTENS, False),
    (httpx.ProxyError, "the proxy refuses it", False),
    (httpx.TimeoutException, TOO_LATE, False),
    (httpx.LocalProtocolError, "the request cannot be sent as it is", True),
    (httpx.ProtocolError, "what it answers is not HTTP, or ends too soon", False),
    (httpx.InvalidURL, "its URL, or a proxy's, cannot be used", True),
    (httpx.HTTPError, "the connection broke", False),
    (OSError, "the connection broke", False),
    (ImportError, "a SOCKS proxy needs the package httpx[socks]", True),
    (ValueError, "its URL, or a proxy's, cannot be used", True),
)
"""What may be the cause of a failure, in our words, and whether trying again is vain."""


class NotAnsweringError(UsagectlError):
    """A loopback address that gave no useful answer."""

    code = "not-answering"
    exit_status = 1

    def __init__(self, url: str, *, reason: str) -> None:
        super().__init__(f"{url} gave no answer: {reason}.", hint="localstack start -d")


def get_json(url: str, timeout: timedelta) -> dict[str, object]:
    """Ask a loopback address for a JSON object; the time limit is for the whole answer.

    Raises:
        NotAnsweringError: nothing listens, it took too long, or the answer is
            no object or larger than `MAX_DOCUMENT_BYTES`.
    """
    if not is_loopback(url):
        message = "the URL does not name a loopback address"
        raise ValueError(message)
    transport = Transport(url)
    try:
        answer = transport.ask(
            "GET",
            url,
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            deadline=time.monotonic() + timeout.total_seconds(),
            max_bytes=MAX_DOCUMENT_BYTES,
        )
    except NoAnswerError as error:
        raise NotAnsweringError(url, reason=error.reason) from error
    finally:
        transport.close()
    if answer.status // 100 != 2:  # noqa: PLR2004
        raise NotAnsweringError(url, reason=f"status {answer.status}")
    if answer.problem:
        raise NotAnsweringError(url, reason=answer.problem)
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise NotAnsweringError(url, reason="the answer is not JSON") from error
    if not isinstance(document, dict):
        raise NotAnsweringError(url, reason="the answer is no JSON object")
    return document


class Transport:
    """Requests to one endpoint with httpx, over a connection that is kept.

    Proxies and certificates are those of the environment, as httpx reads them; the way
    to this machine passes every proxy by, so that nothing leaves it. Redirects are not
    followed, and no cookie is kept.
    """

    def __init__(self, base: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._base = base
        self._wire = _Wire(clock)
        self._client: httpx.Client | None = None

    def send(self, post: Post, deadline: float) -> Answer:
        """Send a request that carries events and wait for its answer.

        Raises:
            NoAnswerError: there is none before the deadline, an instant of the clock.
        """
        return self.ask("POST", post.url, headers=post.headers, body=post.body, deadline=deadline)

    def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        deadline: float,
        body: bytes = b"",
        max_bytes: int = _MAX_REPLY_BYTES,
    ) -> Answer:
        """Send any request; a status that came before the deadline is an answer.

        Raises:
            NoAnswerError: there is none.
        """
        if self._client is None:
            self._client = self._open()
        self._wire.deadline = deadline
        request = httpx.Request(method, url, headers=dict(headers), content=body)
        try:
            response = self._client.send(request, stream=True)
        except Exception as error:
            raise _explain(error, proxy=self._wire.proxy_before(request.url)) from error
        try:
            return _read(response, max_bytes)
        finally:
            response.close()

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _open(self) -> httpx.Client:
        is_here = is_loopback(self._base)
        is_plain = is_here and self._base.startswith("http:")
        try:
            # Trusts the certificates of SSL_CERT_FILE, where plain http does not need them.
            context = False if is_plain else httpx.create_ssl_context()
            client = httpx.Client(verify=context, trust_env=not is_here, follow_redirects=False)
        except OSError as error:
            reason = "the certificates to trust cannot be read (SSL_CERT_FILE, SSL_CERT_DIR)"
            raise NoAnswerError(reason, is_final=True) from error
        except Exception as error:
            raise _explain(error) from error
        client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._wire.take_over(client)
        return client


def _read(response: httpx.Response, max_bytes: int) -> Answer:
    """Read the body of an answer; what breaks it off does not undo the status."""
    headers = response.headers
    body, problem = b"", ""
    try:
        for piece in response.iter_raw():
            body += piece
            if len(body) > max_bytes:
                problem = f"it is larger than {max_bytes} bytes"
                break
    except Exception as error:  # noqa: BLE001  (a bug is raised again by _explain)
        problem = _explain(error).reason
    return Answer(
        response.status_code,
        body[:max_bytes],
        retry_after=headers.get("retry-after", ""),
        location=headers.get("location", ""),
        problem=problem,
    )


class _Wire:
    """The network as httpcore sees it (its `NetworkBackend`), under one deadline for a request.

    httpx limits the wait for each piece alone: an endpoint whose answer comes in drops
    would hold a `replay --timeout 5` for ever.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.deadline = 0.0
        self._clock = clock
        self._backend: Any = None
        self._peer = ("", 0)

    def take_over(self, client: httpx.Client) -> None:
        """Stand between a client and the network; httpx has no argument for it, httpcore has."""
        transports = (client._transport, *client._mounts.values())  # noqa: SLF001
        for pool in (getattr(each, "_pool", None) for each in transports):
            if pool is not None:
                self._backend = pool._network_backend  # noqa: SLF001
                pool._network_backend = self  # noqa: SLF001

    def left(self) -> float:
        """Count the seconds until the deadline.

        Raises:
            NoAnswerError: it has passed.
        """
        left = self.deadline - self._clock()
        if left <= 0:
            raise NoAnswerError(TOO_LATE)
        return left

    def proxy_before(self, url: httpx.URL) -> str:
        """Name the proxy that the last connection led to, without credentials; empty for none."""
        host, port = self._peer
        there = (url.raw_host.decode("ascii"), port_of(str(url)))
        return "" if not host or (host, port) == there else f"{host}:{port}"

    def connect_tcp(self, host: str, port: int, **rest: Any) -> _Stream:  # noqa: ANN401
        """Connect, name look-up and all, before the deadline."""
        self._peer = (host, port)
        rest["timeout"] = self.left()
        connect = partial(self._backend.connect_tcp, host, port, **rest)
        return _Stream(_connect(connect, self.left()), self.left)


class _Stream:
    """A connection as httpcore sees it (its `NetworkStream`), under the deadline of its request."""

    def __init__(self, stream: Any, left: Callable[[], float]) -> None:  # noqa: ANN401
        self._stream = stream
        self._left = left
        self.close = stream.close
        self.get_extra_info = stream.get_extra_info

    def read(self, max_bytes: int, timeout: object = None) -> Any:  # noqa: ANN401, ARG002
        return self._stream.read(max_bytes, self._left())

    def write(self, buffer: bytes, timeout: object = None) -> None:  # noqa: ARG002
        for start in range(0, len(buffer), _PIECE_BYTES):
            self._stream.write(buffer[start : start + _PIECE_BYTES], self._left())

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str,
        timeout: object = None,  # noqa: ARG002
    ) -> _Stream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._left())
        return _Stream(stream, self._left)


def _connect(connect: Callable[[], Any], seconds: float) -> Any:  # noqa: ANN401
    """Connect in a thread, and leave it there when it is late.

    A name look-up cannot be cut off, not even with Ctrl-C: whoever types a command
    where the name server is dead would wait for the resolver's minute.
    """
    outcome: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
    is_late = threading.Event()

    def work() -> None:
        try:
            stream = connect()
        except BaseException as error:  # noqa: BLE001  (whoever waits raises it)
            outcome.put((None, error))
            return
        outcome.put((stream, None))
        if is_late.is_set():
            stream.close()

    threading.Thread(target=work, daemon=True).start()
    try:
        stream, error = outcome.get(timeout=seconds)
    except queue.Empty:
        is_late.set()
        raise NoAnswerError(TOO_LATE) from None
    if error is not None:
        raise error
    return stream


def _explain(error: Exception, *, proxy: str = "") -> NoAnswerError:
    """Turn what httpx raises into our words; what is no failure of the network stays a bug.

    With a `proxy` it is that one which cannot be reached, or which refuses.
    """
    found = _named(_causes(error))
    if found is None:
        raise error
    if not proxy:
        return found
    told = f"{found.reason}, on the way through the proxy {proxy}"
    if isinstance(error, httpx.ConnectError):
        told = f"the proxy {proxy} cannot be reached: {found.reason}"
    return NoAnswerError(told, is_final=found.is_final)


def _named(causes: list[BaseException]) -> NoAnswerError | None:
    for cause in causes:
        if isinstance(cause, NoAnswerError):
            return cause
    for kind, reason, is_final in _REASONS:
        if any(isinstance(each, kind) for each in causes):
            return NoAnswerError(reason, is_final=is_final)
    return None


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in found:
        found.append(cause)
        cause = cause.__cause__ or cause.__context__
    return found
