"""A running LocalStack: where it may answer, whether it sends, and its session request.

Its token, its switches and its address are those that it was started with, not those of the
shell that asks; where nobody tells them they are unknown.
"""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from typing import TYPE_CHECKING

from usagectl.tools.base import (
    LOCALSTACK_ENDPOINT,
    Caution,
    Installation,
    PartReading,
    Switch,
    endpoint_caution,
    first_heeded,
)
from usagectl.tools.localstack_client import (
    DEFAULT,
    NAME,
    PLAIN,
    PREFIXED,
    LocalStackClient,
    says,
)
from usagectl.tools.localstack_session import build_request, lay_payload
from usagectl.tools.previews import PartPreview

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from usagectl.machine.environment import Environment
    from usagectl.tools.previews import Live, PreviewWish

_DEFAULT_PORT, _HIGHEST_PORT = 4566, 65535
_STARTED_WITH = ("api_key", "is_ci", "is_testing", "product")
"""Members of the payload that only the instance's own variables tell."""

_KEPT = ("LOCALSTACK_HOST", "LOCALSTACK_HOSTNAME")
_PREFIX = "LOCALSTACK_"


def urls(environment: Environment) -> tuple[str, ...]:
    """Name the loopback URLs at which an instance may describe itself, the likeliest first."""
    variables = LocalStackClient(environment).variables
    places = [*variables.get("GATEWAY_LISTEN", "").split(","), variables.get("LOCALSTACK_HOST", "")]
    found = [place for text in places if (place := _place(text.strip()))]
    found += [place for text in (variables.get("EDGE_PORT", ""),) if (place := _place(text))]
    bases = dict.fromkeys((*found, f"127.0.0.1:{_DEFAULT_PORT}"))
    return tuple(f"http://{base}/_localstack/info" for base in bases)


def _place(text: str) -> str:
    """Read `host:port`, a port or a host as an address of loopback; empty without one."""
    host, _, port = text.rpartition(":")
    if text.endswith("]") or not port.strip().isdecimal():
        host, port = text, str(_DEFAULT_PORT)
    is_port = 0 < int(port) <= _HIGHEST_PORT
    return f"{_loopback(host.strip())}:{int(port)}" if text and is_port else ""


def _loopback(host: str) -> str:
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return "127.0.0.1"
    if address.version == 4:  # noqa: PLR2004
        return host if address.is_loopback else "127.0.0.1"
    return "[::1]"


def installation(live: Live) -> Installation:
    """Describe what runs: it is here, whether its command is on PATH or not."""
    version = live.instance.get("version")
    return Installation(
        installed=True, version=version.partition(":")[0] if isinstance(version, str) else None
    )


def preview(client: LocalStackClient, wish: PreviewWish, live: Live) -> PartPreview:
    """Build the session request of the running instance, and the verdict on it."""
    reading = _read(client, live)
    found = PartPreview("container", reading=reading, installation=installation(live))
    if first_heeded(reading.switches).says == "off" and not wish.if_enabled:
        return found
    if caution := endpoint_caution(NAME, reading.endpoint, variable="ANALYTICS_API"):
        return found._replace(cautions=(caution,))
    version = str(live.instance.get("version", client.rules.version))
    running = LocalStackClient(client.environment, version=version.partition(":")[0])
    own = {**live.instance, "version": version}
    seen = _seen(_started_with(client, live) or {}, live)
    payload = lay_payload(running, own, variables=seen, product="aws")
    unknown = [name for name in _STARTED_WITH if name in payload and live.started_with is None]
    payload |= dict.fromkeys(unknown)
    request = build_request(
        running,
        "container",
        payload,
        base=reading.endpoint,
        varying=("/metadata/client_time",),
        unknown=tuple(f"/payload/{name}" for name in unknown),
    )
    return found._replace(requests=(request,), cautions=reading.cautions)


def _read(client: LocalStackClient, live: Live) -> PartReading:
    """Read the switches that the instance was started with."""
    given = _started_with(client, live)
    if given is None:
        unread = Switch("state", "what the instance was started with", None, "", "unknown")
        message = (
            "Neither Docker nor /proc tells what the running instance was started with. Its "
            "token, is_ci, its switches and its endpoint are unknown; the usual endpoint is shown."
        )
        caution = Caution("instance-unknown", message, "ask as the user who started it")
        return PartReading("container", LOCALSTACK_ENDPOINT, (unread,), (caution,))
    # Outside a container nothing turns the prefixed name into the plain one.
    names = (PREFIXED, PLAIN) if live.is_container else (PLAIN,)
    switches = [
        Switch("state", name, given[name], _origin(live, name), says(given[name]))
        for name in names
        if name in given
    ]
    endpoint = (_seen(given, live).get("ANALYTICS_API") or LOCALSTACK_ENDPOINT).rstrip("/")
    cautions = tuple(_profile_unread(client, live))
    return PartReading("container", endpoint, (*switches, DEFAULT), cautions)


def _origin(live: Live, name: str) -> str:
    return live.told_by if name in (live.started_with or {}) else "a profile that it read"


def _profile_unread(client: LocalStackClient, live: Live) -> Iterator[Caution]:
    if file := _newer_profile(client, live):
        message = (
            f"{file} was written after the instance had started, as far as this machine tells; "
            "what the instance read there is not known, and does not count."
        )
        yield Caution("profile-newer", message, "start it anew")


def _started_with(client: LocalStackClient, live: Live) -> Mapping[str, str] | None:
    """Return the instance's variables; outside a container its configuration adds its profiles.

    An image has none of this machine's profiles.
    """
    if live.started_with is None or live.is_container or _newer_profile(client, live):
        return live.started_with
    return _as_started(client, live).variables


def _as_started(client: LocalStackClient, live: Live) -> LocalStackClient:
    """Return the client as the instance's own variables make it."""
    environment = client.environment._replace(variables=live.started_with or {})
    return LocalStackClient(environment, version=client.rules.version)


def _newer_profile(client: LocalStackClient, live: Live) -> str:
    """Name a profile that was written after the instance had read it; empty without one."""
    if live.started_with is None or live.is_container:
        return ""
    for profile in _as_started(client, live).profiles.active:
        with suppress(OSError):
            if profile.file.stat().st_mtime > live.started_at:
                return str(profile.file)
    return ""


def _seen(given: Mapping[str, str], live: Live) -> Mapping[str, str]:
    """Return what the runtime sees; a container's entrypoint has taken prefixes away."""
    return {**given, **dict(_without_prefix(given))} if live.is_container else given


def _without_prefix(variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in variables.items():
        rest = name.removeprefix(_PREFIX)
        if name.startswith(_PREFIX) and not name.startswith(_KEPT) and not rest[:1].isdecimal():
            yield rest, value
