"""Evidence for the catalogue: what a verification showed, as an `[[evidence]]` block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from usagectl.machine import toml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from usagectl.catalogue.entry import Entry
    from usagectl.verify.trials import Report
    from usagectl.verify.verdicts import Result


def block_of(report: Report, now: datetime, *, version: str = "unknown") -> dict[str, Any]:
    """Return the evidence as data, for a release; what was not proved is left out."""
    runs: dict[str, dict[str, Any]] = {}
    for each in report.results:
        is_wanted = each.row.kind in ("on", "switch") and not each.row.has_waiting
        if is_wanted and each.verdict != "not-proved":
            members = _circumstances(each, report.subject.entry)
            # What an entry cannot tell apart stands once.
            runs.setdefault(toml.to_text(members), {"requests": each.requests or 0, **members})
    return {"how": "wire", "version": version, "date": f"{now:%Y-%m-%d}", "runs": [*runs.values()]}


def _circumstances(result: Result, entry: Entry) -> dict[str, Any]:
    row, ran = result.row, result.ran
    members = {
        "variables": {**entry.verify.variables, **row.variables},
        "files": dict(ran.written),
        "conditions": list(ran.conditions),
        "consented": bool(entry.consent),
        "breaks": result.expected == "breaks" and ran.ended.status > 0,
        "note": f"after `{row.before}`" if row.before else "",
    }
    return {name: value for name, value in members.items() if value}


def to_toml(block: Mapping[str, Any]) -> str:
    """Write the block as it stands in an entry, one run a line."""
    head = [f"{name} = {toml.to_text(block[name])}" for name in ("how", "version", "date")]
    runs = [f"    {toml.to_text(run)}," for run in block["runs"]]
    return "\n".join(["[[evidence]]", *head, "runs = [", *runs, "]"])
