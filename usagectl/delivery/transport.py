"""Own every socket that usagectl opens; the only importer of httpx.

There are two: one question to a LocalStack that runs on this machine, asked by
`preview --live`, and the requests of a delivery. What a request says and what
becomes of its answer is decided elsewhere.
"""

from __future__ import annotations

import json
import os
import queue
import socket
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from usagectl.endpoint import is_loopback
from usagectl.errors import UsagectlError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import timedelta

    import httpx

    from usagectl.delivery.requests import Post

MAX_ANSWER_BYTES = 1024 * 1024
_MAX_REPLY_BYTES = 64 * 1024
NOBODY_LISTENS = "nothing listens there (connection refused)"


class NotAnsweringError(UsagectlError):
    """Tell that nothing useful answered on a loopback address."""

    code = "not-answering"
    exit_status = 1

    def __init__(self, url: str, *, reason: str) -> None:
        super().__init__(f"{url} gave no answer: {reason}.", hint="localstack start -d")


def get_json(url: str, timeout: timedelta) -> dict[str, object]:
    """Ask a loopback address for a JSON object, past proxies and redirects.

    The time limit is for the whole answer: one that comes in drops is cut off too.

    Raises:
        NotAnsweringError: nothing listens, it took too long, or the answer is
            no object or larger than `MAX_ANSWER_BYTES`.
    """
    import httpx  # costs more than a whole status

    _require_loopback(url)
    guard = _Guard(timeout)
    try:
        with httpx.Client(trust_env=False, follow_redirects=False) as client, guard:
            body = _get(client, url, guard)
        if guard.has_cut:  # What was cut off can look like a whole answer.
            raise NotAnsweringError(url, reason="it took too long")
        document = json.loads(body)
    except httpx.HTTPStatusError as error:
        reason = f"status {error.response.status_code}"
        raise NotAnsweringError(url, reason=reason) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        is_late = guard.has_cut or isinstance(error, httpx.TimeoutException)
        reason = "it took too long" if is_late else str(_explain(error))
        raise NotAnsweringError(url, reason=reason) from error
    except (ValueError, RecursionError) as error:
        raise NotAnsweringError(url, reason="the answer is not JSON") from error
    if not isinstance(document, dict):
        raise NotAnsweringError(url, reason="the answer is no JSON object")
    return document


def _get(client: httpx.Client, url: str, guard: _Guard) -> bytes:
    seconds = guard.timeout.total_seconds()
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    watched = {"trace": guard.watch}
    with client.stream("GET", url, headers=headers, timeout=seconds, extensions=watched) as answer:
        answer.raise_for_status()
        body = b""
        for chunk in answer.iter_raw():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise NotAnsweringError(url, reason=f"it is larger than {MAX_ANSWER_BYTES} bytes")
    return body


class _Guard:
    """Cut a connection off after a while, whatever it is doing.

    httpx limits the wait for each piece of an answer, never the whole of it.
    """

    def __init__(self, timeout: timedelta) -> None:
        self.timeout = timeout
        self.has_cut = False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(timeout.total_seconds(), self._cut)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def watch(self, event: str, info: dict[str, Any]) -> None:
        """Take hold of the socket once it is connected (httpx calls this at each step)."""
        if event == "connection.connect_tcp.complete":
            self._socket = info["return_value"].get_extra_info("socket")
            if self.has_cut:  # The time was up before there was anything to cut.
                self._cut()

    def _cut(self) -> None:
        self.has_cut = True
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:  # It was over by itself.
                return


def _require_loopback(url: str) -> None:
    if not is_loopback(url):
        message = "the URL does not name a loopback address"
        raise ValueError(message)


class Answer(NamedTuple):
    """Hold what an endpoint answered.

    Attributes:
        status: the HTTP status.
        body: the first bytes of the body, at most 64 KiB; empty where it did not come in time.
        retry_after: the header of that name, else empty.
        location: where a redirect leads, else empty.
    """

    status: int
    body: bytes = b""
    retry_after: str = ""
    location: str = ""


