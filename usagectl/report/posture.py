"""Delivery of verdicts to an OpenTelemetry collector: a log record a tool, for a fleet's owner."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from usagectl import endpoint
from usagectl.delivery import attempts, otlp, replay
from usagectl.delivery.requests import as_said
from usagectl.delivery.transport import Transport
from usagectl.errors import InvalidValueError, UsagectlError, quote
from usagectl.sensitive import mask_url_credentials
from usagectl.showing import printable_line
from usagectl.spool import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from usagectl.consent import Consent
    from usagectl.delivery.requests import Wire
    from usagectl.machine.environment import Environment

_PATIENCE = timedelta(seconds=30)


class VerdictsRefusedError(UsagectlError):
    """A collector that did not take the verdicts."""

    code = "verdicts-refused"
    exit_status = 5

    def __init__(self, url: str, status: int, words: str) -> None:
        origin = endpoint.origin_of(url)
        super().__init__(
            f"{origin} did not take every verdict (status {status}){as_said(words)}.",
            hint=f"usagectl report --otlp {quote(mask_url_credentials(url))} --dry-run",
        )


class Plan(NamedTuple):
    """A request that carries verdicts: where to, how they are written, and they themselves."""

    base: str
    wire: Wire
    batch: Batch

    @property
    def body(self) -> bytes:
        """The body of the request, as JSON."""
        post = self.wire.masked().build(self.batch, base=self.base)
        return otlp.to_json(post.body, post.headers)


def address_of(url: str) -> str:
    """Return where records go, for what somebody named: the whole URL, or a part of it.

    Raises:
        InvalidValueError: it is no URL, or plain http that leads elsewhere than this machine.
    """
    if problem := endpoint.problem_of(url):
        shown, wanted = mask_url_credentials(url), endpoint.WANTED[problem]
        raise InvalidValueError("address for --otlp", shown, wanted=wanted)
    return endpoint.complete(url, "otlp")


def plan(environment: Environment, verdicts: Iterable[Consent], base: str) -> Plan:
    """Plan the request of a record a tool: no value, no path and no name of a variable.

    Raises:
        OtlpUnavailableError: OpenTelemetry's variables ask for what usagectl cannot do.
    """
    now, wire = environment.now(), replay.wire_of(environment, "otlp")
    records = otlp.status_records(verdicts, now=now, entropy=environment.entropy)
    return Plan(base, wire, Batch(tuple(range(len(records))), records))


def send(planned: Plan, *, on_wait: Callable[[str], None]) -> None:
    """Send what was planned; `on_wait` is told why it takes a while.

    Raises:
        UsagectlError: there is no answer in time, or the collector refuses them.
    """
    base, wire, batch = planned
    with closing(Transport(base, wire.tls)) as transport:
        deliverer = attempts.Deliverer(
            transport.send,
            base,
            patience=_PATIENCE,
            may_continue=lambda: None,
            wire=wire,
            on_wait=on_wait,
        )
        for _, answer in deliverer.deliver(batch):
            if not answer.is_success or wire.read_refusal(answer).events:
                words = printable_line(wire.words_of(answer))
                raise VerdictsRefusedError(base, answer.status, words)
