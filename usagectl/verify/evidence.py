"""Evidence for the catalogue: what a verification showed, as an `[[evidence]]` block."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from usagectl.errors import count_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from usagectl.verify.runs import Ran
    from usagectl.verify.trials import Report
    from usagectl.verify.verdicts import Result


def block_of(report: Report, now: datetime) -> dict[str, Any]:
    """Return the evidence as data; what was not proved is left out."""
    kinds, proved = ("on", "switch"), ("keeps", "breaks", "quieter")
    shown = [each for each in report.results if each.row.kind in kinds and not each.row.has_waiting]
    runs = [_run(each, each.ran, report) for each in shown if each.ran and each.verdict in proved]
    version, date = report.subject.version, f"{now:%Y-%m-%d}"
    return {"how": "wire", "version": version, "date": date, "runs": runs}


def _run(result: Result, ran: Ran, report: Report) -> dict[str, Any]:
    row = result.row
    members = {
        "variables": dict(row.variables),
        "files": dict(ran.written),
        "conditions": list(ran.conditions),
        "consented": bool(report.subject.entry.consent),
        "breaks": result.expected == "breaks" and ran.status > 0,
        "note": f"after `{row.before}`" if row.before else "",
    }
    return {"requests": result.requests or 0} | {k: v for k, v in members.items() if v}


def to_toml(block: Mapping[str, Any]) -> str:
    """Write the block as it stands in an entry, one run a line."""
    head = [f"{name} = {json.dumps(block[name])}" for name in ("how", "version", "date")]
    runs = [f"    {_value(run)}," for run in block["runs"]]
    return "\n".join(["[[evidence]]", *head, "runs = [", *runs, "]"])


def _value(value: object) -> str:
    """Write a value of TOML: JSON's texts are TOML's as well, but for the escape of DEL."""
    if isinstance(value, dict):
        members = ", ".join(f"{_key(name)} = {_value(each)}" for name, each in value.items())
        return f"{{ {members} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return (
        name
        if name.replace("_", "").replace("-", "").isalnum() and name.isascii()
        else _value(name)
    )


def summary(report: Report) -> str:
    """Say in one sentence whether the tool's switches keep their word."""
    title, version = report.subject.entry.title, report.subject.version
    name = f"{title} {version}" if version != "unknown" else title
    on = report.results[0]
    if on.verdict != "keeps":
        return f"{name} sent nothing with telemetry on, so nothing is proved."
    bad = report.bad("switch", "silent", "values", "delay")
    sent = f"{name} sends {on.came} with telemetry on"
    broken = [each for each in bad if each.verdict == "breaks"]
    if broken:
        return f"{sent}; {count_of(len(broken), 'row')} of {len(report.results)} broke the word."
    if bad:
        return f"{sent}; {count_of(len(bad), 'row')} of {len(report.results)} could not be proved."
    return f"{sent}, and every switch that was tried keeps its word."
