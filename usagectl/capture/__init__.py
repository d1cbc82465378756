"""The capture of what a program really sends: file, endpoint on loopback, command, late events."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from usagectl import sensitive
from usagectl.capture import children
from usagectl.capture.file import CaptureFile, Sums
from usagectl.capture.leading import (
    Address,
    address_of,
    leading_variables,
    make_state,
    variables_for_child,
)
from usagectl.capture.reading import Captured, load
from usagectl.capture.records import Arrival, Privacy
from usagectl.capture.refusals import Refusal
from usagectl.capture.server import LOOPBACK, Behaviour, CaptureServer, every_host
from usagectl.errors import UsagectlError
from usagectl.machine import processes
from usagectl.machine.environment import homes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from usagectl.capture.observations import Observation
    from usagectl.capture.server import IsMeant
    from usagectl.machine.environment import Environment

__all__ = [
    "Address",
    "Arrival",
    "Capture",
    "Captured",
    "Options",
    "Refusal",
    "Sums",
    "load",
    "opened",
    "opened_file",
    "privacy_of",
    "variables_for_child",
]


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a capture."""

    file: Path | None = None  # The capture file; None: a temporary one that goes with the capture.
    overwrite: bool = False
    answer: str = "on"  # How the endpoint behaves, see `server.Behaviour`.
    is_meant: IsMeant = every_host  # Which hosts a sealed capture answers so.
    address: str = LOOPBACK
    port: int = 0  # 0: a free one.
    as_if_enabled: bool = False  # Lift the opt-outs of the tools that are led here.
    reveal: bool = False  # Keep tokens, home paths and all headers in clear.
    has_secret: bool = False  # Lead the command here by a path that no other program knows.
    own: tuple[str, ...] = ()  # Hosts that the command is for: a proxy passes them on.
    offline: bool = False  # Whether a proxy passes nothing on.
    grace_seconds: float = 10.0  # The longest wait for what the command leaves running.
    on_wait: Callable[[float], None] = lambda _seconds: None  # Told how long it waits for that.

    @property
    def reaches_containers(self) -> bool:
        """True if a container can post to the endpoint."""
        return bool(address_of(self.address, self.port).container_host)


class Serving(Protocol):
    """What takes the requests of a command in."""

    secret: str  # The first step of its paths; empty without.

    @property
    def port(self) -> int:
        """The port that it listens on."""

    @property
    def is_busy(self) -> bool:
        """True while a request is under way."""

    @property
    def is_stopped(self) -> bool:
        """True once it has stopped serving."""

    def stop(self) -> None:
        """Stop serving."""

    def stop_and_keep(self) -> AbstractContextManager[int]:
        """Stop serving, and keep the port by the descriptor that is given, up to the end."""


