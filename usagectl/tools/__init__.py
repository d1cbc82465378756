"""Own the list of tools; adding a tool is adding one module and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from usagectl.errors import UnknownToolError
from usagectl.tools import registry
from usagectl.tools.instrumented import Emitting
from usagectl.tools.localstack import LocalStack
from usagectl.tools.lstk import Lstk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from usagectl.machine.environment import Environment
    from usagectl.tools.base import Tool

ALL: tuple[Tool, ...] = (LocalStack(), Lstk(), Emitting())
NAMES: tuple[str, ...] = tuple(tool.name for tool in ALL)
"""The tools that are known on every machine."""


def known(environment: Environment) -> tuple[Tool, ...]:
    """List every tool that is known on this machine: those of ALL, then what registered itself."""
    return (*ALL, *(Emitting(each) for each in registry.read_all(environment)))


def emitters(environment: Environment) -> tuple[Emitting, ...]:
    """List the tools that record their events through usagectl, usagectl first."""
    return tuple(tool for tool in known(environment) if isinstance(tool, Emitting))


def select(environment: Environment, names: Sequence[str] = ()) -> tuple[Tool, ...]:
    """Return the named tools in usagectl's own order; all of them without a name.

    Raises:
        UnknownToolError: a name is none of a tool.
    """
    found = known(environment)
    for name in names:
        if all(name != tool.name for tool in found):
            raise UnknownToolError(name, known=[tool.name for tool in found])
    return tuple(tool for tool in found if not names or tool.name in names)


def sender_of(event_names: Sequence[str]) -> str:
    """Name the tool that records events of these names."""
    return "lstk" if any(name.startswith("lstk_") for name in event_names) else "unknown"


OPT_OUT_VARIABLES: Mapping[str, str] = {
    "DISABLE_EVENTS": "1",
    "LOCALSTACK_DISABLE_EVENTS": "1",
    "DO_NOT_TRACK": "1",
    "USAGECTL_TELEMETRY": "off",
}
"""What silences every tool known here: LocalStack's command line reads the first, its
container and lstk the second (facts, part 5), usagectl all of them."""
