"""Terms of a program that records through usagectl: what its author and its distributor settle.

Its author says how it begins (recording on this machine, or off until its user says yes) and what
becomes of the events. Whoever packages it can end it with a file beside its code.
None of this is looser than what the user's own switches say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from usagectl.errors import InvalidValueError
from usagectl.values import Value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    Default = Literal["local", "off", "ask"]

DEFAULTS: tuple[Default, ...] = ("local", "off", "ask")
"""What holds where no switch is set: recorded here and not sent; nothing; nothing until asked."""

OFF_FILE = "telemetry-off"
"""The name of the distributor's file, in the folder of the program's package (or module)."""

MOST_OF_EACH: Mapping[str, int] = {
    "default": 5,
    "privacy": 400,
    "privacy_url": 400,
    "commands": 200,
    "off_file": 4096,
}
"""The members, each a text, and how long it may be, since it is shown."""


class Terms(Value):
    """What a program's author and distributor settle; a member that is empty was not said."""

    default: str = ""  # One of `DEFAULTS`.
    privacy: str = ""  # What becomes of the events, in a sentence.
    privacy_url: str = ""  # Where more is said.
    commands: str = ""  # The words before status, show, on, off, reset-id: `mytool telemetry`.
    off_file: str = ""  # The distributor's file: where it is, telemetry is off for good.

    @property
    def told(self) -> str:
        """What the author promises, and where more is said."""
        return " ".join(filter(None, (self.privacy, self.privacy_url)))


def check(terms: Terms) -> Terms:
    """Return what an author declares if it is valid.

    Raises:
        InvalidValueError: a default is unknown, a text too long or of several lines, a URL none.
    """
    if terms.default and terms.default not in DEFAULTS:
        raise InvalidValueError("default", terms.default, wanted=f"use {', '.join(DEFAULTS)}")
    for name, most in MOST_OF_EACH.items():
        text = getattr(terms, name)
        if len(text) > most or not text.isprintable():
            wanted = f"use one line of at most {most} characters"
            raise InvalidValueError(name, text[:most], wanted=wanted)
    url = terms.privacy_url
    if url and not url.startswith(("https://", "http://")):
        raise InvalidValueError("privacy_url", url, wanted="use an address with https://")
    return terms


def merged(new: Terms, before: Terms) -> Terms:
    """Fill in what new terms do not say from those of before."""
    return Terms(*(said or earlier for said, earlier in zip(new, before, strict=True)))
