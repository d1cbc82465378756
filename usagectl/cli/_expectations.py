"""Expectations of the tools here: which parts are louder, and the command that helps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from usagectl.consent import way_off_of
from usagectl.errors import ExpectationFailedError
from usagectl.status import offending

if TYPE_CHECKING:
    from collections.abc import Sequence

    from usagectl.consent import Consent
    from usagectl.status import Report


def failures(
    found: Report, expect: Literal["off", "local"] | None, names: Sequence[str]
) -> list[ExpectationFailedError]:
    """Build the error that names each part which is louder than expected."""
    loud = offending(found.consents, expect, names) if expect else ()
    if not loud:
        return []
    said = [f"{part.name} is {part.telemetry}" for part in loud]
    wanted = "off" if expect == "off" else "off or local"
    return [ExpectationFailedError(wanted, offending=said, hint=way_off(loud, names))]


def way_off(loud: Sequence[Consent], names: Sequence[str] = ()) -> str:
    """Name the command that helps: one that writes files, or where none can, one for the shell."""
    by_flags = [way for part in loud if (way := way_off_of(part))]
    if by_flags and len(by_flags) == len(loud):
        return by_flags[0]
    if all(part.is_out_of_reach for part in loud):
        return 'eval "$(usagectl env)"'
    is_mixed = any(part.is_out_of_reach for part in loud)
    return " ".join(("usagectl disable", *(["--shell"] if is_mixed else []), *names))
