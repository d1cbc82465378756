"""Own the notice of a tool's first run: what is recorded, that it stays here, how to end it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from usagectl.machine import environment as surroundings
from usagectl.settings import OWN_NAME

if TYPE_CHECKING:
    from usagectl.machine.environment import Environment

_MARKER = "notice-shown"


def text_of(tool: str) -> str:
    """Say what a tool records, that nothing is sent, how to see it, how to turn it off."""
    return (
        f"{tool} records its own commands on this machine: the command's name and the names of "
        "its parameters, never a value. Nothing is sent. To see it: usagectl preview "
        f"{tool}. To turn it off: usagectl disable {tool}."
    )


def claim(environment: Environment, tool: str) -> str:
    """Give the notice, once for an account; empty afterwards, and for a CI service.

    Where it cannot be noted that it was said, it is not said: it would come again each time.
    """
    folder = environment.state_dir
    if folder is None:
        return ""
    marker = folder / (_MARKER if tool == OWN_NAME else f"{_MARKER}-{tool}")
    if os.path.lexists(marker) or surroundings.is_ci(environment):
        return ""
    try:
        os.close(os.open(marker, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError:  # Another process was faster, or nothing can be written.
        return ""
    return text_of(tool)
