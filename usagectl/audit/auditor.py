"""Audit of streams and of the spool: which event each record holds, and what came with it."""

from __future__ import annotations

import base64
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, unquote

from usagectl.audit import checks
from usagectl.audit.checks import Checker, Node
from usagectl.audit.findings import CLI, Ledger, clean
from usagectl.audit.rules import LEVELS
from usagectl.audit.search import Context
from usagectl.events import reading
from usagectl.events.reading import UNPARSED
from usagectl.machine.environment import with_account_home
from usagectl.notice import declared
from usagectl.spool import STATES, open_spool
from usagectl.tools import instrumented, is_of_others

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from usagectl.audit.findings import Finding
    from usagectl.events.reading import Hidden, Item
    from usagectl.machine.environment import Environment
    from usagectl.spool import State

_MOST_NAMES = 1000
_OTHER = "*"
_SESSION_HEADER = "localstack-session-id"
_CLIENT = re.compile(r"(?:localstack lstk|localstack|lstk)/([0-9][\w.+-]{0,40})")

_CALL = "aws_request"
_CLIENT_ERRORS, _INTERNAL = range(400, 500), 500
_NAMES_OF_COMMANDS = {CLI: ("cmd",), "lstk_command": ("parameters", "command")}
_MOST_WORDS = 4096
_REPORTING = ("POST", "PUT", "PATCH")
_IN_ADDRESS = "UC114"
_SAYS_NOTHING = ("UC109", "UC110", "UC111")
_RULES_OF_PROBLEMS = {
    reading.NO_EVENTS: "UC109",
    reading.NOT_JSON: "UC107",
    reading.NO_OBJECT: "UC106",
    reading.BESIDE: "UC113",
}
"""All other problems say why a body could not be read: UC112."""

_LONGEST_COMMAND = 200
_OTHER_HOST = "(another host)"


class AuditResult(NamedTuple):
    """Outcome of an audit."""

    events: int
    by_name: Mapping[str, int]  # Events of each name; beyond a thousand names under `*`.
    findings: tuple[Finding, ...]  # Where they depart from the notice, worst first.
    bad_lines: int = 0  # Lines that hold no event.
    first_bad_line: int = 0  # 0 without one.
    without_events: int = 0  # Requests that said nothing: probes, empty bodies, empty lists.
    other_requests: int = 0  # Of programs and to hosts that the notice does not speak of.

    @property
    def counting(self) -> list[Finding]:
        """The findings that are not suppressed."""
        return [finding for finding in self.findings if finding.suppressed is None]

    @property
    def totals(self) -> dict[str, int]:
        """The number of findings of each level that count, and of those that are suppressed."""
        counting = self.counting
        totals = {str(level): sum(each.level == level for each in counting) for level in LEVELS}
        return {**totals, "suppressed": len(self.findings) - len(counting)}


def audit_capture(
    environment: Environment, file: Path, command: Sequence[str], *, only_known: bool = False
) -> AuditResult:
    """Audit a capture file: against notice and declared kinds, and for what was typed.

    With `only_known`, what the notice and the declared kinds cannot speak of is left out.

    Raises:
        OSError: it cannot be read.
    """
    context = Context.from_environment(with_account_home(environment), arguments=command)
    kinds = declared(instrumented.declarations(environment))
    with kinds, file.open("rb") as stream:
        return Auditor(context, only_known=only_known).add_stream(stream)


