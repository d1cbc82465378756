"""The notice: its words, its data, its examples; and kinds of events that a program declares."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

from tests.support.machine import REPOSITORY
from usagectl.events.kinds import Field, Kind

NOTICE_TEXT = (REPOSITORY / "tests" / "data" / "notice.md").read_text(encoding="utf-8")
DOCUMENT: dict[str, Any] = json.loads(
    files("usagectl").joinpath("data", "notice.schema.json").read_text(encoding="utf-8")
)
SESSION_PAYLOAD, AWS_REQUEST, CLI_CMD = (
    json.loads(block) for block in re.findall(r"```json\n(.*?)```", NOTICE_TEXT, re.DOTALL)
)

BUILT = Kind(
    "my_tool_built",
    "That something was built.",
    "After each build.",
    (
        Field("seconds", "number", "How long it took."),
        Field("files", "integer", "How many files there were."),
        Field("is_clean", "boolean", "Whether it began anew."),
        Field("result", "string", "How it ended.", choices=("ok", "has failed", "x-1.0")),
        Field("targets", "string", "What was built.", choices=("html", "pdf"), is_list=True),
        Field("reason", "string", "Why it failed.", "error-text", is_optional=True),
    ),
)
CACHED = Kind(
    "my_tool_cached",
    "How often the cache served.",
    "Each period.",
    (
        Field("outcome", "string", "What it found.", choices=("hit", "miss")),
        Field("is_warm", "boolean", "Whether it was used before."),
    ),
    is_counter=True,
)
"""Two kinds of the program `my-tool`."""
