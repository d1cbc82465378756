"""Own the search of what reached the endpoint for values of the run and of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from usagectl.capture import records
from usagectl.conformance import canaries

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

    from usagectl.capture import Captured
    from usagectl.conformance.canaries import Canary, Leak
    from usagectl.conformance.endpoints import Traffic

_OF_MACHINE = {
    "UC402": "a secret of this environment",
    "UC403": "the user's real name",
    "UC404": "the host's real name",
    "UC405": "the real home folder",
    "UC406": "the system's machine ID",
}


class Search(NamedTuple):
    """Hold what a search found.

    Attributes:
        leaks: each text that was found, once for each place it stood in.
        unreadable: how many messages could not be looked into.
    """

    leaks: tuple[Leak, ...]
    unreadable: int


def search(
    traffic: Traffic, planted: tuple[Canary, ...], machine: re.Pattern[str] | None
) -> Search:
    """Look for texts in every part of every request, and in every byte of every connection.

    Args:
        traffic: what reached the endpoint.
        planted: texts that were put in this run's way.
        machine: finds values of this machine, with a group for each rule of the audit.
    """
    unreadable = traffic.refused
    found: dict[Leak, None] = {}
    for each in traffic.captured:
        try:
            parts = list(_parts(each))
        except records.UndecodableError:
            unreadable += 1
            continue
        for where, data in parts:
            found |= dict.fromkeys(canaries.find(planted, data, where=where))
            found |= dict.fromkeys(_of_machine(machine, data, where))
    known = {leak.place for leak in found}
    for heard in traffic.heard:  # What is no request stands here alone.
        for leak in canaries.find(planted, heard, where="the bytes of a connection"):
            if leak.place not in known:
                found[leak] = None
    return Search(tuple(found), unreadable)


def _parts(request: Captured) -> Iterator[tuple[str, bytes]]:
    """Take a request apart.

    Raises:
        UndecodableError: its body is coded in a way that is not known.
    """
    path = request.path.partition("?")[0]
    yield "the address", request.path.encode()
    for name, value in request.headers.items():
        yield f"the header {name}", f"{name}: {value}".encode()
    body = request.body
    if request.problem:  # It is kept as it came, its coding still on.
        body = records.decode(body, request.headers.get("content-encoding", ""))
    yield f"the body of {request.method} {path}", body


def _of_machine(machine: re.Pattern[str] | None, data: bytes, where: str) -> Iterator[Leak]:
    if machine is None:
        return
    for match in machine.finditer(data.decode("utf-8", "replace")):
        place = _OF_MACHINE.get(match.lastgroup or "")
        if place:
            yield canaries.Leak(place, "as it is", where)
