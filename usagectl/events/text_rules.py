"""Own what closes each text that we put into an event, by the names the notice's data uses.

`x-emit` of a field names one of `CLOSINGS`. A text that does not fit is refused, or, where
it comes from a server or a machine and not from a program's author, replaced by one that
says so. It must not know fields nor events.

Services, systems and stages are of a list. The names of operations, errors, commands and
parameters cannot be listed: they are closed by their form alone, and none that looks like
a token is taken. A name that a program puts in such a place by mistake may have the form.

What only some events need, such as the scrubber, is loaded when one does: to import this
costs a program that starts next to nothing.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from usagectl.events import naming
from usagectl.sensitive import looks_like_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DUMMY_ACCOUNT = "000000000000"
OTHER = naming.OTHER
"""What stands for a region, an error type, a service or a system that is none of those known."""

STAGES = ("BOOT", "START", "READY", "SHUTDOWN")

_SYSTEMS = frozenset(
    """Linux Darwin Windows FreeBSD OpenBSD NetBSD DragonFly SunOS AIX Android iOS Java Emscripten
    WASI Haiku""".split()  # noqa: SIM905  (a list of words reads best so)
)


def _form(pattern: str, *, otherwise: str | None = None) -> Callable[[str], str | None]:
    """Take a text of that form alone; any other is refused, or replaced by `otherwise`."""

    def close(text: str) -> str | None:
        return text if _compile(pattern).fullmatch(text) else otherwise

    return close


@cache
def _compile(pattern: str) -> re.Pattern[str]:
    """Compile a pattern when it is needed: a program that starts records one event or two."""
    return re.compile(pattern)


def _name(pattern: str, *, otherwise: str | None = None) -> Callable[[str], str | None]:
    """Take a name of that form that does not look like a token, else what `otherwise` says."""
    close = _form(pattern)

    def close_name(text: str) -> str | None:
        found = close(text)
        return otherwise if found is None or looks_like_secret(text) else found

    return close_name


def _close_service(text: str) -> str | None:
    """Take the name of a service of the list; another one's is `other`, what is no name refused."""
    if not _compile(_SERVICE).fullmatch(text):
        return None
    from usagectl.events.service_names import is_service

    return text if is_service(text) else OTHER


def _scrub(text: str) -> str:
    from usagectl.events.scrubbing import scrub

    return scrub(text)


def _scrub_trace(text: str) -> str:
    from usagectl.events.scrubbing import scrub_trace

    return scrub_trace(text)


def _clean_user_agent(text: str) -> str:
    from usagectl.events.scrubbing import clean_user_agent

    return clean_user_agent(text)


def _close_account(text: str) -> str:  # noqa: ARG001
    return DUMMY_ACCOUNT


def _close_system(text: str) -> str:
    return text if text in _SYSTEMS else OTHER


_SERVICE = r"[a-z][a-z0-9]{0,40}(?:[.-][a-z0-9]{1,40}){0,4}"
_ERROR_TYPE = (
    r"(?:[A-Za-z][A-Za-z0-9]{0,63}\.){0,4}(?=[A-Za-z0-9]{0,80}[a-z]{2})"
    r"[A-Z][A-Za-z]{0,60}[0-9]{0,3}[A-Za-z]{0,40}|[1-5][0-9]{2}"
)

_DIRECTIONS = "(?:north|south|east|west|central|northeast|northwest|southeast|southwest)"

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
    "service-name": _close_service,
    "operation-name": _name(r"[A-Z][A-Za-z0-9]{0,127}"),
    "error-type": _name(_ERROR_TYPE, otherwise=OTHER),
    "scrubbed": _scrub,
    "trace": _scrub_trace,
    "region": _form(
        rf"(?:fips-)?[a-z]{{2,4}}(?:-(?:gov|iso[a-z]?|[a-z]{{2}}))?-{_DIRECTIONS}-[0-9]{{1,2}}(?:-fips)?"
        r"|s3-external-1|aws(?:-cn|-us-gov|-iso(?:-[a-z])?)?-global",
        otherwise=OTHER,
    ),
    "account": _close_account,
    "user-agent": _clean_user_agent,
    "command-path": _name(naming.COMMAND_PATH),
    "parameter-name": _name(naming.PARAMETER),
    "stage": _form("|".join(STAGES)),
}
"""What each `x-emit` of the notice's data does: the text to send, None for one that is refused."""
