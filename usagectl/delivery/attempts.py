"""Delivery of a batch to an endpoint: retries, waits, and what an answer means.

An answer of 2xx acknowledges, 413 splits; which others refuse for good the protocol says, and
the rest is tried again (design, section 5).
"""

from __future__ import annotations

import math
import random
import time
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from usagectl import endpoint
from usagectl.delivery.requests import (
    EVENTS,
    NOBODY_LISTENS,
    PROXY_AUTHENTICATION,
    NoAnswerError,
    as_said,
)
from usagectl.errors import UsagectlError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from usagectl.delivery.requests import Answer, Post, Wire
    from usagectl.spool import Batch

    Send = Callable[[Post, float], Answer]

_REST_SECONDS = 0.5
_BACKOFF_SECONDS = 0.5
_MAX_BACKOFF_SECONDS = 8.0
TOO_LARGE = 413
_FORBIDDEN = 403
_MAX_RETRY_AFTER = timedelta(days=30)


class EndpointUnreachableError(UsagectlError):
    """An endpoint that gave no useful answer within the time it had."""

    code = "endpoint-unreachable"
    exit_status = 5

    def __init__(self, origin: str, reason: str, *, tries: int) -> None:
        times = "" if tries == 1 else f", tried {tries} times"
        hint = "usagectl replay --dry-run"
        if reason == NOBODY_LISTENS and origin.startswith("http:") and endpoint.is_loopback(origin):
            hint = f"usagectl capture --port {endpoint.port_of(origin)}"
        elif "proxy" in reason:
            hint = "env | grep -i _proxy="
        super().__init__(f"{origin} took nothing: {reason}{times}.", hint=hint)


class EndpointBusyError(UsagectlError):
    """An endpoint that asks to come back later."""

    code = "endpoint-busy"
    exit_status = 5

    def __init__(self, origin: str, status: int, rest_seconds: float, *, words: str = "") -> None:
        later = f" and wants {rest_seconds:.0f} s of rest" if rest_seconds else ""
        super().__init__(
            f"{origin} answers with status {status}{later}{as_said(words)}.", hint="usagectl replay"
        )
        self.wait = timedelta(seconds=rest_seconds)


class EndpointRedirectsError(UsagectlError):
    """An endpoint that wants the events sent to another address."""

    code = "endpoint-redirects"
    exit_status = 5

    def __init__(self, origin: str, status: int, *, target: str) -> None:
        super().__init__(
            f"{origin} answers with status {status} and leads to {target}; a redirect is not "
            "followed, since it would hand the events to another address.",
            hint="usagectl settings",
        )


class TrackingRefusedError(UsagectlError):
    """An endpoint that wants no more events (`track_events` is false)."""

    code = "tracking-refused"
    exit_status = 5

    def __init__(self, origin: str) -> None:
        super().__init__(
            f"{origin} answers that it wants no events (track_events is false), so no more were "
            "sent.",
            hint="usagectl spool list",
        )


