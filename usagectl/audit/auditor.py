"""Own the audit of records as they come: which event each holds, and what came with it."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, NamedTuple

from usagectl.audit import tree, usual
from usagectl.audit.checks import CLI, Checker, remember
from usagectl.audit.context import Context
from usagectl.audit.findings import Ledger
from usagectl.audit.masking import clean
from usagectl.audit.payloads import Payloads
from usagectl.audit.sharing import SharedIds

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from usagectl.audit.findings import Finding
    from usagectl.audit.repeats import Repeats
    from usagectl.audit.tree import Node
    from usagectl.audit.usual import Event

_MOST_NAMES = 1000
_OTHER = "*"
_UNPARSED = "unparsed"
_SESSION_HEADER = "localstack-session-id"
_CLIENT = re.compile(r"(?:localstack lstk|localstack|lstk)/([0-9][\w.+-]{0,40})")


class AuditResult(NamedTuple):
    """Hold what an audit says.

    Attributes:
        events: how many were looked at.
        by_name: how many of each name; names beyond a thousand count under `*`.
        findings: where they depart from the notice, worst first.
        bad_lines: how many lines hold no event.
        first_bad_line: the number of the first of them, 0 without one.
    """

    events: int
    by_name: Mapping[str, int]
    findings: tuple[Finding, ...]
    bad_lines: int = 0
    first_bad_line: int = 0


class Auditor:
    """Audit events one after another; what it keeps is bounded, however many they are."""

    def __init__(
        self,
        context: Context | None = None,
        *,
        shows_values: bool = False,
        only: Container[str] | None = None,
    ) -> None:
        """Begin an audit.

        Args:
            context: the values of this machine to look for; None looks for none.
            shows_values: whether examples are whole instead of masked.
            only: IDs of the rules that count; None: all.
        """
        self._context = context or Context()
        self._ledger = Ledger(shows_values=shows_values, only=only)
        self._ids = SharedIds(self._ledger)
        self._checker = Checker(self._context, self._ledger, self._ids)
        self._payloads = Payloads(self._context, self._ledger)
        self._trees = tree.compile_events()
        self._usual: dict[str, tuple[Node, ...] | None] = {}
        self._names: dict[str, int] = {}
        self._versions: dict[str, str | None] = {}
        self.events = 0
        self.bad_lines = 0
        self.first_bad_line = 0

    def add(self, record: object, *, line: int = 0) -> bool:
        """Audit one record, event or body; False when it is none of these.

        Args:
            record: JSON as Python values: a record of the spool or of a capture, a plain
                event, or a body `{"events": […]}`.
            line: where it stands, for the finding.
        """
        ledger = self._ledger
        ledger.line = line
        if type(record) is not dict:
            return isinstance(record, list) and bool(record) and self._add_all(record)
        ledger.version = None
        event = record.get("event")
        if event is not None and "name" not in record:
            headers = record.get("headers")
            if headers is None:
                self._add_event(event, None)
            else:
                self._add_sent(event, headers)
            return True
        return self._add_other(record)

    def add_usual(
        self, event: Event, headers: Mapping[str, object] | None, *, line: int = 0
    ) -> bool:
        """Audit an event whose payload is still bytes; False where it has to be read whole.

        It finds what `add` finds in the same event or record, and counts as much.
        """
        nodes = self._usual.get(event.name) or self._nodes_of(event.name)
        if nodes is None:
            return False
        node, name, metadata, below = nodes
        written = bytes(event.payload)
        is_new = written not in below.good_objects
        payload = usual.read_payload(written) if is_new else None
        if is_new and payload is None:
            return False
        self._ledger.line = line
        self._ledger.version = None
        session = self._take_headers(headers, event.name) if headers else None
        self.events += 1
        self._count(node)
        if event.name not in name.good:
            self._checker.text(name, event.name)
        self._checker.walk(metadata, event.metadata)
        if payload is not None:
            self._add_payload(below, payload, written=written)
        if session and event.name == CLI:
            self._add_session(session)
        return True

    def _nodes_of(self, name: str) -> tuple[Node, ...] | None:
        """Give the node of an event that is known, and those of its three members."""
        node = self._trees.get(name)
        if node is None:
            return None
        if name not in self._usual:
            plan = self._checker.plan(node, usual.MEMBERS)
            _, metadata, payload = plan.children
            is_usual = not plan.tallies and metadata.children and payload.children
            self._usual[name] = (node, *plan.children) if is_usual else None
        return self._usual[name]

    def _add_payload(self, node: Node, payload: dict[str, object], *, written: bytes) -> None:
        """Audit a payload, and remember its bytes where nothing was found nor noted of it."""
        before = self._ledger.counted + self._ids.seen
        self._checker.walk(node, payload)
        self._payloads.check(node.event, payload)
        if self._ledger.counted + self._ids.seen == before:
            remember(node.good_objects, written)

    def _add_other(self, record: dict[str, object]) -> bool:
        """Audit what is no record of an event: a plain event, a body, a header."""
        if "name" in record:
            is_event = isinstance(record["name"], str)
            if is_event:
                self._add_event(record, None)
            return is_event
        events = record.get("events")
        if isinstance(events, list):
            return self._add_all(events)
        if record.get("kind") == _UNPARSED:
            self._add_unparsed(record)
            return True
        return "at" in record or "capture" in record

    def add_repeating(self, repeats: Repeats, record: object, *, line: int = 0) -> bool:
        """Audit a record in which names stand twice, and search what they have overwritten."""
        is_known = self.add(record, line=line)
        for event in _events_of(record):
            name = event.get("name") if isinstance(event, dict) else None
            self._add_repeats(repeats, event, self.shown_name(name))
        self._add_repeats(repeats, record, _OTHER)
        return is_known

    def _add_repeats(self, repeats: Repeats, root: object, event: str) -> None:
        for pointer, value in repeats.take(root, self._checker.place_below):
            self._ledger.add("UC108", event, pointer)
            self._checker.below(tree.open_event(event), value, pointer=pointer)

    def add_bad_line(self, line: int) -> None:
        """Count a line that holds no event."""
        self.bad_lines += 1
        self.first_bad_line = self.first_bad_line or line

    def result(self) -> AuditResult:
        """Give what was found so far; more may be added after it."""
        words = self._payloads.words_of_commands()
        findings = tuple(self._ledger.findings(left_out=words))
        return AuditResult(
            self.events, dict(self._names), findings, self.bad_lines, self.first_bad_line
        )

    def _add_all(self, events: Iterable[object]) -> bool:
        for event in events:
            self._add_event(event, None)
        return True

    def _add_event(self, event: object, session: str | None) -> None:
        self.events += 1
        if type(event) is not dict:
            self._add_malformed(event)
            return
        name = event.get("name")
        node = self._trees.get(name) if isinstance(name, str) else None
        if node is None or not isinstance(name, str):
            self._add_unknown(event, name)
            return
        self._count(node)
        self._checker.walk(node, event)
        if session and name == CLI:
            self._add_session(session)
        self._payloads.check(name, event.get("payload"))

    def _count(self, node: Node) -> None:
        self._names[node.event] = self._names.get(node.event, 0) + 1
        if not node.is_documented:
            self._ledger.add("UC101", node.event, "")

    def _add_sent(self, event: object, headers: object) -> None:
        """Audit an event together with the headers of the request that brought it."""
        name = event.get("name") if isinstance(event, dict) else None
        session = self._take_headers(headers, str(name)) if isinstance(headers, dict) else None
        self._add_event(event, session)

    def _take_headers(self, headers: Mapping[str, object], name: str) -> str | None:
        """Take from a request's headers the client's version, and the session that it names."""
        agent = headers.get("user-agent")
        self._ledger.version = self._version_of(agent) if isinstance(agent, str) else None
        session = headers.get(_SESSION_HEADER)
        if not isinstance(session, str) or not session:
            return None
        if name != CLI:
            self._ids.see(name, "", session)
        return session

    def _version_of(self, agent: str) -> str | None:
        if agent not in self._versions:
            if len(self._versions) >= _MOST_NAMES:
                self._versions.clear()
            found = _CLIENT.search(agent[:200])
            self._versions[agent] = found[1] if found else None
        return self._versions[agent]

    def _add_session(self, session: str) -> None:
        """Note that a header names the session of a CLI event."""
        pointer = f"/headers/{_SESSION_HEADER}"
        self._ledger.add("UC201", CLI, pointer, session)
        self._ids.see(CLI, pointer, session)

    def _add_unknown(self, event: dict[str, object], name: object) -> None:
        shown = self.shown_name(name)
        if shown not in self._names and len(self._names) >= _MOST_NAMES:
            shown = _OTHER
        self._names[shown] = self._names.get(shown, 0) + 1
        rule = "UC101" if isinstance(name, str) else "UC106"
        self._ledger.add(rule, shown, "")
        self._checker.below(tree.open_event(shown), event)

    def shown_name(self, name: object) -> str:
        """Give a name or a path as it may be shown: one that gives something away is `*`."""
        if isinstance(name, str) and not self._checker.gives_away(name):
            return clean(name)
        return _OTHER

    def _add_malformed(self, event: object) -> None:
        self._names[_OTHER] = self._names.get(_OTHER, 0) + 1
        self._ledger.add("UC106", _OTHER, "", event)
        self._checker.below(tree.open_event(_OTHER), event)

    def _add_unparsed(self, record: Mapping[str, object]) -> None:
        self.events += 1
        self._names[_UNPARSED] = self._names.get(_UNPARSED, 0) + 1
        self._ledger.add("UC107", _UNPARSED, "/body", "")
        body = record.get("body")
        if isinstance(body, str):
            try:
                data = base64.b64decode(body)
            except (binascii.Error, ValueError):
                return
            self._checker.below(
                tree.open_event(_UNPARSED), data.decode("utf-8", "replace"), pointer="/body"
            )


def _events_of(record: object) -> list[object]:
    """List the events in a record, an event or a body."""
    if not isinstance(record, dict):
        return record if isinstance(record, list) else []
    if "name" in record:
        return [record]
    if record.get("event") is not None:
        return [record["event"]]
    events = record.get("events")
    return events if isinstance(events, list) else []
