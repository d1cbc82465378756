"""The sealed capture: a command in namespaces of its own, where all leads to a recorder.

The recorder is served by this process, outside of the namespaces: a command can neither see it
nor read its key; by a signal to the process group that they share it can end it, and then there
is no answer. The namespace has no interface but loopback.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from usagectl.capture import children, descriptors, load, opened_file
from usagectl.capture.certificates import Authority
from usagectl.capture.connections import Destination
from usagectl.capture.http2 import PROTOCOLS
from usagectl.capture.leading import make_state, variables_when_sealed
from usagectl.capture.names import Names, NameServer
from usagectl.capture.namespace import Namespace
from usagectl.capture.packets import PacketObserver
from usagectl.capture.recorder import Recorder
from usagectl.capture.server import Behaviour
from usagectl.capture.traffic import Traffic
from usagectl.errors import UsagectlError
from usagectl.machine import processes
from usagectl.machine.environment import STATE_DIR_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from usagectl.capture import Options
    from usagectl.capture.file import CaptureFile
    from usagectl.capture.observations import Observation
    from usagectl.capture.records import Arrival
    from usagectl.capture.refusals import Refusal
    from usagectl.machine.environment import Environment

_ORIGINAL_DESTINATION = 80  # SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST, linux/netfilter_ipv4.h.
_QUIET_SECONDS = 0.04
"""What the last process has sent waits in our sockets when it has ended: none is under way."""

_READERS = {"no-http2": "h2", "no-brotli": "brotli", "no-zstandard": "zstandard"}


class SealedCapture:
    """A sealed capture that is under way: its namespace, its file, what came in."""

    def __init__(
        self,
        environment: Environment,
        options: Options,
        file: CaptureFile,
        namespace: Namespace,
        recorder: Recorder,
        state_dir: Path,
    ) -> None:
        self.options = options
        self.file = file
        self.namespace = namespace
        self.killed = 0  # At the end: how many processes of the command had to be ended.
        self.left: tuple[int, ...] = ()  # Nothing of a sealed run can be left.
        self._environment = environment
        self._recorder = recorder
        self._state_dir = state_dir

    @property
    def variables(self) -> Mapping[str, str]:
        """The variables that hand the certificate over, and keep the user's spool away."""
        return {**self.namespace.variables, STATE_DIR_VARIABLE: str(self._state_dir)}

    @property
    def hidden(self) -> tuple[str, ...]:
        """Sockets of daemons in the file system that are hidden from the command."""
        return self.namespace.hidden

    @property
    def lacks(self) -> tuple[str, ...]:
        """Codes of what this run could not record, each a gap that the answer names."""
        found = [code for code, module in _READERS.items() if find_spec(module) is None]
        found += [] if self.namespace.has_redirect else ["no-redirect"]
        return tuple(sorted(found + ([] if self.namespace.has_ipv6 else ["no-ipv6"])))

    def run(self, command: Sequence[str]) -> int:
        """Run a command, wait for late events, return its exit status.

        A signal during the wait ends it; the status is then 128 and its number. A command that
        cannot be run leaves no capture file.

        Raises:
            CommandNotFoundError: no such program.
            CommandNotExecutableError: there is one, but it cannot be started.
        """
        own = variables_when_sealed(
            self._environment.variables, as_if_enabled=self.options.as_if_enabled
        )
        try:
            status = self.namespace.run(command, {**own, **self.variables})
        except UsagectlError:
            self.file.discard()
            raise
        with processes.noting_end(hears_interrupt=True) as ended:
            self.wait_for_late(is_ended=lambda: bool(ended))
        return 128 + ended[0] if ended else status

    def wait_for_late(self, *, is_ended: Callable[[], bool] = lambda: False) -> None:
        """Wait until nothing of a command runs any more, or as long as the options say."""
        children.wait_for_late(
            lambda: not self.namespace.is_empty,
            lambda: self._recorder.is_busy,
            self._count,
            seconds=self.options.grace_seconds,
            quiet_seconds=_QUIET_SECONDS,
            is_ended=is_ended,
            on_wait=self.options.on_wait,
        )

    def _count(self) -> int:
        return self.file.sums.requests + self.file.sums.observed.count()

    def finish(self) -> None:
        """End what still runs in the namespace, and the recording. Finishing twice is fine."""
        self.killed = self.killed or self.namespace.close()
        self._recorder.stop()
        self.file.close()

    @property
    def traffic(self) -> Traffic:
        """All that was to go out so far; what went to the command's own loopback was not."""
        seen = (each for each in self.file.sums.observed if not each.observation.is_own)
        return Traffic(tuple(load(self.file.path)), tuple(seen))


