"""The tools that usagectl knows: those on every machine, those on this one, and by name."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from usagectl import catalogue
from usagectl.errors import InvalidValueError, UnknownToolError
from usagectl.tools import instrumented
from usagectl.tools.instrumented import Instrumented

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from usagectl.machine.environment import Environment
    from usagectl.tools.base import Tool

_UNKNOWN = "unknown"  # The tool of a request whose sender is none that is known.


@cache
def built_in() -> tuple[Tool, ...]:
    """Load the tools that have a module of their own: its TOOL, in the catalogue's order."""
    from importlib import import_module

    modules = catalogue.modules().values()
    return tuple(import_module(f"{__package__}.{module}").TOOL for module in modules)


def names() -> tuple[str, ...]:
    """Name the tools that have a module of their own."""
    return tuple(catalogue.modules())


def known(environment: Environment) -> tuple[Tool, ...]:
    """List every tool that is known on this machine: the built-in ones, then the registered."""
    registered = instrumented.read_all(environment)
    return (*built_in(), *map(instrumented.Instrumented, registered))


def emitters(environment: Environment) -> tuple[Instrumented, ...]:
    """List the tools that record their events through usagectl, usagectl first."""
    return tuple(tool for tool in known(environment) if isinstance(tool, Instrumented))


def select(
    environment: Environment, names: Sequence[str] = (), *, everything: bool = False
) -> tuple[Tool, ...]:
    """Return the named tools in usagectl's own order.

    Without a name these are the known ones and those of the catalogue that are found here; with
    `everything` the whole catalogue.

    Raises:
        InvalidValueError: the names are one text, whose letters would be taken for names.
        UnknownToolError: no tool goes by one of the names.
    """
    if isinstance(names, str):
        raise InvalidValueError("sequence of names", names, wanted=f"use [{names!r}]")
    found = known(environment)
    taken = {tool.name for tool in found}
    # A program that records through us under a name of the catalogue is that program.
    others = [name for name in catalogue.names() if name not in taken]
    for name in names:
        if name not in taken and name not in others:
            raise UnknownToolError(name, known=[*(tool.name for tool in found), *others])
    chosen = [name for name in others if name in names] if names else others
    tools = (*found, *_catalogued(environment, chosen, is_wanted=bool(names) or everything))
    return tuple(tool for tool in tools if not names or tool.name in names)


def _catalogued(
    environment: Environment, names: Sequence[str], *, is_wanted: bool
) -> Iterator[Tool]:
    """Yield tools of the catalogue: all of those that are wanted, else those that are here."""
    if not names:
        return
    from usagectl.machine import inventory
    from usagectl.tools import detection
    from usagectl.tools.catalogued import Catalogued

    stock = inventory.take(environment)
    found = detection.found(environment, names if is_wanted else None, stock=stock)
    for name, installation in found.items():
        if name in names:
            yield Catalogued(catalogue.entry(name), installation)


def sender_of(event_names: Sequence[str], user_agent: str = "") -> str:
    """Name the tool that sent a request, by its events and what it calls itself (facts, part 1)."""
    for tool in built_in():
        if tool.event_prefix and any(name.startswith(tool.event_prefix) for name in event_names):
            return tool.name
    agents = [(agent, tool.name) for tool in built_in() for agent in tool.user_agents]
    return next((name for agent, name in agents if user_agent.startswith(agent)), _UNKNOWN)


def is_of_others(document: object) -> bool:
    """True for a captured line of which the notice cannot speak.

    A program that is not known by its events or its name sent it to a host that is not theirs.
    Only a recorder knows where a request was to go.
    """
    if not isinstance(document, dict) or document.get("tool") != _UNKNOWN:
        return False
    host = document.get("host")
    return isinstance(host, str) and "request" in document and host not in _own_hosts()


@cache
def _own_hosts() -> frozenset[str | None]:
    """Return the hosts that take the events of the tools with a module of their own."""
    endpoints = (each for name in names() for each in catalogue.entry(name).endpoints)
    return frozenset(urlsplit(each.url).hostname for each in endpoints if each.kind == "telemetry")