class Capture:
    """A capture that is under way: the address of its endpoint, its file, what came in."""

    def __init__(
        self,
        environment: Environment,
        options: Options,
        file: CaptureFile,
        server: Serving,
        state_dir: Path,
    ) -> None:
        self.address = address_of(options.address, server.port, secret=server.secret)
        self.options = options
        self.file = file
        self._environment = environment
        self._server = server
        self._state_dir = state_dir
        self._has_led = self._adopts = False
        self._before: Sequence[int] = ()  # Children of this process that the command is not.
        self.left: tuple[int, ...] = ()  # At the end: what of the command still runs, by number.

    @property
    def variables(self) -> Mapping[str, str]:
        """The variables that lead events here, past every proxy and without the user's spool."""
        variables = self._environment.variables
        return leading_variables(variables, self.address, state_dir=self._state_dir)

    def child_variables(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Build the environment of a captured command."""
        self._has_led = True
        return variables_for_child(
            variables,
            self.address,
            state_dir=self._state_dir,
            as_if_enabled=self.options.as_if_enabled,
        )

    def run(self, command: Sequence[str]) -> int:
        """Run a command against the endpoint, wait for late events, return its exit status.

        A signal during the wait ends it; the status is then 128 and its number. A command that
        cannot be run leaves no capture file.

        Raises:
            CommandNotFoundError: no such program.
            CommandNotExecutableError: there is one, but it cannot be started.
        """
        with children.adopting_orphans() as adopts:
            self._adopts, self._before = adopts, children.own_children()
            try:
                variables = self.child_variables(self._environment.variables)
                status = processes.run_started(lambda: self._start(command, variables))
            except UsagectlError:
                self.file.discard()
                raise
            with processes.noting_end(hears_interrupt=True) as ended:
                self.wait_for_late(adopts=adopts, is_ended=lambda: bool(ended))
        return 128 + ended[0] if ended else status

    def _start(self, command: Sequence[str], variables: Mapping[str, str]) -> processes.Child:
        return processes.start(command, variables)

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
            on_wait=self.options.on_wait,
        )

    def finish(self) -> None:
        """Stop serving; from then on the file is complete. Finishing twice is fine.

        The port is kept as long as something of the command runs.
        """
        if self._server.is_stopped:
            return
        left = self._left_running() if self._has_led else ()
        self.left = tuple(each.number for each in left)
        if not left:
            self._server.stop()
            return
        with self._server.stop_and_keep() as descriptor:
            children.keep_port(descriptor, self.address.port, left)

    def _left_running(self) -> tuple[children.Left, ...]:
        port = self.address.port
        return children.left_running(port, adopts=self._adopts, besides=self._before)


@contextmanager
def opened_file(
    environment: Environment,
    options: Options,
    *,
    on_arrival: Callable[[Arrival], None] = lambda _arrival: None,
    on_refusal: Callable[[Refusal], None] = lambda _refusal: None,
    on_observed: Callable[[Observation], None] = lambda _observed: None,
) -> Iterator[tuple[Path, CaptureFile]]:
    """Make the folder of a run, which goes with it, and open its capture file.

    Raises:
        FileExistsAlreadyError: there is such a file.
        FileUnwritableError: it cannot be made.
    """
    # What the command leaves running may still write into its state.
    with tempfile.TemporaryDirectory(
        prefix="usagectl-capture-", ignore_cleanup_errors=True
    ) as folder:
        file = CaptureFile(
            environment,
            options.file or Path(folder) / "capture.jsonl",
            privacy=privacy_of(environment, reveal=options.reveal),
            on_arrival=on_arrival,
            on_refusal=on_refusal,
            on_observed=on_observed,
            overwrite=options.overwrite,
        )
        try:
            yield Path(folder), file
        finally:
            file.close()


@contextmanager
def opened(
    environment: Environment,
    options: Options,
    *,
    on_arrival: Callable[[Arrival], None] = lambda _arrival: None,
    on_refusal: Callable[[Refusal], None] = lambda _refusal: None,
) -> Iterator[Capture]:
    """Open a capture; `on_arrival` is called with each request, in the server's thread.

    So is `on_refusal` with each that is turned away.

    Raises:
        FileExistsAlreadyError: there is such a file.
        FileUnwritableError: it cannot be made.
        AddressUnavailableError: nothing can listen there.
    """
    with ExitStack() as stack:
        folder, file = stack.enter_context(
            opened_file(environment, options, on_arrival=on_arrival, on_refusal=on_refusal)
        )
        server = stack.enter_context(_server(environment, options, file))
        state_dir = make_state(folder / "state", environment.state_dir)
        capture = Capture(environment, options, file, server, state_dir)
        stack.callback(capture.finish)
        yield capture


def _server(environment: Environment, options: Options, file: CaptureFile) -> CaptureServer:
    return CaptureServer(
        file,
        behaviour=Behaviour(answer=options.answer),
        address=options.address,
        port=options.port,
        secret=environment.entropy(16).hex() if options.has_secret else "",
    )


def privacy_of(environment: Environment, *, reveal: bool) -> Privacy:
    """Return what is withheld on this machine."""
    secrets = sensitive.secrets_of(environment.variables)
    return Privacy(reveal, secrets, homes_of(environment))
