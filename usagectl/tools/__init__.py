"""Own the list of tools; adding a tool is adding one module and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from usagectl.errors import UnknownToolError
from usagectl.tools.localstack import LocalStack
from usagectl.tools.lstk import Lstk
from usagectl.tools.own import Own

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from usagectl.tools.base import Tool

ALL: tuple[Tool, ...] = (LocalStack(), Lstk(), Own())
NAMES: tuple[str, ...] = tuple(tool.name for tool in ALL)


def select(names: Sequence[str]) -> tuple[Tool, ...]:
    """Return the named tools in usagectl's own order; all of them without a name.

    Raises:
        UnknownToolError: a name is none of a tool.
    """
    for name in names:
        if name not in NAMES:
            raise UnknownToolError(name, known=NAMES)
    return tuple(tool for tool in ALL if not names or tool.name in names)


OPT_OUT_VARIABLES: Mapping[str, str] = {
    "DISABLE_EVENTS": "1",
    "LOCALSTACK_DISABLE_EVENTS": "1",
    "DO_NOT_TRACK": "1",
    "USAGECTL_TELEMETRY": "off",
}
"""What silences every tool known here: LocalStack's command line reads the first, its
container and lstk the second (facts, part 5), usagectl all of them."""
