"""Own every socket that usagectl opens; the only importer of httpx.

So far that is one question to a LocalStack that runs on this machine, asked
only by `preview --live`.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import threading
from typing import TYPE_CHECKING, Any

from usagectl.errors import UsagectlError

if TYPE_CHECKING:
    from datetime import timedelta

    import httpx

MAX_ANSWER_BYTES = 1024 * 1024


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
        reason = "it took too long" if is_late else type(error).__name__
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
    from urllib.parse import urlsplit

    host = urlsplit(url).hostname or ""
    if not ipaddress.ip_address(host).is_loopback:
        message = f"{host} is not a loopback address"
        raise ValueError(message)
