"""Own the capture of what a program really sends: an endpoint on loopback, and its file."""

from __future__ import annotations

from usagectl.capture.loading import Captured, load
from usagectl.capture.recorder import Arrival, Sums, sums_data
from usagectl.capture.session import FirstArrivals, Options, Session, opened

__all__ = [
    "Arrival",
    "Captured",
    "FirstArrivals",
    "Options",
    "Session",
    "Sums",
    "load",
    "opened",
    "sums_data",
]
