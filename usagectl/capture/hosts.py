"""Whom a host belongs to, by the endpoints of the catalogue: telemetry of a tool, or unknown."""

from __future__ import annotations

import ipaddress
import json
import re
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from usagectl import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from usagectl.catalogue.entry import Entry

Kind = Literal["telemetry", "errors", "update-check", "configuration", "own", "loopback", "unknown"]
"""What a host takes: the kinds of an entry's endpoints, and what no entry says. `own` is what the
user says that the command is for; `loopback` is this machine."""

COLLECTORS = catalogue.FOLDER / "collectors.json"
_PLACEHOLDER = re.compile(r"<[^<>]*>|\*")
_TELEMETRY = ("telemetry", "errors")


class HostOwner(NamedTuple):
    """Owner of a host: the tools that post there, and what they post."""

    tool: str  # Their names, with commas; empty where no entry has it.
    kind: Kind
    service: str = ""  # The service behind it, where many programs post to one.

    @property
    def is_telemetry(self) -> bool:
        """True for usage and for error reports."""
        return self.kind in _TELEMETRY


class _Endpoint(NamedTuple):
    tool: str
    kind: Kind
    host: re.Pattern[str]
    path: re.Pattern[str]  # It and what is below it; a client may add to what an entry says.


class Hosts:
    """The hosts of some tools, and those that the user calls the command's own."""

    def __init__(self, entries: Iterable[Entry], *, own: Sequence[str] = ()) -> None:
        self._endpoints = [each for entry in entries for each in _endpoints(entry)]
        self._knows_telemetry = any(each.kind in _TELEMETRY for each in self._endpoints)
        self._own = tuple(_plain(each).removeprefix("*.").lstrip(".") for each in own)

    def owner(self, host: str, path: str = "") -> HostOwner:
        """Return the owner of a host; of what several use, the path of a request decides.

        Without a path, a host that takes telemetry among other things is called so. What the
        catalogue knows is no command's own, whatever the user says.
        """
        name = _plain(host)
        if _is_loopback(name):
            return HostOwner("", "loopback")
        service = service_of(name)
        here = [each for each in self._endpoints if each.host.fullmatch(name)]
        found = [each for each in here if each.path.fullmatch(path)] if path else here
        if not found and not service and self.is_own(host):
            return HostOwner("", "own")
        if not found:
            kind = service.kind if service else "unknown"
            return HostOwner("", kind, service.service if service else "")
        kinds = [each.kind for each in found]
        kind = next((each for each in _TELEMETRY if each in kinds), kinds[0])
        tools = dict.fromkeys(each.tool for each in found if each.kind == kind)
        return HostOwner(", ".join(tools), kind, service.service if service else "")

    def is_telemetry(self, host: str, path: str = "") -> bool:
        """True if a host takes telemetry; a path that no entry knows counts there too.

        Where no host of telemetry is known, every one may take it but this machine.
        """
        owner = self.owner(host, path)
        if not self._knows_telemetry:
            return owner.kind != "loopback"
        return owner.is_telemetry or (owner.kind == "unknown" and self.owner(host).is_telemetry)

    def is_own(self, host: str) -> bool:
        """True if the user calls a host, or one above it, the command's own."""
        name = _plain(host)
        return any(name == each or name.endswith(f".{each}") for each in self._own)


def _endpoints(entry: Entry) -> Iterable[_Endpoint]:
    for each in entry.endpoints:
        host, _, rest = each.url.partition("://")[2].partition("/")
        host = host.partition(":")[0]
        sample, differs = _PLACEHOLDER.subn("x", host.lower())
        if not _PLACEHOLDER.sub("", host).strip("."):  # One that is all placeholder is any host.
            continue
        if differs and service_of(sample):  # Each customer of it has one: Hardhat's is not known.
            continue
        yield _Endpoint(entry.name, each.kind, _pattern(host), _below(rest.partition("?")[0]))


def known(*, own: Sequence[str] = ()) -> Hosts:
    """Return the hosts of every tool of the catalogue."""
    return Hosts(map(catalogue.entry, catalogue.names()), own=own)


def service_of(host: str) -> HostOwner | None:
    """Return the service that takes the telemetry of many programs at a host; None for others."""
    return next((owner for pattern, owner in _collectors() if pattern.fullmatch(host)), None)


@cache
def _collectors() -> list[tuple[re.Pattern[str], HostOwner]]:
    document = json.loads(COLLECTORS.read_text(encoding="utf-8"))
    return [
        (_pattern(host), HostOwner("", about["kind"], service))
        for service, about in document.items()
        for host in about["hosts"]
    ]


def _pattern(host: str) -> re.Pattern[str]:
    """Return what matches a host, in which `<…>` or `*` stands for what differs."""
    parts = map(re.escape, _PLACEHOLDER.split(host.lower()))
    return re.compile("[^/]+".join(parts))


def _below(path: str) -> re.Pattern[str]:
    """Return what matches a path and what is below it, with any query."""
    parts = map(re.escape, _PLACEHOLDER.split(f"/{path}".rstrip("/")))
    return re.compile("[^/?]+".join(parts) + "(?:[/?].*)?", re.DOTALL)


def _plain(host: str) -> str:
    """Return a host in lower case and ASCII, without port, brackets and last dot."""
    plain = host.lower().rstrip(".")
    if plain.startswith("["):
        plain = plain[1:].partition("]")[0]
    elif plain.count(":") == 1:
        plain = plain.partition(":")[0].rstrip(".")
    if not plain.isascii():
        with suppress(UnicodeError):  # It is no name then, and nobody's.
            plain = plain.encode("idna").decode()
    return plain


def _is_loopback(host: str) -> bool:
    """True for this machine; the address that is none leads there too (RFC 1122, 3.2.1.3)."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified
