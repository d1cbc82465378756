"""The catalogue against its own evidence: each run that was seen gives the verdict it should."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.machine import Machine
from usagectl import catalogue, consent
from usagectl.machine.environment import is_ci
from usagectl.tools import places
from usagectl.tools.base import Installation
from usagectl.tools.catalogued import Catalogued

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from usagectl.catalogue.entry import Entry, Evidence, Run
    from usagectl.consent import Consent
    from usagectl.machine.environment import Environment


def environment_of(run: Run, folder: Path) -> Environment:
    """Make the machine of a run, without its files: a user's own, unless it says otherwise."""
    machine = Machine(folder, variables=dict(run.variables))
    if "container" in run.conditions:
        (machine.root / ".dockerenv").touch()
    found = machine.environment(uid=0 if "root" in run.conditions else 1000)
    if "ci" in run.conditions and not is_ci(found):
        found = found._replace(variables={**found.variables, "CI": "true"})
    return found


def write(files: Mapping[str, str], environment: Environment) -> None:
    """Write the files of a run where the tool has them."""
    for place, text in files.items():
        path = places.expand(place, environment)
        assert path is not None, place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def verdict_of(entry: Entry, evidence: Evidence, run: Run, folder: Path) -> Consent:
    """Ask `consent` what the release that was seen does on the machine of a run."""
    environment = environment_of(run, folder)
    write({**(entry.consent if run.consented else {}), **run.files}, environment)
    if entry.module:
        found = consent.evaluate(environment, [entry.name])
        return next(each for each in found if run.part in ("", each.part))
    there = Installation(installed=True, version=evidence.version)
    return consent.evaluate_tool(environment, Catalogued(entry, there))[0]


def faults_of(run: Run, found: Consent) -> Iterator[str]:
    """Yield what a verdict says other than what was seen."""
    telemetry = found.senders.get(run.part, found.telemetry)
    is_open = telemetry == "unknown" and found.decided_by.source == "default"
    if telemetry not in (("on",) if run.is_loud else ("off", "local")) and not is_open:
        yield f"is {telemetry} by {consent.describe(found.decided_by)}"
    if found.is_broken != run.breaks:
        yield f"breaks: {found.is_broken}"


def test_every_run_that_was_seen_gives_its_verdict(tmp_path: Path) -> None:
    """What sent is on, what sent nothing is off or local, and what broke is said to break."""
    runs = [
        (entry, evidence, run)
        for entry in map(catalogue.entry, catalogue.names())
        for evidence in entry.evidence
        for run in evidence.runs
    ]
    assert len(runs) >= 20
    wrong = [
        f"{entry.name} {evidence.version}: {fault} ({run})"
        for number, (entry, evidence, run) in enumerate(runs)
        for fault in faults_of(
            run, verdict_of(entry, evidence, run, tmp_path / f"{entry.name}-{number}")
        )
    ]
    assert wrong == []
