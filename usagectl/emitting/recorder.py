"""Recording of one session: its event, what waits and is counted, the way into the spool."""

from __future__ import annotations

import json
from collections import Counter, deque
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from usagectl import spool
from usagectl.emitting import permission
from usagectl.emitting.background import process
from usagectl.errors import UsagectlError
from usagectl.events import schemas
from usagectl.events.record import CLI_CMD, format_client_time, new_record
from usagectl.events.text_rules import RULES
from usagectl.machine.environment import is_ci, is_container
from usagectl.tools.base import new_random_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from usagectl.emitting.permission import Emitter, Permit
    from usagectl.events.record import Record
    from usagectl.events.schemas import Shape
    from usagectl.machine.environment import Environment

_Item = TypeVar("_Item")

MANY = 5_000
"""So many events, or counted ones not summed up, are written before their second ends."""

MOST_WAITING = 100_000
"""About what a spool holds; while a disk hangs, what comes beyond that is lost."""

MOST_COMBINATIONS = 1_000
"""How many combinations one event counts; with more, a period has several events."""

_BATCH = 2_000
"""Events of one transaction: other processes wait about a thirtieth of a second for it."""


class Session(NamedTuple):
    """The session that events belong to: a version 4 UUID, and when it began."""

    session_id: str
    started: datetime


def start_session(environment: Environment) -> Session:
    """Draw a session ID."""
    import uuid  # a program that is off needs none

    drawn = uuid.UUID(bytes=environment.entropy(16), version=4)
    return Session(str(drawn), environment.now())


def build_session_event(
    environment: Environment,
    session: Session,
    *,
    emitter: Emitter,
    token: str | None = None,
    is_testing: bool = False,
    machine_id: str = "",
) -> bytes:
    """Build the notice's session event.

    A version, token or kept ID that does not fit the notice is not sent: the version is
    unknown then, the token absent, the ID another one for this session. Without an ID given
    it is the tool's own, which is made and kept on first need.
    """
    kept = machine_id or permission.machine_id(environment, emitter)
    payload: dict[str, object] = {
        "session_id": session.session_id,
        "machine_id": RULES["machine-id"](kept) or f"gen_{new_random_id(environment)}",
        "system": environment.system or "unknown",
        "version": RULES["version"](emitter.version) or "unknown",
        "is_ci": is_ci(environment),
        "is_docker": is_container(environment),
        "is_testing": is_testing,
    }
    if token and RULES["token"](token):
        payload["api_key"] = token
    shape = schemas.of("session")
    time = format_client_time(session.started)
    return shape.event(shape.payload(payload), client_time=time, session_id=session.session_id)


def build_payload(shape: Shape, values: Mapping[str, object], *, list_name: str = "") -> bytes:
    """Build the payload of an event, or of one combination that a list counts.

    Raises:
        EventShapeError: the values do not fit.
    """
    if list_name:
        if "count" in values:  # It would be passed over: each call counts once.
            place = f"{list_name}.count"
            raise schemas.EventShapeError(shape.name, place, reason="is not one of its labels")
        return shape.payload({list_name: [{**values, "count": 1}]})
    return shape.payload(values)