@contextmanager
def opened(
    environment: Environment,
    options: Options,
    *,
    on_arrival: Callable[[Arrival], None] = lambda _arrival: None,
    on_refusal: Callable[[Refusal], None] = lambda _refusal: None,
    on_observed: Callable[[Observation], None] = lambda _observed: None,
    replaced: Mapping[Path, Path] | None = None,
) -> Iterator[SealedCapture]:
    """Open a sealed capture; `on_arrival` is called with each request, in the recorder's thread.

    So is `on_observed` with each new thing that is seen beside them. Commands find other folders
    in place of those that are `replaced`.

    Raises:
        SealUnavailableError: this system refuses a step of it.
        FileExistsAlreadyError: there is such a capture file.
        FileUnwritableError: it cannot be made.
    """
    with ExitStack() as stack:
        heard = opened_file(
            environment,
            options,
            on_arrival=on_arrival,
            on_refusal=on_refusal,
            on_observed=on_observed,
        )
        folder, file = stack.enter_context(heard)
        authority = Authority(protocols=PROTOCOLS)
        state_dir = make_state(folder / "state", environment.state_dir)
        namespace = stack.enter_context(
            Namespace(
                folder,
                authority_pem=authority.pem,
                environment=environment,
                kept=(file.path,),
                replaced=replaced,
            )
        )
        # The namespace is there before, so its commands keep the limit that they would have had.
        stack.enter_context(descriptors.many())
        recorder = stack.enter_context(_recorder(file, namespace, authority, options))
        capture = SealedCapture(environment, options, file, namespace, recorder, state_dir)
        stack.callback(capture.finish)
        yield capture


def _recorder(
    file: CaptureFile, namespace: Namespace, authority: Authority, options: Options
) -> Recorder:
    """Build what serves the sockets of a namespace: requests, look-ups and packets."""
    names = Names()
    sockets = namespace.sockets
    web = sockets.web
    if options.answer == "refuse":  # Then the kernel refuses what connects, and that is observed.
        for each in web:
            each.close()
        web = ()
    server = NameServer(sockets.names, names, file.observe)
    return Recorder(
        file,
        web,
        authority=authority,
        behaviour=Behaviour(answer=options.answer, is_meant=options.is_meant),
        destination=lambda client: _destination(client, names),
        answer_name=server.answer,
        attached=(server, PacketObserver(sockets.packets, names, file.observe)),
    )


def _destination(client: socket.socket, names: Names) -> Destination:
    """Return where a connection was to go, before it was led to the recorder."""
    address, port = _original(client) or client.getsockname()[:2]
    address = address.removeprefix("::ffff:")
    return Destination(names.name_of(address) or address, address, port)


def _original(client: socket.socket) -> tuple[str, int] | None:
    """Return the destination before nft redirected it; None where nothing was redirected."""
    is_ipv6 = client.family == socket.AF_INET6
    level = socket.IPPROTO_IPV6 if is_ipv6 else socket.IPPROTO_IP
    try:
        found = client.getsockopt(level, _ORIGINAL_DESTINATION, 28 if is_ipv6 else 16)
    except OSError:
        return None
    port = int.from_bytes(found[2:4])
    if is_ipv6:
        return socket.inet_ntop(socket.AF_INET6, found[8:24]), port
    return socket.inet_ntop(socket.AF_INET, found[4:8]), port
