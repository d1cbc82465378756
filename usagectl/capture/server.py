"""The server of a capture: its socket, and a thread that serves it with uvicorn.

It listens on loopback unless another address is asked for. The number of connections is
bounded by the system alone: whoever was turned away for it could not be recorded, and
the silence of the rest would prove nothing.
"""

from __future__ import annotations

import errno
import logging
import socket
import threading
from typing import TYPE_CHECKING, Self

from usagectl.capture.app import Behaviour, CaptureApp
from usagectl.errors import UsagectlError
from usagectl.machine.files import reason_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    import uvicorn

    from usagectl.capture.file import CaptureFile

LOOPBACK = "127.0.0.1"

_MAX_HEADER_BYTES = 64 * 1024
_BACKLOG = 1024
_IDLE_SECONDS = 75


class AddressUnavailableError(UsagectlError):
    """The capture endpoint cannot listen where it should."""

    code = "address-unavailable"
    exit_status = 3

    def __init__(self, address: str, port: int, *, reason: str, is_taken: bool = False) -> None:
        where = f"{address}, port {port}" if port else address
        super().__init__(
            f"Nothing can listen on {where}: {reason}.",
            hint="usagectl capture --port 0" if is_taken else "usagectl capture --bind 127.0.0.1",
        )


class CaptureServer:
    """A capture endpoint that is served in a thread, from `with` to its end.

    Args:
        file: the capture file that requests go to; closed at the end.
        behaviour: how it answers.
        address: the address to listen on.
        port: the port to listen on; 0 takes a free one.

    Raises:
        AddressUnavailableError: nothing can listen there.
    """

    def __init__(
        self,
        file: CaptureFile,
        *,
        behaviour: Behaviour = Behaviour(),  # noqa: B008  (a frozen value)
        address: str = LOOPBACK,
        port: int = 0,
    ) -> None:
        self._file = file
        self._behaviour = behaviour._replace(host="" if address == LOOPBACK else address)
        self._app = CaptureApp(file, self._behaviour)
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._socket = _bind(address, port)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._socket.getsockname()[1])

    @property
    def is_busy(self) -> bool:
        """True while a request is under way."""
        return self._app.open_requests > 0

    def __enter__(self) -> Self:
        """Begin to serve; return once a client can connect."""
        if self._behaviour.answer == "refuse":  # Bound, so that nobody else takes the port.
            return self
        self._socket.listen(_BACKLOG)
        self._server = _build_server(self._app, self._file.refuse)
        self._thread = threading.Thread(target=self._serve, name="usagectl-capture", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop serving."""
        self.stop()

    def stop(self) -> None:
        """Stop serving, and store each request whose body has come; stopping twice is fine."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(timeout=5)
        self._socket.close()
        self._file.close()

    def _serve(self) -> None:
        import asyncio

        if self._server is not None:
            asyncio.run(self._server.serve(sockets=[self._socket]))


def _bind(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        made = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise AddressUnavailableError(address, port, reason=_reason(error)) from error
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
    except OSError as error:
        made.close()
        is_taken = error.errno == errno.EADDRINUSE
        raise AddressUnavailableError(
            address, port, reason=_reason(error), is_taken=is_taken
        ) from error
    return made


def can_bind(address: str) -> bool:
    """True if an address is one of this machine's."""
    try:
        _bind(address, 0).close()
    except AddressUnavailableError:
        return False
    return True


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program listens there"
    return reason_of(error)


def _build_server(app: CaptureApp, on_garbage: Callable[[], None]) -> uvicorn.Server:
    import uvicorn

    config = uvicorn.Config(
        app,
        http=_counting_protocol(on_garbage),
        ws="none",
        loop="asyncio",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level=logging.CRITICAL + 1,  # stderr is the command's, and the answer's
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=_MAX_HEADER_BYTES,
        backlog=_BACKLOG,
    )
    return uvicorn.Server(config)


def _counting_protocol(on_garbage: Callable[[], None]) -> type[asyncio.Protocol]:
    """Build uvicorn's HTTP protocol with a count of what it turns away itself."""
    import h11
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class CountingProtocol(H11Protocol):
        """A connection that reports what is not HTTP, and half the head of a request."""

        def send_400_response(self, msg: str) -> None:
            on_garbage()
            super().send_400_response(msg)

        def connection_lost(self, exc: Exception | None) -> None:
            if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
                on_garbage()
            super().connection_lost(exc)

    return CountingProtocol
