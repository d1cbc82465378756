"""The tools whose telemetry usagectl knows; a new one is a file of the catalogue."""

from __future__ import annotations

from usagectl.tools.registry import emitters, is_of_others, known, names, select, sender_of

__all__ = [
    "emitters",
    "is_of_others",
    "known",
    "names",
    "select",
    "sender_of",
]
