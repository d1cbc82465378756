"""Audit of events: held against the notice, and searched for what must not leave the machine.

`rules` names what can be found, `search` knows the values of this machine and what a telling
text looks like; `auditor` takes events in, `checks` examines each, `findings`
counts. `baseline` and `sarif` work on the outcome. Nothing here prints, and no value to look
for is ever part of an outcome.
"""

from usagectl.audit.auditor import Auditor, AuditResult, audit_capture
from usagectl.audit.findings import Finding
from usagectl.audit.rules import LEVELS, RULES, select
from usagectl.audit.search import Context

__all__ = [
    "LEVELS",
    "RULES",
    "AuditResult",
    "Auditor",
    "Context",
    "Finding",
    "audit_capture",
    "select",
]
