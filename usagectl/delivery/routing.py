"""Routes of events: each tool's to its own endpoint, if its consent lets them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from usagectl import consent, endpoint, tools
from usagectl.errors import UsagectlError, UsageError
from usagectl.settings import OWN_NAME
from usagectl.tools.base import Caution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from usagectl.consent import Consent
    from usagectl.machine.environment import Environment
    from usagectl.spool import Selection


class TelemetryOffError(UsagectlError):
    """Telemetry that is off, so that nothing may be sent."""

    code = "telemetry-off"
    exit_status = 1

    def __init__(self, switch: str, *, tool: str = OWN_NAME) -> None:
        super().__init__(
            f"Nothing is sent: {tool}'s telemetry is off, by {switch}.", hint="usagectl status"
        )


class EndpointNotSecureError(UsageError):
    """An endpoint to which events would travel readable for everybody on the way."""

    code = "endpoint-not-https"

    def __init__(self, origin: str) -> None:
        super().__init__(
            f"{origin} is plain http and not this machine: everybody on the way could read the "
            "events.",
            hint="usagectl replay --allow-http",
        )


class EndpointInvalidError(UsageError):
    """An endpoint that is no http or https URL."""

    code = "endpoint-invalid"

    def __init__(self, *, origin: str) -> None:
        super().__init__(
            f"The endpoint that {origin} names is no http or https URL.",
            hint="usagectl replay --to http://127.0.0.1:8123/v1",
        )


class EndpointMissingError(UsageError):
    """A tool whose author named no address to send its events to."""

    code = "endpoint-missing"

    def __init__(self, tool: str) -> None:
        super().__init__(
            f"{tool} names no endpoint, so its events stay here.",
            hint=f"usagectl replay --tool {tool} --to http://127.0.0.1:8123/v1",
        )


class EndpointsDifferError(UsageError):
    """Several chosen tools whose events go to different addresses."""

    code = "endpoints-differ"

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            f"{', '.join(names)} send to different endpoints; give one tool, or --to URL.",
            hint=f"usagectl replay --tool {names[-1]}",
        )


class Route(NamedTuple):
    """Where a replay goes, and whose events go there.

    Attributes:
        base: the base URL.
        selection: which events.
        left_out: tools whose events are not among them: they have another endpoint, or are off.
        is_on: whether everybody whose events go lets them go by themselves.
    """

    base: str
    selection: Selection
    left_out: tuple[str, ...] = ()
    is_on: bool = False


def find(
    environment: Environment, selection: Selection, *, to: str | None, allow_http: bool = False
) -> Route:
    """Find where events would go, and whose, if they may.

    Each tool's events go to its own endpoint, unless another is named. A
    loopback address that was asked for by name is always allowed: nothing
    leaves the machine.

    Args:
        environment: whose.
        selection: which events are meant.
        to: a base URL that was asked for by name.
        allow_http: take plain http to other machines too.

    Raises:
        TelemetryOffError: consent is off.
        EndpointMissingError: the tool names no endpoint.
        EndpointInvalidError: it is no http or https URL.
        EndpointNotSecureError: it is plain http to another machine.
        EndpointsDifferError: the tools that were chosen have different endpoints.
    """
    chosen = selection.tools
    emitters = {tool.name: tool for tool in tools.emitters(environment)}
    lead = chosen[0] if chosen and chosen[0] in emitters else OWN_NAME
    verdict = consent.evaluate(environment, [lead])[0]
    base = (verdict.endpoint if to is None else to).rstrip("/")
    if not base and to is None:
        raise EndpointMissingError(lead)
    problem = endpoint.problem_of(base, allow_http=allow_http)
    if problem == "invalid":
        raise EndpointInvalidError(origin="ANALYTICS_API" if to is None else "--to")
    if to is not None and endpoint.is_loopback(base):
        return Route(base, selection)
    if verdict.telemetry == "off":
        raise TelemetryOffError(consent.describe(verdict.decided_by), tool=lead)
    if problem == "plain-http":
        raise EndpointNotSecureError(endpoint.origin_of(base))
    others = [name for name in emitters if name != lead and (not chosen or name in chosen)]
    taken, left_out = _sort_out(environment, others, selection, base=base if to is None else "")
    is_on = all(each.telemetry == "on" for each in (verdict, *taken))
    return Route(base, selection._replace(without=left_out), left_out, is_on=is_on)


def why_left_out(environment: Environment, tool: str) -> Caution:
    """Say why a tool's events do not go where others go, and what would send them."""
    verdict = consent.evaluate(environment, [tool])[0]
    if verdict.telemetry == "off":
        by = consent.describe(verdict.decided_by)
        return Caution("telemetry-off", f"that tool is off, by {by}", "usagectl status")
    if not verdict.endpoint:
        hint = EndpointMissingError(tool).hint
        return Caution("endpoint-missing", "that tool names no endpoint", hint)
    hint = f"usagectl replay --tool {tool}"
    return Caution("endpoints-differ", "that tool has an endpoint of its own", hint)


def _sort_out(
    environment: Environment, names: Sequence[str], selection: Selection, *, base: str
) -> tuple[list[Consent], tuple[str, ...]]:
    """Part the tools whose events may go to a base URL from the rest; without one, all may."""
    taken = []
    found = []
    for verdict in consent.evaluate(environment, names) if names else ():
        is_chosen = verdict.tool in selection.tools
        if verdict.telemetry == "off":
            if is_chosen:
                raise TelemetryOffError(consent.describe(verdict.decided_by), tool=verdict.tool)
            found.append(verdict.tool)
        elif base and verdict.endpoint.rstrip("/") != base:
            if is_chosen:
                raise EndpointsDifferError(selection.tools)
            found.append(verdict.tool)
        else:
            taken.append(verdict)
    return taken, tuple(found)
