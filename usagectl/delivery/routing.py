"""Routes of events: those of each tool to its own endpoint, under its consent."""

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
    """An endpoint that is not an http or https URL."""

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
    """Where a replay goes, and whose events go there."""

    base: str
    selection: Selection  # Without those of tools that have another endpoint, or are off.
    is_on: bool = False  # Sending is on for each tool whose events go.


def find(
    environment: Environment, selection: Selection, *, to: str | None, allow_http: bool = False
) -> Route:
    """Find the address of a replay, and the tools whose events may go there.

    Each tool's events go to its own endpoint, unless `to` names another base URL. A
    loopback address is always allowed there: nothing leaves the machine.

    Raises:
        TelemetryOffError: consent is off.
        EndpointMissingError: the tool names no endpoint.
        EndpointInvalidError: the endpoint is not an http or https URL.
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
        raise _off(verdict)
    if problem == "plain-http":
        raise EndpointNotSecureError(endpoint.origin_of(base))
    others = [name for name in emitters if name != lead and (not chosen or name in chosen)]
    verdicts = consent.evaluate(environment, others) if others else ()
    left_out = _left_out(verdicts, chosen, base="" if to else base)
    is_on = all(
        each.telemetry == "on" for each in (verdict, *verdicts) if each.tool not in left_out
    )
    return Route(base, selection._replace(without=left_out), is_on=is_on)


def why_left_out(environment: Environment, tool: str) -> Caution:
    """Explain why a tool's events stay when others go, with the command that sends them."""
    verdict = consent.evaluate(environment, [tool])[0]
    if verdict.telemetry == "off":
        by = consent.describe(verdict.decided_by)
        return Caution("telemetry-off", f"that tool is off, by {by}", "usagectl status")
    if not verdict.endpoint:
        hint = EndpointMissingError(tool).hint
        return Caution("endpoint-missing", "that tool names no endpoint", hint)
    hint = f"usagectl replay --tool {tool}"
    return Caution("endpoints-differ", "that tool has an endpoint of its own", hint)


def _left_out(verdicts: Sequence[Consent], chosen: Sequence[str], *, base: str) -> tuple[str, ...]:
    """List the tools that are off, or send elsewhere than to `base` unless that is empty."""
    found = []
    for verdict in verdicts:
        is_off = verdict.telemetry == "off"
        if is_off or (base and verdict.endpoint.rstrip("/") != base):
            if verdict.tool in chosen:
                raise _off(verdict) if is_off else EndpointsDifferError(chosen)
            found.append(verdict.tool)
    return tuple(found)


def _off(verdict: Consent) -> TelemetryOffError:
    return TelemetryOffError(consent.describe(verdict.decided_by), tool=verdict.tool)
