"""Own the conformance kit: rules that any command line with telemetry can be held to.

    $ python -m pytest --pyargs usagectl.conformance --usagectl-conformance mytool.toml

The same as values: `check(load(Path("mytool.toml")), current_environment())`. The tool
may be written in any language; its events go to an endpoint on loopback, and it runs
in a home of its own. What opens a connection to another host, past every proxy and
every variable that leads to the endpoint, is not seen here.
"""

from __future__ import annotations

from usagectl.conformance.kit import Check, Kit, check, plan
from usagectl.conformance.report import Report, Result
from usagectl.conformance.spec import Spec, SpecInvalidError, Switch, load

__all__ = [
    "Check",
    "Kit",
    "Report",
    "Result",
    "Spec",
    "SpecInvalidError",
    "Switch",
    "check",
    "load",
    "plan",
]
