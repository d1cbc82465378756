"""Slips that a type checker has to find: an ignore that finds none is an error itself."""

from __future__ import annotations

import usagectl
from usagectl import Field, Kind, Tracker

KIND = Kind("mytool_built", "A build ended.")
usagectl.Trackr  # type: ignore[attr-defined]  # noqa: B018
Field("seconds", "float", "How long it took.")  # type: ignore[arg-type]
Field("seconds", "number", "How long it took.", privacy="secret")  # type: ignore[arg-type]
Tracker("mytool", kinds=KIND)  # type: ignore[arg-type]
Tracker("mytool", version=1.2)  # type: ignore[arg-type]
Tracker("mytool").record("mytool_built")  # type: ignore[arg-type]
Tracker("mytool").cli_cmd(cmd="mytool", param=["x"])  # type: ignore[call-arg]
Tracker("mytool").dropped = 3  # type: ignore[misc]
