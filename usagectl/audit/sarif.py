"""Outcome of an audit as SARIF 2.1.0, the form that code scanning reads.

Rules without a finding are listed too, so that a reader sees what was looked for. Code scanning
refuses a whole log if one result has no file and region; a path counts from the repository's root.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from usagectl.audit.rules import RULES

if TYPE_CHECKING:
    from pathlib import Path

    from usagectl.audit.auditor import AuditResult
    from usagectl.audit.findings import Finding
    from usagectl.audit.rules import Rule

VERSION = "2.1.0"
SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
FINGERPRINT = "usagectl/v1"
LINE_HASH = "primaryLocationLineHash"
"""The only fingerprint that code scanning looks at."""

ROOT = "%SRCROOT%"
_ELSEWHERE = "%FILEROOT%"
_NO_FILES = {
    "-": ("stdin", "Standard input; it is no file."),
    "": ("usagectl-spool", "The spool; it lies elsewhere, and its events have no lines."),
}
_PLACES = {rule.id: place for place, rule in enumerate(RULES)}


class Artifact(NamedTuple):
    """What was audited, as a log names it: a path below a folder."""

    base_id: str  # What the folder is called in the log.
    base: Path
    path: str  # With `/` between its parts.
    description: str

    @property
    def location(self) -> dict[str, str]:
        """The reference to it."""
        return {"uri": quote(os.fsencode(self.path)), "uriBaseId": self.base_id}


def find_artifact(source: str, *, cwd: Path) -> Artifact:
    """Name what was audited; `source` is a path as it was typed, `-`, or empty for the spool.

    A file counts from the root of the repository that one works in, else from that of its own,
    else from the working folder or its own; links are followed: code scanning follows none.
    The spool's folder is not told, since it names the user.
    """
    here = cwd.resolve()
    if source in _NO_FILES:
        return Artifact(ROOT, _root_of(here) or here, *_NO_FILES[source])
    if (cwd / source).exists() and not (cwd / source).is_file():  # A pipe, as of `<(CMD)`.
        return find_artifact("-", cwd=cwd)
    file = (cwd / source).resolve()
    for folder in (_root_of(here), _root_of(file.parent), here):
        if folder is not None and file.is_relative_to(folder):
            return Artifact(ROOT, folder, file.relative_to(folder).as_posix(), "The audited file.")
    return Artifact(_ELSEWHERE, file.parent, file.name, "The audited file; it is in no repository.")


def _root_of(folder: Path) -> Path | None:
    """Find the root of the repository that a folder is in."""
    folders = (folder, *folder.parents)
    return next((each for each in folders if os.path.exists(each / ".git")), None)  # noqa: PTH110  (False where nobody may look)


def build(result: AuditResult, *, artifact: Artifact, version: str) -> dict[str, object]:
    """Build the log of one run of a version of usagectl; examples are those of `result`."""
    driver = {
        "name": "usagectl",
        "semanticVersion": _semantic(version),
        "version": version,
        "rules": [_rule(rule) for rule in RULES],
    }
    base = f"{artifact.base.as_uri().rstrip('/')}/"
    described = {"location": artifact.location, "description": {"text": artifact.description}}
    run: dict[str, object] = {
        "tool": {"driver": driver},
        "invocations": [_invocation(result)],
        "originalUriBaseIds": {artifact.base_id: {"uri": base}},
        "artifacts": [{**described, "roles": ["analysisTarget"]}],
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, artifact) for finding in result.findings],
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
    texts = [] if result.events else ["There was no event to audit."]
    if result.bad_lines:
        first = f"the first is {result.first_bad_line}"
        texts.append(f"Lines that hold no event: {result.bad_lines}, {first}.")
    notes = [{"level": "warning", "message": {"text": text}} for text in texts]
    found: dict[str, object] = {"executionSuccessful": True}
    return {**found, "toolExecutionNotifications": notes} if notes else found


def _result(finding: Finding, artifact: Artifact) -> dict[str, object]:
    found: dict[str, object] = {
        "ruleId": finding.rule,
        "ruleIndex": _PLACES[finding.rule],
        "level": finding.level,
        "message": {"text": _message(finding)},
        "locations": [_location(finding, artifact)],
        "partialFingerprints": {
            FINGERPRINT: finding.fingerprint,
            LINE_HASH: f"{finding.fingerprint}:1",
        },
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
    text = f"{finding.place}: {finding.message} Seen {times}.{example}"
    # In a message braces around a number are an argument, and a bracket before `(` is a link.
    return re.sub(r"\](?=\()", r"\\]", re.sub(r"\{([0-9]+)\}", r"{{\1}}", text))


def _properties(finding: Finding) -> dict[str, object]:
    known = finding.known._asdict() if finding.known else None
    return {
        "sentence": finding.sentence,
        "since": finding.since,
        "known": known,
        "advice": finding.advice,
        "example": finding.example,
    }


def _location(finding: Finding, artifact: Artifact) -> dict[str, object]:
    """Name the place in the event, and the first character of the event in the file."""
    logical = {
        "name": finding.field.rpartition("/")[2] or finding.event,
        "fullyQualifiedName": f"{finding.event}{finding.field}",
        "kind": "member" if finding.field else "object",
    }
    line = max(finding.line, 1)
    region = {"startLine": line, "startColumn": 1, "endLine": line, "endColumn": 2}
    return {
        "physicalLocation": {
            "artifactLocation": {**artifact.location, "index": 0},
            "region": region,
        },
        "logicalLocations": [logical],
    }