class Auditor:
    """Findings of events that are added one after another; bounded, however many they are.

    With `only`, these rules count and no other. `on_progress` is told now and then how many
    events and bytes are done. With `only_known`, requests are left out that the notice does not
    speak of; else these are searched for what they give away, and not held against it.
    """

    def __init__(
        self,
        context: Context,
        *,
        shows_values: bool = False,
        only: Container[str] | None = None,
        only_known: bool = False,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._ledger = Ledger(shows_values=shows_values, only=only)
        self._checker = Checker(context, self._ledger)
        self._trees = checks.compile_events()
        self._only_known = only_known
        self._on_progress = on_progress
        self._names: dict[str, int] = {}
        self._words: set[str] = set()
        self.events = 0
        self.without_events = 0
        self.other_requests = 0
        self._other_request: object = None  # The last one: its lines follow each other.
        self.bad_lines = 0
        self.first_bad_line = 0

    def add_stream(self, source: BinaryIO | Iterable[bytes]) -> AuditResult:
        """Audit everything in a stream, or in an iterable of pieces of bytes.

        Lines are records of the spool or of a capture, plain events, or bodies
        `{"events": […]}`; a document may be pretty-printed over many lines.

        Raises:
            OSError: the stream broke off.
        """
        for item in reading.Reader().read(self._reported(reading.pieces_of(source))):
            self._add_item(item)
        return self.result()

    def add_spool(self, environment: Environment, states: Sequence[State] = STATES) -> AuditResult:
        """Audit the spool's events of some states; the spool stays as it is.

        Raises:
            FileUnreadableError: the spool cannot be read.
            SpoolSetAsideError: it was not a spool of ours.
        """
        reader = reading.Reader()
        with open_spool(environment, read_only=True) as store:
            for body in self._reported(store.bodies(states)):
                item = reader.decode(body)
                self._add_item(item._replace(value={"event": item.value}))
        return self.result()

    def _reported(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Hand pieces or lines on, and report now and then how much is done."""
        done = reported = 0
        for piece in pieces:
            yield piece
            done += len(piece)
            if self._on_progress is not None and done >= reported + reading.PIECE_BYTES:
                self._on_progress(self.events, done)
                reported = done

    def _add_item(self, item: Item) -> None:
        """Audit one value of a stream, or count its line as one that holds no event."""
        if reading.is_observation(item.value):
            return
        if is_of_others(item.value):
            if not self._only_known:
                self._add_of_others(item)
            return
        if not self.add(item.value, line=item.line):
            self.bad_lines += 1
            self.first_bad_line = self.first_bad_line or item.line
        if item.hidden:
            self._add_hidden(item.value, item.hidden)

    def add(self, record: object, *, line: int = 0) -> bool:
        """Audit one value of the forms of `add_stream`; False for anything else."""
        self._ledger.line = line
        self._ledger.version = None
        events, headers = _parts_of(record)
        if events is None:
            return isinstance(record, dict) and self._add_without_event(record)
        session = self._take_headers(headers)
        for event in events:
            self._add_event(event, session)
        return True

    def result(self) -> AuditResult:
        """Return what was found so far; more may be added after it."""
        # A word of a command's name that was typed is no value of a parameter.
        return AuditResult(
            self.events,
            dict(self._names),
            tuple(self._ledger.findings(left_out=self._words)),
            self.bad_lines,
            self.first_bad_line,
            self.without_events,
            self.other_requests,
        )

    def shown_name(self, name: object) -> str:
        """Return a name or a path as it may be shown: `*` if it gives something away."""
        if isinstance(name, str) and not self._checker.gives_away(name):
            return clean(name)
        return _OTHER

    def _add_event(self, event: object, session: str) -> None:
        self.events += 1
        name = event.get("name") if isinstance(event, dict) else None
        node = self._trees.get(name) if isinstance(name, str) else None
        if node is None or not isinstance(event, dict):
            self._add_unknown(name, event)
        else:
            self._add_known(node, event)
        if session:
            self._add_session(str(name), session)

    def _add_known(self, node: Node, event: dict[str, object]) -> None:
        self._count(node.event)
        if not node.is_documented:
            self._ledger.add("UC101", node.event, "")
        self._checker.walk(node, event)
        payload = event.get("payload")
        if node.event in _NAMES_OF_COMMANDS:
            self._note_command(payload, _NAMES_OF_COMMANDS[node.event])
        elif node.event == _CALL and isinstance(payload, dict):
            self._check_status(payload)

    def _add_unknown(self, name: object, event: object) -> None:
        """Audit an event that nothing is known of, under a name that may be shown."""
        counted = self._count(self.shown_name(name))
        self._ledger.add("UC101" if isinstance(name, str) else "UC106", counted, "")
        self._checker.below(Node(counted), event)

    def _count(self, name: str) -> str:
        """Count an event under its name, or under `*` if there are too many names."""
        if name not in self._names and len(self._names) >= _MOST_NAMES:
            name = _OTHER
        self._names[name] = self._names.get(name, 0) + 1
        return name

    def _add_without_event(self, record: dict[str, object]) -> bool:
        """Audit a line that a capture keeps beside its events; False for any other object."""
        if record.get("kind") != UNPARSED or "name" in record:
            return False
        rule = _rule_of_problem(record)
        if rule in _SAYS_NOTHING:
            self.without_events += 1
            self._ledger.add(rule, UNPARSED, "")
            return True
        self.events += 1
        self._count(UNPARSED)
        self._ledger.add(rule, UNPARSED, "/path" if rule == _IN_ADDRESS else "/body")
        self._checker.below(Node(UNPARSED, "/body"), _body_of(record).decode("utf-8", "replace"))
        return True

    def _add_of_others(self, item: Item) -> None:
        """Search a line of another program for what it gives away, under its host's name."""
        record: Any = item.value
        host = self.shown_name(record["host"])
        host = _OTHER_HOST if host == _OTHER else host
        self._ledger.line = item.line
        self._ledger.others.add(host)
        if record["request"] != self._other_request:
            self._other_request = record["request"]
            self.other_requests += 1
            for place, text in _address_of(record):
                self._checker.below(Node(host, place), text)
        for event in _parts_of(record)[0] or ():
            self._checker.below(Node(host), event)
        body = reading.Reader().decode(_body_of(record))
        text = body.text.decode("utf-8", "replace")
        self._checker.below(Node(host, "/body"), text if body.value is None else body.value)
        self._search_hidden(record, item.hidden, host)

    def _add_hidden(self, record: object, hidden: Hidden) -> None:
        """Search what repeated names hide, in each event and then around them."""
        for event in _parts_of(record)[0] or ():
            name = event.get("name") if isinstance(event, dict) else None
            self._search_hidden(event, hidden, self.shown_name(name))
        self._search_hidden(record, hidden, _OTHER)

    def _search_hidden(self, root: object, hidden: Hidden, event: str) -> None:
        place_below = self._checker.place_below
        waiting = [("", root)]
        while waiting and hidden:
            place, each = waiting.pop()
            if isinstance(each, dict):
                _, members = hidden.pop(id(each), (None, []))
                below = [(place_below(place, key), value) for key, value in members]
                for pointer, value in below:
                    self._ledger.add("UC108", event, pointer)
                    self._checker.below(Node(event, pointer), value)
                waiting += [(place_below(place, key), value) for key, value in each.items()]
                waiting += below
            elif isinstance(each, list):
                waiting += [(f"{place}/*", item) for item in each]

    def _take_headers(self, headers: object) -> str:
        """Take the client's version from a request's headers; return the session they name."""
        if not isinstance(headers, dict):
            return ""
        agent, session = headers.get("user-agent"), headers.get(_SESSION_HEADER)
        if isinstance(agent, str):
            found = _CLIENT.search(agent)
            self._ledger.version = found[1] if found else None
        return session if isinstance(session, str) else ""

    def _add_session(self, name: str, session: str) -> None:
        """Note that the header of an event's request names a session."""
        pointer = f"/headers/{_SESSION_HEADER}"
        if name == CLI:
            self._ledger.add("UC201", CLI, pointer, session)
        self._checker.ids.see(name, pointer, session)

    def _note_command(self, payload: object, path: tuple[str, ...]) -> None:
        found = payload
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(found, str) and len(self._words) < _MOST_WORDS:
            self._words.update(found[:_LONGEST_COMMAND].split())

    def _check_status(self, payload: dict[str, object]) -> None:
        """Look for error texts with a status that the notice does not allow them with."""
        status = payload.get("status_code")
        if status not in _CLIENT_ERRORS:
            for key in ("err_type", "err_msg"):
                if payload.get(key):
                    self._ledger.add("UC306", _CALL, f"/payload/{key}", payload[key])
        trace = payload.get("stack_trace")
        if trace and status != _INTERNAL:
            self._ledger.add("UC305", _CALL, "/payload/stack_trace", trace)


def _body_of(record: Mapping[str, object]) -> bytes:
    """Return the body that a line without an event keeps, decoded; empty where it keeps none."""
    text, headers, problem = (record.get(name) for name in ("body", "headers", "problem"))
    body = b""
    with suppress(ValueError):  # What is not base64 came from no capture.
        body = base64.b64decode(text) if isinstance(text, str) else b""
    if body and isinstance(headers, dict):
        from usagectl.capture.decoding import UndecodableError  # few lines keep a body
        from usagectl.capture.reading import uncoded

        with suppress(UndecodableError, AttributeError):
            return uncoded(body, headers, str(problem))
    return body


def _address_of(record: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Yield the path and the query of a request, decoded; a value that is masked is left out."""
    path, _, query = str(record.get("path")).partition("?")
    yield "/path", unquote(path)
    for name, value in parse_qsl(query, keep_blank_values=True):
        yield "/path", {name: "" if value == _OTHER else value}


def _rule_of_problem(record: dict[str, object]) -> str:
    """Name the rule of a request without an event: by its problem, if that is known."""
    problem, method, path = (record.get(name) for name in ("problem", "method", "path"))
    if problem == reading.EMPTY:
        if isinstance(path, str) and "?" in path:
            return _IN_ADDRESS
        return "UC111" if method in _REPORTING else "UC110"
    if problem in _RULES_OF_PROBLEMS or not isinstance(problem, str):
        return _RULES_OF_PROBLEMS.get(str(problem), "UC107")
    return "UC112"


def _parts_of(record: object) -> tuple[list[object] | None, object]:
    """Return the events of a record, an event or a body, else None; and a record's headers."""
    if isinstance(record, list):
        return record, None
    if not isinstance(record, dict):
        return None, None
    if "name" in record:
        return [record] if isinstance(record["name"], str) else None, None
    if record.get("event") is not None:
        return [record["event"]], record.get("headers")
    events = record.get("events", ())
    if events is None:  # Programs in Go write an empty list so.
        return [], None
    return events if isinstance(events, list) else None, None
