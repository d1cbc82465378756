"""The conformance kit: rules that any command line with telemetry can be held to.

    $ python -m pytest --pyargs usagectl.verify --usagectl-conformance mytool.toml

The same as values: `check(load(Path("mytool.toml")), current_environment())`. The tool
may be written in any language; its events go to an endpoint on loopback, and it runs in
a home of its own. The kit does not see a connection to another host that ignores every
proxy and every variable that leads to the endpoint.
"""

from __future__ import annotations

from usagectl.verify.checks import Check, Kit, Report, Result, check, plan
from usagectl.verify.spec import Spec, SpecInvalidError, Switch, load

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
