"""Variables of a captured command: they lead every known client to the endpoint.

Which ones those are stands in the facts, parts 1 and 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from usagectl.capture.children import MARK

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_PROXIES_TO_EVERYTHING = (
    "OUTBOUND_HTTP_PROXY",
    "OUTBOUND_HTTPS_PROXY",
    # LocalStack's command line hands these on, and its container takes the prefix off.
    "LOCALSTACK_OUTBOUND_HTTP_PROXY",
    "LOCALSTACK_OUTBOUND_HTTPS_PROXY",
)
_LIFTED = {"DISABLE_EVENTS": "0", "LOCALSTACK_DISABLE_EVENTS": "0", "USAGECTL_TELEMETRY": "on"}


class Address(NamedTuple):
    """Address of the endpoint, as programs use it.

    Attributes:
        port: its port.
        host: its host for a program on this machine.
        container_host: its host for a container; empty if that cannot reach it.
    """

    port: int
    host: str = "127.0.0.1"
    container_host: str = ""


def leading_variables(variables: Mapping[str, str], address: Address) -> dict[str, str]:
    """List the variables that lead each tool's events to an endpoint, past every proxy.

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
    """Build the environment of a captured command.

    With `as_if_enabled`, variables lift every opt-out: each client reads them before its
    files.
    """
    found = {**variables, **leading_variables(variables, address), MARK: str(address.port)}
    if as_if_enabled:
        found.pop("DO_NOT_TRACK", None)
        found.update(_LIFTED)
    return found