@dataclass(frozen=True, slots=True)
class Deliverer:
    """Delivery to one endpoint, one request at a time.

    An endpoint may take nothing for as long as the `patience` lasts: look-ups, attempts and
    waits together. `may_continue` is asked before each request and during long waits; it
    raises once consent is withdrawn.
    """

    send: Send
    base: str
    _: KW_ONLY
    patience: timedelta
    may_continue: Callable[[], None]
    compress: bool = False
    wire: Wire = EVENTS
    # Called before the first attempt with nothing, and before a rest with why it is needed.
    on_wait: Callable[[str], None] = lambda _why: None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random

    @property
    def _origin(self) -> str:
        return endpoint.origin_of(self.base)

    def deliver(self, batch: Batch) -> Iterator[tuple[Batch, Answer]]:
        """Deliver a batch, in halves where it is too large.

        Yield each part that was acknowledged or refused for good, and the answer.
        An error ends the delivery; the parts that were not yielded still wait.
        """
        waiting = [batch]
        while waiting:
            part = waiting.pop(0)
            post = self.wire.build(part, base=self.base, compress=self.compress)
            answer = self._ask(post)
            if answer.status == TOO_LARGE and len(part.ids) > 1:
                waiting[:0] = _halves(part)
                continue
            refuses = self.wire.refuses_tracking(answer)
            if answer.is_success or not refuses:
                yield part, answer
            if refuses:
                raise TrackingRefusedError(self._origin)

    def _ask(self, post: Post) -> Answer:
        """Send a request until it gets an answer that decides on it."""
        deadline = self.clock() + self.patience.total_seconds()
        tries = 0
        failure: UsagectlError | None = None
        self.on_wait("")
        while True:
            self.may_continue()
            tries += 1
            wait = min(_BACKOFF_SECONDS * 2.0 ** (tries - 1), _MAX_BACKOFF_SECONDS)
            wait *= 0.5 + self.jitter() / 2
            try:
                answer = self.send(post, min(deadline, self.clock() + self.wire.attempt_seconds))
            except NoAnswerError as error:
                # An attempt that the end of all patience cut off says less than the one before.
                if self.clock() < deadline or not isinstance(failure, EndpointBusyError):
                    failure = EndpointUnreachableError(self._origin, error.reason, tries=tries)
                wait = math.inf if error.is_final else wait
            else:
                if self._is_decisive(answer):
                    return answer
                asked = parse_retry_after(answer.retry_after)
                wait = max(wait, asked.total_seconds()) if asked else wait
                words = self.wire.words_of(answer)
                rest = wait if asked else 0
                failure = EndpointBusyError(self._origin, answer.status, rest, words=words)
            if self.clock() + wait >= deadline:
                raise failure
            self.on_wait(f"{failure.message.rstrip('.')}; trying again")
            self._rest(wait)

    def _rest(self, seconds: float) -> None:
        """Wait in small steps: an opt-out ends a long rest too."""
        while seconds > 0:
            step = min(seconds, _REST_SECONDS)
            self.sleep(step)
            seconds -= step
            self.may_continue()

    def _is_decisive(self, answer: Answer) -> bool:
        """True if an answer decides on the batch; a redirect ends the delivery."""
        if answer.status // 100 == 3:  # noqa: PLR2004
            target = _target_of(answer, self._origin)
            raise EndpointRedirectsError(self._origin, answer.status, target=target)
        if answer.status == PROXY_AUTHENTICATION:
            reason = f"the proxy {answer.proxy}".rstrip() + " asks for a password (status 407)"
            raise EndpointUnreachableError(self._origin, reason, tries=1)
        if answer.status == _FORBIDDEN and answer.proxy and not self.wire.refuses_tracking(answer):
            # Which of the two it was cannot be told; events that nobody saw must not be lost.
            reason = f"the proxy {answer.proxy}, or what is behind it, refuses it (status 403)"
            raise EndpointUnreachableError(self._origin, reason, tries=1)
        return answer.is_success or self.wire.is_refusal(answer.status)


def _halves(batch: Batch) -> list[Batch]:
    middle = len(batch.ids) // 2
    halves = (slice(middle), slice(middle, None))
    return [batch._replace(ids=batch.ids[half], records=batch.records[half]) for half in halves]


def _target_of(answer: Answer, origin: str) -> str:
    """Return the origin that a redirect leads to; a path or query may hold anything."""
    if not answer.location:
        return "nowhere"
    if answer.location.startswith("/") and not answer.location.startswith("//"):
        return f"another address of {origin}"
    return endpoint.origin_of(answer.location) if "://" in answer.location else "another address"


def parse_retry_after(text: str, *, now: datetime | None = None) -> timedelta | None:
    """Read a `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3); None when it is neither.

    A date that has passed is no wait at all, and no wait is longer than 30 days.
    """
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return min(timedelta(seconds=int(text[:9])), _MAX_RETRY_AFTER)
    from email.utils import parsedate_to_datetime  # it loads `socket`, which a preview never does

    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # A year of twenty digits, say.
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    left = until - (now or datetime.now(UTC))
    return min(max(left, timedelta()), _MAX_RETRY_AFTER)
