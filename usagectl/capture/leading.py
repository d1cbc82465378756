"""What leads a command to a capture: its address, its variables, and a state of its own."""

from __future__ import annotations

import shutil
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from usagectl import catalogue, endpoint
from usagectl.capture import children
from usagectl.capture.server import LOOPBACK, can_bind
from usagectl.machine import runners
from usagectl.machine.environment import STATE_DIR_VARIABLE
from usagectl.tools import opt_outs
from usagectl.tools.instrumented_rules import LIFTED_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_PROXIES_TO_EVERYTHING = (
    "OUTBOUND_HTTP_PROXY",
    "OUTBOUND_HTTPS_PROXY",
    # LocalStack's command line hands these on, and its container takes the prefix off.
    "LOCALSTACK_OUTBOUND_HTTP_PROXY",
    "LOCALSTACK_OUTBOUND_HTTPS_PROXY",
)
PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
"""Variables that lead programs to a proxy."""

_LEADING_TO_PROXIES = {*map(str.lower, PROXIES), "npm_config_proxy", "npm_config_https_proxy"}

_LIFTED = {
    "DISABLE_EVENTS": "0",
    "LOCALSTACK_DISABLE_EVENTS": "0",
    "USAGECTL_TELEMETRY": "on",
    LIFTED_VARIABLE: "1",
}
"""What lifts the opt-outs of tools that are led to a capture; of no others, which would send."""

_DOCKER_BRIDGE = "172.17.0.1"
_DOCKER_DESKTOP = "host.docker.internal"

_SHARED_STATE = ("tools", "machine-ids", "first-run*")
"""What a command finds in its own state too: who it is, and which remarks it has made."""


class Address(NamedTuple):
    """Address of the endpoint, as programs use it."""

    port: int
    host: str = "127.0.0.1"  # Its host for a program on this machine.
    container_host: str = ""  # Its host for a container; empty if that cannot reach it.
    secret: str = ""  # The first step of its paths, which no other program knows; empty without.

    def url(self, host: str = "") -> str:
        """Return its URL, without a slash at the end; for a container with another host."""
        host = host or self.host
        step = f"/{self.secret}" if self.secret else ""
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}{step}"


def address_of(listening: str, port: int, *, secret: str = "") -> Address:
    """Return how programs on this machine and in containers name a listening address."""
    if listening in ("0.0.0.0", "::"):  # noqa: S104  (that is what was asked for)
        is_desktop = sys.platform != "linux" or not can_bind(_DOCKER_BRIDGE)
        return Address(
            port,
            LOOPBACK if listening == "0.0.0.0" else "::1",  # noqa: S104
            _DOCKER_DESKTOP if is_desktop else _DOCKER_BRIDGE,
            secret,
        )
    is_loopback = listening in (LOOPBACK, "localhost", "::1") or listening.startswith("127.")
    return Address(port, listening, "" if is_loopback else listening, secret)


def make_state(folder: Path, users: Path | None) -> Path:
    """Make a state folder for a captured command, and return it.

    With the user's own, a command that may send would deliver to the capture what waits
    there, and its author would never get it.
    """
    folder.mkdir(mode=0o700)
    for found in (each for name in _SHARED_STATE if users for each in users.glob(name)):
        with suppress(OSError, shutil.Error):  # What cannot be read is made anew.
            if found.is_dir():
                shutil.copytree(found, folder / found.name)
            else:
                shutil.copy(found, folder / found.name)
    return folder


def leading_variables(
    variables: Mapping[str, str], address: Address, *, state_dir: Path | None = None
) -> dict[str, str]:
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
    base = f"{address.url()}/v1"
    return {
        "ANALYTICS_API": base,
        "LOCALSTACK_ANALYTICS_API": f"{address.url(address.container_host)}/v1",
        "LSTK_ANALYTICS_ENDPOINT": f"{base}/events",
        "NO_PROXY": exceptions,
        "no_proxy": exceptions,
        **dict.fromkeys(_PROXIES_TO_EVERYTHING, ""),
        **({STATE_DIR_VARIABLE: str(state_dir)} if state_dir else {}),
    }


def variables_for_child(
    variables: Mapping[str, str],
    address: Address,
    *,
    state_dir: Path | None = None,
    as_if_enabled: bool = False,
) -> dict[str, str]:
    """Build the environment of a captured command: what people run is in no test runner.

    With `as_if_enabled`, variables lift the opt-outs of the tools that are led here: each
    client reads them before its files. `DO_NOT_TRACK` stays, for all that a command starts.
    """
    leading = leading_variables(variables, address, state_dir=state_dir)
    found = {**runners.without(variables), **leading, children.MARK: str(address.port)}
    return {**found, **_LIFTED} if as_if_enabled else found


def variables_when_sealed(
    variables: Mapping[str, str], *, as_if_enabled: bool = False
) -> dict[str, str]:
    """Build the environment of a sealed command: the user's own, in no test runner.

    A proxy is left out, and what leads a tool's telemetry to this machine: neither is there for
    the command, which would then ask for no host at all, and its silence would prove nothing.

    With `as_if_enabled` every opt-out variable of every known tool is lifted, `DO_NOT_TRACK`
    too: nothing can leave.
    """
    own = runners.without(variables)
    here = _leading_here(own)
    found = {
        name: value
        for name, value in own.items()
        if name.lower() not in _LEADING_TO_PROXIES and name not in here
    }
    if not as_if_enabled:
        return found
    silencing = opt_outs.silencing(found)
    return {**{name: v for name, v in found.items() if name not in silencing}, **_LIFTED}


def _leading_here(variables: Mapping[str, str]) -> set[str]:
    """Name the variables with which a tool of the catalogue posts to this machine."""
    redirects = (each for name in catalogue.names() for each in catalogue.entry(name).redirects)
    named = {each.variable for each in redirects} & variables.keys()
    return {each for each in named if endpoint.is_loopback(variables[each])}
