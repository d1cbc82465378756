"""See, control and prove the usage telemetry of the developer tools on this machine.

The library gives the same answers as the command line: values are returned,
errors of `usagectl.errors` are raised, nothing is printed.

    >>> import usagectl
    >>> environment = usagectl.current_environment()
    >>> [(part.name, part.telemetry) for part in usagectl.evaluate(environment)]  # doctest: +SKIP
    [('localstack cli', 'on'), ...]

Programs import it before pytest starts, and it asserts nothing: PYTEST_DONT_REWRITE.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from usagectl._version import __version__
    from usagectl.consent import Consent, evaluate
    from usagectl.embedding import instrument
    from usagectl.emitting.tracker import Tracker, TrackerClosedError
    from usagectl.errors import (
        InvalidValueError,
        UnknownToolError,
        UsagectlError,
        UsageError,
    )
    from usagectl.events.kinds import Field, InvalidKindError, Kind, UndeclaredKindError
    from usagectl.events.schemas import EventShapeError
    from usagectl.machine.environment import Environment
    from usagectl.machine.environment import from_process as current_environment
    from usagectl.switching import disable, enable

__all__ = [
    "Consent",
    "Environment",
    "EventShapeError",
    "Field",
    "InvalidKindError",
    "InvalidValueError",
    "Kind",
    "Tracker",
    "TrackerClosedError",
    "UndeclaredKindError",
    "UnknownToolError",
    "UsageError",
    "UsagectlError",
    "__version__",
    "current_environment",
    "disable",
    "enable",
    "evaluate",
    "instrument",
]

_HOMES = {
    "Consent": ("usagectl.consent", "Consent"),
    "Environment": ("usagectl.machine.environment", "Environment"),
    "EventShapeError": ("usagectl.events.schemas", "EventShapeError"),
    "Field": ("usagectl.events.kinds", "Field"),
    "InvalidKindError": ("usagectl.events.kinds", "InvalidKindError"),
    "InvalidValueError": ("usagectl.errors", "InvalidValueError"),
    "Kind": ("usagectl.events.kinds", "Kind"),
    "Tracker": ("usagectl.emitting.tracker", "Tracker"),
    "TrackerClosedError": ("usagectl.emitting.tracker", "TrackerClosedError"),
    "UndeclaredKindError": ("usagectl.events.kinds", "UndeclaredKindError"),
    "UnknownToolError": ("usagectl.errors", "UnknownToolError"),
    "UsageError": ("usagectl.errors", "UsageError"),
    "UsagectlError": ("usagectl.errors", "UsagectlError"),
    "__version__": ("usagectl._version", "__version__"),
    "current_environment": ("usagectl.machine.environment", "from_process"),
    "disable": ("usagectl.switching", "disable"),
    "enable": ("usagectl.switching", "enable"),
    "evaluate": ("usagectl.consent", "evaluate"),
    "instrument": ("usagectl.embedding", "instrument"),
}


def __dir__() -> list[str]:
    """List the public names, those too that nobody has asked for yet, and nothing else."""
    return __all__


if not TYPE_CHECKING:  # A checker would take every misspelt name for one of these.

    def __getattr__(name: str) -> object:
        """Import a public name when it is first asked for: start-up pays for what it uses."""
        if name not in _HOMES:
            message = f"module 'usagectl' has no attribute {name!r}"
            raise AttributeError(message)
        from importlib import import_module

        module, attribute = _HOMES[name]
        return getattr(import_module(module), attribute)
