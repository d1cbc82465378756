"""The capture by a proxy on loopback, for commands that need the network; no proof of silence."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import cache
from typing import TYPE_CHECKING

from usagectl.capture import Capture, children, descriptors, hosts, opened_file, trust
from usagectl.capture.certificates import Authority
from usagectl.capture.connections import Destination
from usagectl.capture.forwarding import Forwarder, Upstream
from usagectl.capture.http2 import PROTOCOLS
from usagectl.capture.leading import PROXIES, make_state, variables_when_sealed
from usagectl.capture.recorder import Recorder
from usagectl.capture.server import LOOPBACK, Behaviour, bind
from usagectl.machine.environment import STATE_DIR_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from usagectl.capture import Options
    from usagectl.capture.file import CaptureFile
    from usagectl.capture.observations import Observation
    from usagectl.capture.records import Arrival
    from usagectl.capture.refusals import Refusal
    from usagectl.machine import processes
    from usagectl.machine.environment import Environment

_NEVER = "localhost,127.0.0.1,::1"
_SCRIPT_VARIABLES = {"NODE_USE_ENV_PROXY": "1"}
"""Node's own fetch heeds the variables of a proxy only with this (Node.js 24)."""


class ProxyCapture(Capture):
    """A capture whose command is told to use a proxy; a program may pass that by."""

    hidden: tuple[str, ...] = ()
    killed = 0
    lacks: tuple[str, ...] = ()

    def __init__(
        self,
        environment: Environment,
        options: Options,
        file: CaptureFile,
        server: Recorder,
        state_dir: Path,
        *,
        trusted: Mapping[str, str],
        limits: descriptors.Limits,
    ) -> None:
        super().__init__(environment, options, file, server, state_dir)
        self._trusted = trusted
        self._limits = limits  # Those of the command, which this process has raised for itself.

    @property
    def variables(self) -> Mapping[str, str]:
        """The variables that lead a program to the proxy, and hand its certificate over."""
        return {
            **dict.fromkeys(PROXIES, self.address.url()),
            **dict.fromkeys(("NO_PROXY", "no_proxy"), _NEVER),
            **_SCRIPT_VARIABLES,
            **self._trusted,
            STATE_DIR_VARIABLE: str(self._state_dir),
        }

    def child_variables(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Build the environment of a command."""
        self._has_led = True
        # What is switched on here would be sent to hosts that are not caught.
        own = variables_when_sealed(variables, as_if_enabled=self.options.offline)
        mark = {children.MARK: str(self.address.port)}
        return {
            **(own if self.options.as_if_enabled else dict(variables)),
            **self.variables,
            **mark,
        }

    def _start(self, command: Sequence[str], variables: Mapping[str, str]) -> processes.Child:
        with descriptors.within(self._limits):
            return super()._start(command, variables)


@contextmanager
def opened(
    environment: Environment,
    options: Options,
    *,
    on_arrival: Callable[[Arrival], None] = lambda _arrival: None,
    on_refusal: Callable[[Refusal], None] = lambda _refusal: None,
    on_observed: Callable[[Observation], None] = lambda _observed: None,
) -> Iterator[ProxyCapture]:
    """Open a capture by a proxy; the functions are called in the recorder's thread.

    Raises:
        FileExistsAlreadyError: there is such a capture file.
        FileUnwritableError: it cannot be made.
        AddressUnavailableError: nothing can listen there.
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
        limits = stack.enter_context(descriptors.many())
        recorder = stack.enter_context(_recorder(environment, options, file, authority))
        trusted = _trusted(authority, environment, folder)
        state_dir = make_state(folder / "state", environment.state_dir)
        capture = ProxyCapture(
            environment, options, file, recorder, state_dir, trusted=trusted, limits=limits
        )
        stack.callback(capture.finish)
        yield capture


def _recorder(
    environment: Environment, options: Options, file: CaptureFile, authority: Authority
) -> Recorder:
    listening = bind(options.address, options.port)
    listening.listen()
    known = hosts.known(own=options.own)

    @cache
    def passes(host: str) -> bool:
        if not host or options.offline:
            return False
        return known.is_own(host) or not known.is_telemetry(host)

    upstream = next(
        (environment.variables[each] for each in PROXIES if environment.variables.get(each)), ""
    )
    forwarder = Forwarder(
        passes, file.observe, upstream=Upstream.from_url(upstream) if upstream else None
    )
    return Recorder(
        file,
        [listening],
        authority=authority,
        behaviour=Behaviour(answer=options.answer),
        destination=lambda _client: Destination("", LOOPBACK, 80),
        forwarder=forwarder,
    )


def _trusted(authority: Authority, environment: Environment, folder: Path) -> Mapping[str, str]:
    """Write bundles with the authority's certificate; return the variables that name them."""
    planned = trust.plan(
        authority.pem.decode(), environment.variables, folder=folder, is_mounted=False
    )
    for name, text in planned.files.items():
        (folder / name).write_text(text, encoding="utf-8", errors="surrogateescape")
    return planned.variables
