"""Evidence for the catalogue: what a verification showed, as an `[[evidence]]` block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from usagectl.machine import toml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from usagectl.catalogue.entry import Entry
    from usagectl.verify.trials import Report
    from usagectl.verify.verdicts import Ran, Result


def block_of(report: Report, now: datetime) -> dict[str, Any]:
    """Return the evidence as data; what was not proved is left out."""
    kinds, proved = ("on", "switch"), ("keeps", "breaks", "quieter")
    shown = [each for each in report.results if each.row.kind in kinds and not each.row.has_waiting]
    runs: dict[str, dict[str, Any]] = {}
    for each in shown:
        if each.ran and each.verdict in proved:  # What an entry cannot tell apart stands once.
            members = _circumstances(each, each.ran, report.subject.entry)
            runs.setdefault(toml.to_text(members), {"requests": each.requests or 0, **members})
    version, date = report.subject.version, f"{now:%Y-%m-%d}"
    return {"how": "wire", "version": version, "date": date, "runs": [*runs.values()]}


def _circumstances(result: Result, ran: Ran, entry: Entry) -> dict[str, Any]:
    row = result.row
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
