"""Own what closes each text that we put into an event, by the names the notice's data uses.

`x-emit` of a field names one of `CLOSINGS`. A text that does not fit is refused, or, where
it comes from a server or a machine and not from a program's author, replaced by one that
says so. It must not know fields nor events.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from usagectl import scrubbing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DUMMY_ACCOUNT = "000000000000"
OTHER = "other"
"""What stands for a region, an error type or a system that is none of those known by form."""

STAGES = ("BOOT", "START", "READY", "SHUTDOWN")

_SYSTEMS = frozenset(
    """Linux Darwin Windows FreeBSD OpenBSD NetBSD DragonFly SunOS AIX Android iOS Java Emscripten
    WASI Haiku""".split()  # noqa: SIM905  (a list of words reads best so)
)


def _form(pattern: str, *, otherwise: str | None = None) -> Callable[[str], str | None]:
    """Take a text of that form alone; any other is refused, or replaced by `otherwise`."""
    matches = re.compile(pattern).fullmatch

    def close(text: str) -> str | None:
        return text if matches(text) else otherwise

    return close


def _close_account(text: str) -> str:  # noqa: ARG001
    return DUMMY_ACCOUNT


def _close_system(text: str) -> str:
    return text if text in _SYSTEMS else OTHER


def _close_error_type(text: str) -> str:
    return text if _ERROR_TYPE(text) else OTHER


_ERROR_TYPE = re.compile(
    r"(?:[A-Za-z][A-Za-z0-9]{0,63}\.){0,4}(?=[A-Za-z0-9]{0,80}[a-z]{2})"
    r"[A-Z][A-Za-z]{0,60}[0-9]{0,3}[A-Za-z]{0,40}|[a-z]{2,24}|[1-5][0-9]{2}"
).fullmatch

_DIRECTIONS = "(?:north|south|east|west|central|northeast|northwest|southeast|southwest)"
_WORD = r"(?![0-9]+(?: |$))[A-Za-z0-9][A-Za-z0-9_-]{0,63}"

CLOSINGS: Mapping[str, Callable[[str], str | None]] = {
    "uuid": _form(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "time": _form(r"[0-9]{1,12}|[0-9]{4}(?:-[0-9]{2}){2} [0-9]{2}(?::[0-9]{2}){2}(?:\.[0-9]{6})?"),
    "machine-id": _form(r"gen_[0-9a-f]{8}-[0-9a-f]{3}|[0-9a-f]{8}(?:-[0-9a-f]{3})?"),
    "token": _form(r"(?:[A-Za-z0-9_-]{1,2048}(?:\.[A-Za-z0-9_-]{1,2048}){0,4}={0,2})?"),
    "system": _close_system,
    "version": _form(
        r"unknown|v?[0-9]{1,9}(?:\.[0-9]{1,9}){0,5}(?:[a-z]{1,5}[0-9]{0,6})?"
        r"(?:[-+.:_][A-Za-z0-9]{1,40}){0,5}"
    ),
    "service-name": _form(r"[a-z][a-z0-9]{0,40}(?:[.-][a-z0-9]{1,40}){0,4}"),
    "operation-name": _form(r"[A-Z][A-Za-z0-9]{0,127}"),
    "error-type": _close_error_type,
    "scrubbed": scrubbing.scrub,
    "trace": scrubbing.scrub_trace,
    "region": _form(
        rf"(?:fips-)?[a-z]{{2,4}}(?:-(?:gov|iso[a-z]?|[a-z]{{2}}))?-{_DIRECTIONS}-[0-9]{{1,2}}(?:-fips)?"
        r"|s3-external-1|aws(?:-cn|-us-gov|-iso(?:-[a-z])?)?-global",
        otherwise=OTHER,
    ),
    "account": _close_account,
    "user-agent": scrubbing.clean_user_agent,
    "command-path": _form(rf"{_WORD}(?: {_WORD}){{0,7}}"),
    "parameter-name": _form(r"[A-Za-z_][A-Za-z0-9_-]{0,63}"),
    "stage": _form("|".join(STAGES)),
}
"""What each `x-emit` of the notice's data does: the text to send, None for one that is refused."""