class Recorder:
    """Events and counts of one session, recorded under one consent, on their way into the spool.

    Any thread may record, and so may the handler of a signal amid a record of its own
    thread: both only append to a `deque`, which needs no lock. One thread at a time
    writes: `write`, `flush` and `forget` are for that one.

    The session begins with the first event, unless that is a command's: the notice
    connects no command to a session.
    """

    def __init__(
        self,
        environment: Environment,
        tool: str,
        permit: Permit,
        *,
        begin: Callable[[Environment, Session], bytes],
        announce: Callable[[str, Mapping[str, object]], None],
    ) -> None:
        self._environment = environment
        self._tool = tool
        self.permit = permit
        self.session: Session | None = None  # Until it begins.
        self._build_session_event = begin
        self._announce = announce
        self._has_begun = False
        self.forget()

    def forget(self) -> None:
        """Forget all that is not in the spool: it was switched off, or is a forking parent's."""
        self._has_news = False
        self._events: deque[Record] = deque()
        self._counted: deque[tuple[Shape, bytes]] = deque()
        self._counts: Counter[tuple[Shape, bytes]] = Counter()
        self._lost = 0

    @property
    def is_crowded(self) -> bool:
        """True if so much waits that it should be written at once."""
        return len(self._events) >= MANY or len(self._counted) >= MANY

    def record(self, shape: Shape, values: Mapping[str, object], *, list_name: str = "") -> None:
        """Record one event, or count one combination of labels in a list.

        Raises:
            EventShapeError: the values do not fit.
        """
        payload = build_payload(shape, values, list_name=list_name)
        self._announce(shape.name, values)
        self._begin_session(shape)
        if list_name:
            self._add(self._counted, (shape, payload))
        else:
            self._put(shape, payload)

    def write(self) -> None:
        """Write the waiting events, each batch in one transaction; what cannot be kept is lost."""
        self._sum_up()
        if len(self._counts) >= MOST_COMBINATIONS:
            self._put_counts()
        for _ in range(0, len(self._events), _BATCH):
            records = list(_taken(self._events, _BATCH))
            with suppress(UsagectlError, OSError):
                spool.append_all(self._environment, records, patience=spool.PATIENT)
                self._has_news = bool(self.permit.consent)
        if self._lost:
            self._report_lost()

    def deliver(self) -> None:
        """Start a sender if one is due for what was written; never waits for it."""
        if self._has_news:
            self._has_news = False
            permission.deliver(self._environment, self.permit)

    def _report_lost(self) -> None:
        """Count what found no room where `status` shows it."""
        with suppress(UsagectlError, OSError), spool.open_spool(self._environment) as store:
            lost, self._lost = self._lost, 0
            store.add_loss("unwritable", lost)

    def flush(self) -> None:
        """Make events of the counts, and write everything."""
        self._sum_up()
        self._put_counts()
        self.write()

    def _sum_up(self) -> None:
        self._counts.update(_taken(self._counted, len(self._counted)))

    def _put_counts(self) -> None:
        """Make events of the counts: the combinations of one kind, in the order they came up."""
        counts, self._counts = self._counts, Counter()
        found: dict[tuple[Shape, str], list[dict[str, object]]] = {}
        for (shape, payload), count in counts.items():
            ((list_name, (labels,)),) = json.loads(payload).items()
            found.setdefault((shape, list_name), []).append({**labels, "count": count})
        for (shape, list_name), items in found.items():
            for start in range(0, len(items), MOST_COMBINATIONS):
                document = {list_name: items[start : start + MOST_COMBINATIONS]}
                self._put(shape, json.dumps(document, separators=(",", ":")).encode("ascii"))

    def _put(self, shape: Shape, payload: bytes) -> None:
        now = self._environment.now()
        session_id = self.session.session_id if self.session and shape.has_session else ""
        time = format_client_time(now)
        self._append(shape.name, shape.event(payload, client_time=time, session_id=session_id), now)

    def _append(self, kind: str, event: bytes, now: datetime) -> None:
        labels = {"tool": self._tool, "kind": kind, "consent": self.permit.consent}
        record = new_record(event, now=now, entropy=self._environment.entropy, **labels)
        self._add(self._events, record)

    def _add(self, waiting: deque[_Item], item: _Item) -> None:
        if len(waiting) < MOST_WAITING:
            waiting.append(item)
        else:
            self._lost += 1

    def _begin_session(self, shape: Shape) -> None:
        """Begin the session unless it has begun, or the event is a command's.

        Raises:
            EventShapeError: what the program runs on does not fit the notice.
        """
        if self._has_begun or shape.name == CLI_CMD:
            return
        with process.lock:
            if self.session is None:
                self.session = start_session(self._environment)
                event = self._build_session_event(self._environment, self.session)
                self._append("session", event, self.session.started)
                self._has_begun = True


def _taken(items: deque[_Item], most: int) -> Iterable[_Item]:
    """Yield the oldest items and remove them; others may add or remove some meanwhile."""
    for _ in range(most):
        try:
            yield items.popleft()
        except IndexError:
            return
