"""Validators for text fields, one per `x-emit` value of the notice.

A text that does not fit is refused; where it comes from a server or a machine, and not from a
program's author, it is replaced by one that says so. Services, systems and stages are of a list.
The names of operations, errors, commands and parameters cannot be listed: they are closed by
their form alone, and none that looks like a token is taken.

The vocabulary and the services are read when an event needs them: a program that records only
its commands starts without them.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from usagectl.events.record import MOST_WORDS, OTHER, PARAMETER, WORD
from usagectl.machine.files import read_data
from usagectl.sensitive import looks_like_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Rule = Callable[[str], str | None]

DUMMY_ACCOUNT = "000000000000"

_SYSTEMS = (
    "Linux|Darwin|Windows|FreeBSD|OpenBSD|NetBSD|DragonFly|SunOS|AIX"
    "|Android|iOS|Java|Emscripten|WASI|Haiku"
)
_SERVICE = r"[a-z][a-z0-9]{0,40}(?:[.-][a-z0-9]{1,40}){0,4}"
_ERROR_TYPE = (
    r"(?:[A-Za-z][A-Za-z0-9]{0,63}\.){0,4}(?=[A-Za-z0-9]{0,80}[a-z]{2})"
    r"[A-Z][A-Za-z]{0,60}[0-9]{0,3}[A-Za-z]{0,40}|[1-5][0-9]{2}"
)
_DIRECTIONS = "(?:north|south|east|west|central|northeast|northwest|southeast|southwest)"
_APART = str.maketrans("", "", "-_. ")


def is_service(name: str) -> bool:
    """True if a name is a service's; `CloudWatch Logs` is `cloudwatch-logs`."""
    return name.lower().translate(_APART) in _services()


def words_of(file: str) -> frozenset[str]:
    """Read the words of a data file; a line that begins with # is a comment."""
    lines = (line for line in read_data(file).splitlines() if not line.startswith("#"))
    return frozenset(word for line in lines for word in line.split())


@cache
def _services() -> frozenset[str]:
    return frozenset(name.translate(_APART) for name in words_of("services.txt"))


def _form(pattern: str, *, otherwise: str | None = None, is_name: bool = False) -> Rule:
    """Take a text of that form alone, and of names none that looks like a token.

    Any other is refused, or replaced by `otherwise`.
    """

    def apply(text: str) -> str | None:
        is_fit = re.fullmatch(pattern, text) and not (is_name and looks_like_secret(text))
        return text if is_fit else otherwise

    return apply


def _service(text: str) -> str | None:
    """Take a service of the list; another service is `other`, an invalid name is refused."""
    if not re.fullmatch(_SERVICE, text):
        return None
    return text if is_service(text) else OTHER


def _scrubbed(text: str) -> str:
    from usagectl.events.vocabulary import scrub

    return scrub(text)


def _trace(text: str) -> str:
    from usagectl.events.vocabulary import scrub_trace

    return scrub_trace(text)


def _user_agent(text: str) -> str:
    from usagectl.events.user_agents import clean_user_agent

    return clean_user_agent(text)


RULES: Mapping[str, Rule] = {
    "uuid": _form(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "time": _form(r"[0-9]{1,12}|[0-9]{4}(?:-[0-9]{2}){2} [0-9]{2}(?::[0-9]{2}){2}(?:\.[0-9]{6})?"),
    "machine-id": _form(r"gen_[0-9a-f]{8}-[0-9a-f]{3}|[0-9a-f]{8}(?:-[0-9a-f]{3})?"),
    "token": _form(r"(?:[A-Za-z0-9_-]{1,2048}(?:\.[A-Za-z0-9_-]{1,2048}){0,4}={0,2})?"),
    "system": _form(_SYSTEMS, otherwise=OTHER),
    "version": _form(
        r"unknown|v?[0-9]{1,9}(?:\.[0-9]{1,9}){0,5}(?:[a-z]{1,5}[0-9]{0,6})?"
        r"(?:[-+.:_][A-Za-z0-9]{1,40}){0,5}"
    ),
    "service-name": _service,
    "operation-name": _form(r"[A-Z][A-Za-z0-9]{0,127}", is_name=True),
    "error-type": _form(_ERROR_TYPE, otherwise=OTHER, is_name=True),
    "scrubbed": _scrubbed,
    "trace": _trace,
    "region": _form(
        rf"(?:fips-)?[a-z]{{2,4}}(?:-(?:gov|iso[a-z]?|[a-z]{{2}}))?-{_DIRECTIONS}-[0-9]{{1,2}}(?:-fips)?"
        r"|s3-external-1|aws(?:-cn|-us-gov|-iso(?:-[a-z])?)?-global",
        otherwise=OTHER,
    ),
    "account": lambda _: DUMMY_ACCOUNT,
    "user-agent": _user_agent,
    "command-path": _form(rf"{WORD}(?: {WORD}){{0,{MOST_WORDS - 1}}}", is_name=True),
    "parameter-name": _form(PARAMETER, is_name=True),
    "stage": _form("BOOT|START|READY|SHUTDOWN"),
}
"""The rule of each `x-emit` of the notice's data: the text to send, or None for a refused one."""