class NoAnswerError(Exception):
    """Tell that a request got no answer.

    Attributes:
        reason: why, in a few words that hold no value of an event.
        is_final: whether asking again cannot help.
    """

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_final = is_final


class Exchange(Protocol):
    """Be a request that is under way."""

    def result(self) -> Answer:
        """Wait for the answer, until the request's deadline at most.

        Raises:
            NoAnswerError: there is none.
        """


class Transport(Protocol):
    """Be what hands requests over."""

    def start(self, post: Post, *, deadline: float) -> Exchange:
        """Begin a request; it is given up at the deadline, an instant of the transport's clock."""

    def close(self) -> None:
        """Close the connection."""


class HttpxTransport:
    """Hand requests over with httpx, each within its deadline, whatever it hangs in.

    The work is done in a thread of its own: looking up a name cannot be cut
    off, so a request that is late is left behind there. It then sends nothing any
    more. Proxies and certificates are those of the environment, as httpx reads
    them; `uses_proxies=False` is for the way to this machine, so that nothing leaves
    it, `uses_tls=False` for plain http past every proxy. Redirects are not followed,
    and no cookie is kept.
    """

    def __init__(
        self,
        *,
        uses_proxies: bool = True,
        uses_tls: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._uses_proxies = uses_proxies
        self._uses_tls = uses_tls
        self._clock = clock
        self._waiting: queue.SimpleQueue[_HttpxExchange | None] | None = None

    def start(self, post: Post, *, deadline: float) -> _HttpxExchange:
        """Begin a request."""
        if self._waiting is None:
            self._waiting = queue.SimpleQueue()
            worker = threading.Thread(target=self._work, args=(self._waiting,), daemon=True)
            worker.start()
        exchange = _HttpxExchange(
            post, deadline=deadline, clock=self._clock, on_late=self._leave_behind
        )
        self._waiting.put(exchange)
        return exchange

    def close(self) -> None:
        """Close the connection."""
        self._leave_behind()

    def _leave_behind(self) -> None:
        if self._waiting is not None:
            self._waiting.put(None)
            self._waiting = None

    def _work(self, waiting: queue.SimpleQueue[_HttpxExchange | None]) -> None:
        try:
            way = self._open_way()
        except Exception as error:  # noqa: BLE001  (whoever waits for an answer raises it)
            problem = _explain(error)
            if isinstance(error, OSError):  # Nothing was connected to yet.
                reason = "the certificates to trust cannot be read (SSL_CERT_FILE, SSL_CERT_DIR)"
                problem = NoAnswerError(reason, is_final=True)
            while (exchange := waiting.get()) is not None:
                exchange.finish(problem)
            return
        with closing(way):
            connection = _Connection()
            while (exchange := waiting.get()) is not None:
                exchange.run(way.send, connection)

    def _open_way(self) -> _DirectWay | _ProxiedWay:
        return _ProxiedWay() if self._uses_proxies else _DirectWay(uses_tls=self._uses_tls)


class _DirectWay:
    """Be the way past every proxy: httpx's own transport, which knows no cookie and no redirect."""

    def __init__(self, *, uses_tls: bool) -> None:
        import ssl

        import httpx  # costs more than a whole status

        # Without certificates nothing is trusted; loading them takes longer than a request.
        trust = True if uses_tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._transport = httpx.HTTPTransport(verify=trust, limits=_one_connection())
        self.send = self._transport.handle_request
        self.close = self._transport.close


class _ProxiedWay:
    """Be the way through the proxies of the environment, where there are any."""

    def __init__(self) -> None:
        from http.cookiejar import DefaultCookiePolicy

        import httpx  # costs more than a whole status

        self._client = httpx.Client(follow_redirects=False, limits=_one_connection())
        self._client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.close = self._client.close

    def send(self, request: httpx.Request) -> httpx.Response:
        return self._client.send(request, stream=True)


def _one_connection() -> httpx.Limits:
    import httpx

    return httpx.Limits(max_connections=1, max_keepalive_connections=1)


class _Connection:
    """Know the socket of the one connection, so that it can be cut off."""

    def __init__(self) -> None:
        self.socket: socket.socket | None = None
        self.proxy = ""
        """Which variable names the proxy that it leads to; empty where it leads to the endpoint."""
        self.is_kept = False
        """Whether the next request goes over it: then nothing needs to be watched."""

    def cut(self) -> None:
        if self.socket is not None:
            try:
                self.socket.shutdown(socket.SHUT_RDWR)
            except OSError:  # It was over by itself.
                return


class _HttpxExchange:
    """Be one request in the worker's hands."""

    def __init__(
        self,
        post: Post,
        *,
        deadline: float,
        clock: Callable[[], float],
        on_late: Callable[[], None],
    ) -> None:
        self._post = post
        self._deadline = deadline
        self._clock = clock
        self._on_late = on_late
        self._outcome: queue.SimpleQueue[Answer | Exception] = queue.SimpleQueue()
        self._connection: _Connection | None = None
        self._is_given_up = False
        self._answer: Answer | None = None

    def result(self) -> Answer:
        """Wait for the answer; a status that came before the deadline counts."""
        try:
            outcome = self._outcome.get(timeout=max(self._deadline - self._clock(), 0))
        except queue.Empty:
            outcome = self._give_up()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _give_up(self) -> Answer | Exception:
        self._is_given_up = True
        if self._connection is not None:
            self._connection.cut()
        self._on_late()
        return self._answer or NoAnswerError(f"it did not answer in time{_by_way_of(self._proxy)}")

    @property
    def _proxy(self) -> str:
        return self._connection.proxy if self._connection is not None else ""

    def finish(self, outcome: Answer | Exception) -> None:
        """Hand the outcome to whoever waits."""
        self._outcome.put(outcome)

    def run(self, send: Callable[[httpx.Request], httpx.Response], connection: _Connection) -> None:
        """Carry the request out; called in the worker."""
        self._connection = connection
        try:
            self.finish(self._exchange(send))
        except Exception as error:  # noqa: BLE001  (whoever waits for the answer raises it)
            self.finish(self._answer or _explain(error, proxy=self._proxy))

    def _exchange(self, send: Callable[[httpx.Request], httpx.Response]) -> Answer:
        import httpx

        seconds = max(self._deadline - self._clock(), 0.001)
        connection = self._connection
        is_watched = connection is None or not connection.is_kept
        timeout = httpx.Timeout(seconds).as_dict()
        watched = {"trace": self._watch} if is_watched else {}
        request = httpx.Request(
            "POST",
            self._post.url,
            headers=dict(self._post.headers),
            content=self._body(),
            extensions={"timeout": timeout, **watched},
        )
        if connection is not None:
            connection.is_kept = False
        response = send(request)
        try:
            headers = response.headers
            self._answer = Answer(
                response.status_code,
                retry_after=headers.get("retry-after", ""),
                location=headers.get("location", ""),
            )
            answer = self._answer._replace(body=_read_reply(response))
        finally:
            response.close()
        if connection is not None:
            connection.is_kept = headers.get("connection", "").lower() != "close"
        return answer

    def _body(self) -> Iterator[bytes]:
        """Give the body, unless the request was given up meanwhile: then it must not go out."""
        self._stop_if_given_up()
        yield self._post.body

    def _stop_if_given_up(self) -> None:
        if self._is_given_up:
            raise NoAnswerError("it was given up")

    def _watch(self, event: str, info: dict[str, Any]) -> None:
        """Stop what was given up before it sends, and know where a new connection leads."""
        is_connected = event.endswith(("connect_tcp.complete", "start_tls.complete"))
        if self._is_given_up and is_connected:
            info["return_value"].close()  # Nobody else knows of it yet.
        self._stop_if_given_up()
        if self._connection is None:
            return
        if event.endswith("connect_tcp.started"):
            self._connection.proxy = _proxy_between(self._post.url, info["host"], info["port"])
        elif is_connected:
            self._connection.socket = info["return_value"].get_extra_info("socket")


def _read_reply(response: httpx.Response) -> bytes:
    body = b""
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > _MAX_REPLY_BYTES:
            return body[:_MAX_REPLY_BYTES]
    return body


def _proxy_between(url: str, host: str, port: int) -> str:
    """Name the variable of the proxy that a connection leads to; empty where it is no proxy's.

    A proxy's address may hold credentials: it is never given away.
    """
    import httpx

    there = httpx.URL(url)
    usual = 443 if there.scheme == "https" else 80
    if (host, port) == (there.raw_host.decode("ascii"), there.port or usual):
        return ""
    return _proxy_variable(there.scheme, "all") or "the system's settings"


def _proxy_variable(*schemes: str, beginning: str = "") -> str:
    """Name the first variable that names a proxy for one of the schemes, as httpx reads them."""
    from urllib.request import getproxies  # none but a failed request asks

    found = getproxies()
    for scheme in schemes:
        if found.get(scheme, "").lower().startswith(beginning) and found.get(scheme):
            names = [name for name in os.environ if name.lower() == f"{scheme}_proxy"]
            return max(names, default="")  # Of both spellings the lower-case one counts.
    return ""


def _by_way_of(proxy: str) -> str:
    return f", on the way through the proxy that {proxy} names" if proxy else ""


def _explain(error: Exception, *, proxy: str = "") -> Exception:
    """Turn what httpx raises into our words; what is no failure of the network stays a bug.

    With a `proxy` it is that one which cannot be reached, or which refuses.
    """
    import ssl

    import httpx

    if isinstance(error, NoAnswerError):
        return error
    socks = _proxy_variable("all", "https", "http", beginning="socks")
    if isinstance(error, ImportError) and socks:  # For such a proxy httpx needs one more package.
        reason = f"{socks} names a SOCKS proxy, which needs the package httpx[socks]"
        return NoAnswerError(reason, is_final=True)
    causes = _causes(error)
    for kind, reason, is_final in _reasons():
        if any(isinstance(each, kind) for each in causes):
            told = f"{reason}{_by_way_of(proxy)}"
            is_unmet = isinstance(error, httpx.ConnectError) and not issubclass(kind, ssl.SSLError)
            if proxy and is_unmet:
                told = f"the proxy that {proxy} names cannot be reached: {reason}"
            return NoAnswerError(told, is_final=is_final)
    return error


def _reasons() -> tuple[tuple[type[BaseException], str, bool], ...]:
    """List what may be the cause of a failure, in our words, and whether trying again is vain."""
    import ssl

    import httpx

    return (
        (ssl.SSLCertVerificationError, "its certificate cannot be verified", True),
        (ssl.SSLError, "a TLS connection cannot be made", True),
        (socket.gaierror, "its name cannot be resolved", False),
        (UnicodeError, "its name cannot be resolved", True),
        (ConnectionRefusedError, NOBODY_LISTENS, False),
        (httpx.ProxyError, "the proxy refuses it", False),
        (httpx.TimeoutException, "it did not answer in time", False),
        (httpx.LocalProtocolError, "the request cannot be sent as it is", True),
        (httpx.ProtocolError, "what it answers is not HTTP, or ends too soon", False),
        (httpx.InvalidURL, "its URL, or a proxy's, cannot be used", True),
        (httpx.HTTPError, "the connection broke", False),
        (OSError, "the connection broke", False),
        (ValueError, "its URL, or a proxy's, cannot be used", True),
    )


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in found:
        found.append(cause)
        cause = cause.__cause__ or cause.__context__
    return found
