"""Verification of a tool: which of its switches keep their word on this machine.

    subject = find("mytool.toml", environment)
    report = Trials(subject, environment).run(plan(subject, environment))

The tool is run sealed, in fresh homes, with telemetry on and with each of its switches. What is
expected of each run is the verdict of `consent` in that very home.
"""

from __future__ import annotations

from usagectl.verify.rows import ON, Row, plan
from usagectl.verify.subject import Subject, find
from usagectl.verify.trials import Report, Trials
from usagectl.verify.verdicts import Result

__all__ = ["ON", "Report", "Result", "Row", "Subject", "Trials", "find", "plan"]
