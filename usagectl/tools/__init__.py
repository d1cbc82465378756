"""The tools whose telemetry usagectl knows; a new one is a file of the catalogue."""

from __future__ import annotations

from usagectl.tools.registry import emitters, known, names, select, sender_of

__all__ = [
    "emitters",
    "known",
    "names",
    "select",
    "sender_of",
]
