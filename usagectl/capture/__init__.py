"""The capture of what a program really sends: file, endpoint on loopback, command, late events."""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from usagectl import sensitive
from usagectl.capture import children
from usagectl.capture.file import CaptureFile, Sums
from usagectl.capture.records import Arrival, Captured, Privacy, load
from usagectl.capture.server import LOOPBACK, Behaviour, CaptureServer, can_bind
from usagectl.machine import processes, runners

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from usagectl.machine.environment import Environment

__all__ = [
    "Address",
    "Arrival",
    "Capture",
    "Captured",
    "Options",
    "Sums",
    "load",
    "opened",
    "variables_for_child",
]

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_PROXIES_TO_EVERYTHING = (
    "OUTBOUND_HTTP_PROXY",
    "OUTBOUND_HTTPS_PROXY",
    # LocalStack's command line hands these on, and its container takes the prefix off.
    "LOCALSTACK_OUTBOUND_HTTP_PROXY",
    "LOCALSTACK_OUTBOUND_HTTPS_PROXY",
)
_LIFTED = {"DISABLE_EVENTS": "0", "LOCALSTACK_DISABLE_EVENTS": "0", "USAGECTL_TELEMETRY": "on"}
_DOCKER_BRIDGE = "172.17.0.1"
_DOCKER_DESKTOP = "host.docker.internal"


class Address(NamedTuple):
    """Address of the endpoint, as programs use it."""

    port: int
    host: str = "127.0.0.1"  # Its host for a program on this machine.
    container_host: str = ""  # Its host for a container; empty if that cannot reach it.


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a capture."""

    file: Path | None = None  # The capture file; None: a temporary one that goes with the capture.
    overwrite: bool = False
    answer: str = "on"  # How the endpoint behaves, see `server.Behaviour`.
    address: str = LOOPBACK
    port: int = 0  # 0: a free one.
    as_if_enabled: bool = False  # Lift every opt-out for the command.
    reveal: bool = False  # Keep tokens and all headers in clear.
    grace_seconds: float = 10.0  # The longest wait for what the command leaves running.

    @property
    def reaches_containers(self) -> bool:
        """True if a container can post to the endpoint."""
        return bool(address_of(self.address, self.port).container_host)


class Capture:
    """A capture that is under way: the address of its endpoint, its file, what came in."""

    def __init__(
        self, environment: Environment, options: Options, file: CaptureFile, server: CaptureServer
    ) -> None:
        self.address = address_of(options.address, server.port)
        self.options = options
        self.file = file
        self._environment = environment
        self._server = server

    @property
    def variables(self) -> Mapping[str, str]:
        """The variables that lead events here, past every proxy."""
        return leading_variables(self._environment.variables, self.address)

    def child_variables(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Build the environment of a captured command."""
        is_lifted = self.options.as_if_enabled
        return variables_for_child(variables, self.address, as_if_enabled=is_lifted)

    def run(self, command: Sequence[str]) -> int:
        """Run a command against the endpoint, wait for late events, return its exit status.

        A signal during the wait ends it; the status is then 128 and its number.

        Raises:
            CommandNotFoundError: no such program.
            CommandNotExecutableError: there is one, but it cannot be started.
        """
        with children.adopting_orphans() as adopts:
            status = processes.run_child(command, self.child_variables(self._environment.variables))
            with processes.noting_end() as ended:
                self.wait_for_late(adopts=adopts, is_ended=lambda: bool(ended))
        return 128 + ended[0] if ended else status

    def wait_for_late(
        self, *, adopts: bool = False, is_ended: Callable[[], bool] = lambda: False
    ) -> None:
        """Wait until nothing of a command runs any more, or as long as the options say."""
        children.wait_for_late(
            lambda: children.has_descendants(self.address.port, adopts=adopts),
            lambda: self._server.is_busy,
            lambda: self.file.sums.requests,
            seconds=self.options.grace_seconds,
            is_ended=is_ended,
        )

    def finish(self) -> None:
        """Stop serving; from then on the file is complete."""
        self._server.stop()


@contextmanager
def opened(
    environment: Environment,
    options: Options,
    *,
    on_arrival: Callable[[Arrival], None] = lambda _arrival: None,
) -> Iterator[Capture]:
    """Open a capture; `on_arrival` is called with each request, in the server's thread.

    Raises:
        FileExistsAlreadyError: there is such a file.
        FileUnwritableError: it cannot be made.
        AddressUnavailableError: nothing can listen there.
    """
    with ExitStack() as stack:
        path = options.file
        if path is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="usagectl-capture-"))
            path = Path(folder) / "capture.jsonl"
        file = CaptureFile(
            environment,
            path,
            privacy=Privacy(options.reveal, sensitive.secrets_of(environment.variables)),
            on_arrival=on_arrival,
            overwrite=options.overwrite,
        )
        stack.callback(file.close)
        server = CaptureServer(
            file,
            behaviour=Behaviour(answer=options.answer),
            address=options.address,
            port=options.port,
        )
        stack.enter_context(server)
        yield Capture(environment, options, file, server)


def address_of(listening: str, port: int) -> Address:
    """Return how programs on this machine and in containers name a listening address."""
    if listening in ("0.0.0.0", "::"):  # noqa: S104  (that is what was asked for)
        is_desktop = sys.platform != "linux" or not can_bind(_DOCKER_BRIDGE)
        return Address(
            port,
            LOOPBACK if listening == "0.0.0.0" else "::1",  # noqa: S104
            _DOCKER_DESKTOP if is_desktop else _DOCKER_BRIDGE,
        )
    is_loopback = listening in (LOOPBACK, "localhost", "::1") or listening.startswith("127.")
    return Address(port, listening, "" if is_loopback else listening)


def leading_variables(variables: Mapping[str, str], address: Address) -> dict[str, str]:
    """List the variables that lead each tool's events to an endpoint (facts, parts 1 and 5).

    A container cannot reach the host's loopback: without an address for it, its
    events go to its own loopback and end there, instead of reaching LocalStack.
    `NO_PROXY` keeps proxies away from loopback. LocalStack applies its own two to
    loopback as well, so these are empty: that also wins over a profile file.
    """
    known = f"{variables.get('no_proxy', '')},{variables.get('NO_PROXY', '')}".split(",")
    hosts = [each.strip() for each in known if each.strip()]
    hosts = ["*"] if "*" in hosts else [*hosts, *_LOOPBACK_NAMES, address.host]
    exceptions = ",".join(dict.fromkeys(hosts))
    base = _base(address.host, address.port)
    return {
        "ANALYTICS_API": base,
        "LOCALSTACK_ANALYTICS_API": _base(address.container_host or address.host, address.port),
        "LSTK_ANALYTICS_ENDPOINT": f"{base}/events",
        "NO_PROXY": exceptions,
        "no_proxy": exceptions,
        **dict.fromkeys(_PROXIES_TO_EVERYTHING, ""),
    }


def _base(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"


def variables_for_child(
    variables: Mapping[str, str], address: Address, *, as_if_enabled: bool = False
) -> dict[str, str]:
    """Build the environment of a captured command: what people run is in no test runner.

    With `as_if_enabled`, variables lift every opt-out: each client reads them before its
    files.
    """
    given = runners.without(variables)
    found = {**given, **leading_variables(given, address), children.MARK: str(address.port)}
    if as_if_enabled:
        found.pop("DO_NOT_TRACK", None)
        found.update(_LIFTED)
    return found
