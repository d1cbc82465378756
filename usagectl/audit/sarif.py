"""Outcome of an audit as SARIF 2.1.0, the form that code scanning reads.

Rules without a finding are listed too, so that a reader sees what was looked for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from usagectl.audit.rules import RULES

if TYPE_CHECKING:
    from usagectl.audit.auditor import AuditResult
    from usagectl.audit.findings import Finding
    from usagectl.audit.rules import Rule

VERSION = "2.1.0"
SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
FINGERPRINT = "usagectl/v1"
_PLACES = {rule.id: place for place, rule in enumerate(RULES)}


def build(result: AuditResult, *, source: str, version: str) -> dict[str, object]:
    """Build the log of one run of a version of usagectl.

    `source` is a path as it was typed, `-`, or empty for the spool. Examples are shown as
    they are in `result`.
    """
    driver = {
        "name": "usagectl",
        "semanticVersion": _semantic(version),
        "version": version,
        "rules": [_rule(rule) for rule in RULES],
    }
    run: dict[str, object] = {
        "tool": {"driver": driver},
        "invocations": [_invocation(result)],
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, source) for finding in result.findings],
        "properties": {"events": result.events, "byName": dict(result.by_name)},
    }
    return {"$schema": SCHEMA, "version": VERSION, "runs": [run]}


def _semantic(version: str) -> str:
    """Bring a version into the form of Semantic Versioning, which SARIF asks for here."""
    match = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    return f"{match[1]}.{match[2]}.{match[3] or 0}" if match else "0.0.0"


def _rule(rule: Rule) -> dict[str, object]:
    advice = f"{rule.explanation} What you can do: {rule.advice}"
    return {
        "id": rule.id,
        "name": "".join(part.capitalize() for part in rule.name.split("-")),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.explanation},
        "help": {"text": advice},
        "defaultConfiguration": {"level": rule.level},
        "properties": {"name": rule.name, "tags": ["privacy", "telemetry"]},
    }


def _invocation(result: AuditResult) -> dict[str, object]:
    found: dict[str, object] = {"executionSuccessful": True}
    if result.bad_lines:
        text = f"Lines that hold no event: {result.bad_lines}, "
        text += f"the first is {result.first_bad_line}."
        found["toolExecutionNotifications"] = [{"level": "warning", "message": {"text": text}}]
    return found


def _result(finding: Finding, source: str) -> dict[str, object]:
    found: dict[str, object] = {
        "ruleId": finding.rule,
        "ruleIndex": _PLACES[finding.rule],
        "level": finding.level,
        "message": {"text": _message(finding)},
        "locations": [_location(finding, source)],
        "partialFingerprints": {FINGERPRINT: finding.fingerprint},
        "occurrenceCount": finding.count,
        "properties": _properties(finding),
    }
    if finding.suppressed is not None:
        reason = finding.suppressed.reason
        found["suppressions"] = [
            {"kind": "external", "status": "accepted", "justification": reason}
        ]
    return found


def _message(finding: Finding) -> str:
    example = f" Example: {finding.example}." if finding.example else ""
    times = "once" if finding.count == 1 else f"{finding.count} times"
    return f"{finding.place}: {finding.message} Seen {times}.{example}"


def _properties(finding: Finding) -> dict[str, object]:
    known = finding.known._asdict() if finding.known else None
    return {
        "sentence": finding.sentence,
        "since": finding.since,
        "known": known,
        "advice": finding.advice,
        "example": finding.example,
    }


def _location(finding: Finding, source: str) -> dict[str, object]:
    logical = {
        "name": finding.field.rpartition("/")[2] or finding.event,
        "fullyQualifiedName": f"{finding.event}{finding.field}",
        "kind": "member" if finding.field else "object",
    }
    found: dict[str, object] = {"logicalLocations": [logical]}
    if source and source != "-":
        physical: dict[str, object] = {"artifactLocation": {"uri": _uri(source)}}
        if finding.line:
            physical["region"] = {"startLine": finding.line}
        found["physicalLocation"] = physical
    return found


def _uri(source: str) -> str:
    """Name a file as a reference: relative as it was typed, absolute with its scheme."""
    path = quote(source.replace("\\", "/"), safe="/")
    if re.match(r"[A-Za-z]%3A/", path):
        return f"file:///{path.replace('%3A', ':', 1)}"
    return f"file://{path}" if path.startswith("/") else path.removeprefix("./")
