"""Own the audit of records as they come: which event each holds, and what came with it."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, NamedTuple

from usagectl.audit import tree
from usagectl.audit.checks import CLI, Checker
from usagectl.audit.context import Context
from usagectl.audit.findings import Ledger
from usagectl.audit.masking import clean
from usagectl.audit.sharing import SharedIds

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from usagectl.audit.findings import Finding
    from usagectl.audit.repeats import Repeats

_MOST_NAMES = 1000
_MOST_COMMANDS = 4096
_OTHER = "*"
_UNPARSED = "unparsed"
_LSTK = "lstk_command"
_SESSION_HEADER = "localstack-session-id"
_CLIENT = re.compile(r"(?:localstack lstk|localstack|lstk)/([0-9][\w.+-]{0,40})")
_CLIENT_ERROR, _SERVER_ERROR, _INTERNAL = 400, 500, 500


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
        self._trees = tree.compile_events()
        self._names: dict[str, int] = {}
        self._commands: set[str] = set()
        self._versions: dict[str, str | None] = {}
        self._has_words = any(rule == "UC401" and texts for rule, texts in self._context.values)
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
        words = {word for command in self._commands for word in command.split()}
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
        names = self._names
        names[name] = names.get(name, 0) + 1
        if not node.is_documented:
            self._ledger.add("UC101", name, "")
        self._checker.walk(node, event)
        if name == CLI:
            self._add_command(event, session)
        elif name == "aws_request":
            self._check_status(event.get("payload"))
        elif name == _LSTK:
            self._note_command(event, "parameters", "command")

    def _add_sent(self, event: object, headers: object) -> None:
        """Audit an event together with the headers of the request that brought it."""
        session = None
        if isinstance(headers, dict):
            agent = headers.get("user-agent")
            self._ledger.version = self._version_of(agent) if isinstance(agent, str) else None
            found = headers.get(_SESSION_HEADER)
            session = found if isinstance(found, str) and found else None
        name = event.get("name") if isinstance(event, dict) else None
        if session and name != CLI:
            self._ids.see(str(name), "", session)
        self._add_event(event, session)

    def _version_of(self, agent: str) -> str | None:
        if agent not in self._versions:
            if len(self._versions) >= _MOST_NAMES:
                self._versions.clear()
            found = _CLIENT.search(agent[:200])
            self._versions[agent] = found[1] if found else None
        return self._versions[agent]

    def _add_command(self, event: Mapping[str, object], session: str | None) -> None:
        if session:
            pointer = f"/headers/{_SESSION_HEADER}"
            self._ledger.add("UC201", CLI, pointer, session)
            self._ids.see(CLI, pointer, session)
        self._note_command(event, "cmd")

    def _note_command(self, event: object, *path: str) -> None:
        """Remember a command's name: a word of it that was typed is no parameter's value."""
        if not self._has_words or len(self._commands) >= _MOST_COMMANDS:
            return
        found = event
        for key in ("payload", *path):
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(found, str):
            self._commands.add(found[:200])

    def _check_status(self, payload: object) -> None:
        """Look for error texts with a status that the notice does not allow them with."""
        if type(payload) is not dict:
            return
        status = payload.get("status_code")
        if "err_type" in payload or "err_msg" in payload:
            is_allowed = isinstance(status, int) and _CLIENT_ERROR <= status < _SERVER_ERROR
            for key in () if is_allowed else ("err_type", "err_msg"):
                if payload.get(key):
                    self._ledger.add("UC306", "aws_request", f"/payload/{key}", payload[key])
        if payload.get("stack_trace") and status != _INTERNAL:
            trace = payload["stack_trace"]
            self._ledger.add("UC305", "aws_request", "/payload/stack_trace", trace)

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
