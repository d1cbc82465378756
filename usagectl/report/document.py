"""The report as data: verdicts as `status` has them, captures, what no opt-out covers."""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING, Any

from usagectl import catalogue
from usagectl._version import __version__
from usagectl.catalogue.page import sections
from usagectl.homes import mask_homes
from usagectl.machine.environment import homes_of
from usagectl.report import sums
from usagectl.showing import as_data, part_data
from usagectl.status import collect, offending

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Literal

    from usagectl.machine.environment import Environment
    from usagectl.status import Report

Document = dict[str, Any]
"""The `data` of a report: JSON, whose members docs/report.md lists."""

_QUIRKS, _UNCOVERED = "Of note", "What no switch covers"
"""Sections of a tool's page: what they say of the release that is here is wanted."""


def build(
    environment: Environment,
    names: Sequence[str] = (),
    *,
    files: Sequence[Path] = (),
    expect: Literal["off", "local"] | None = None,
    found: Report | None = None,
) -> Document:
    """Build a report on the tools here and on capture files.

    Homes are written as `~`; no host name, user name or machine ID is in it. Nothing is run
    or sent, and no file is written.

    Raises:
        UnknownToolError: no tool goes by one of the names.
        FileUnreadableError: a capture cannot be read.
        FileCorruptError: a file is no capture.
    """
    found = found or collect(environment, names)
    read = _captures(environment, files)
    known = list(_known(found))
    document = {
        "time": as_data(environment.now().astimezone(UTC)),
        "usagectl": __version__,
        "environment": {each: getattr(found, each) for each in ("is_ci", "is_docker", "system")},
        "asked": [*names],  # Empty: of every tool that is here.
        "tools": [part_data(part, found.machine_ids) for part in found.consents],
        "not_found": _not_found(found),
        "expected": _expected(found, names, expect),
        "known": known,
        "not_covered": [
            {"tool": each["name"], "text": text} for each in known for text in each["not_covered"]
        ],
        "captures": read,
        "inputs": [{name: each[name] for name in ("file", "sha256", "size")} for each in read],
    }
    shown: Document = _shown(document, homes_of(environment))
    return {**shown, "sha256": sums.digest_of(shown)}


def _captures(environment: Environment, files: Sequence[Path]) -> list[dict[str, Any]]:
    if not files:
        return []
    from usagectl.report import captures  # it loads what can open a socket

    return [captures.read(environment, file) for file in files]


def _not_found(found: Report) -> list[str]:
    """Name the tools in the report that were asked for and are not on this machine."""
    absent = [each.tool for each in found.consents if not each.installation.is_found]
    ours = {each.tool for each in found.consents if each.is_ours}
    return [name for name in dict.fromkeys(absent) if name not in ours]


def _expected(
    found: Report, names: Sequence[str], expect: Literal["off", "local"] | None
) -> dict[str, object] | None:
    """Say what was expected of each tool, and which do not meet that."""
    if expect is None:
        return None
    loud = offending(found.consents, expect, names)
    named = [{"name": part.tool, "part": part.part, "telemetry": part.telemetry} for part in loud]
    return {"telemetry": expect, "offending": named}


def _known(found: Report) -> Iterator[Mapping[str, Any]]:
    """Yield what the catalogue knows of each tool in the report, for the release that is here."""
    versions = {part.tool: part.installation.version for part in reversed(found.consents)}
    for name in dict.fromkeys(part.tool for part in found.consents):
        if name not in catalogue.names():
            continue
        entry = catalogue.entry(name)
        told = {
            each.heading: [row[-1] for row in each.rows] for each in sections(entry, versions[name])
        }
        yield {
            "name": name,
            "title": entry.title,
            "source": entry.source,
            "evidence": [
                {"how": each.how, "version": each.version, "date": each.date}
                for each in entry.evidence
            ],
            "quirks": told.get(_QUIRKS, []),
            "not_covered": told.get(_UNCOVERED, []),
        }


def _shown(value: Any, homes: Sequence[str]) -> Any:  # noqa: ANN401  (JSON)
    """Hide in every text which home it came from; what is no character at all is escaped."""
    if isinstance(value, str):
        for home in homes:
            value = re.sub(rf"{re.escape(home)}(?![\w-])", "~", value)
        return mask_homes(value).encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_shown(name, homes): _shown(each, homes) for name, each in value.items()}
    return [_shown(each, homes) for each in value] if isinstance(value, list) else value
