"""Captures in a report: how each was made, what came, what that could not see, its audit."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from usagectl import audit
from usagectl.capture import hosts, reading, traffic
from usagectl.capture.file import Sums, Target
from usagectl.capture.traffic import COUNTED, COUNTS, KINDS, HostTraffic
from usagectl.errors import FileCorruptError, FileUnreadableError
from usagectl.events.reading import UNPARSED
from usagectl.machine.file_errors import unreadable
from usagectl.report import sums
from usagectl.showing import as_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from usagectl.capture.observations import Seen
    from usagectl.machine.environment import Environment

MODES = ("sealed", "proxy", "redirect")


def read(environment: Environment, file: Path) -> dict[str, Any]:
    """Read a capture file as a report shows it; its own last line may say how it was made.

    A file is only believed as far as it has the form that `usagectl capture` writes.

    Raises:
        FileUnreadableError: it cannot be read.
        FileCorruptError: it is no capture.
    """
    if file.exists() and not file.is_file():
        raise FileUnreadableError(file, reason="it is not a regular file")
    try:
        sha256, size = sums.of_file(file)
        run = reading.load_run(file)
        requests = _Requests(file)
        found = audit.audit_capture(environment, file, ())
    except OSError as error:
        raise unreadable(file, error) from error
    if size and run is None and not requests.is_capture:
        hint = "usagectl capture --sealed -o out.jsonl -- CMD"
        raise FileCorruptError(file, reason="it is no capture of usagectl's", hint=hint)
    noted, name = run or {}, _namer(environment)
    rows = _rows_of(noted.get("hosts")) if run else requests.rows()
    rows = [{**row, "host": name(row["host"])} for row in rows]
    return {
        "file": sums.name_of(file, environment.cwd),
        "sha256": sha256,
        "size": size,
        "is_noted": run is not None,
        "time": _text(noted, "time"),
        "usagectl": _text(noted, "usagectl"),
        "command": _text(noted, "command"),
        "mode": _mode(noted, requests),
        "status": _number(noted, "status"),
        "requests": requests.count,
        "events": requests.events,
        "bytes": _number(noted, "bytes"),
        "foreign": requests.foreign,
        **{name: _number(noted, name) or 0 for name in ("refused", "unstored")},
        "hosts": rows,
        "by_tool": _by_tool(rows) or requests.by_tool(),
        "not_seen": [*_gaps_of(noted.get("not_seen"))],
        "audit": as_data(found),
    }


def _namer(environment: Environment) -> Callable[[str], str]:
    """Return what hides the name of a host that tells on somebody: a file may be a revealed one."""
    shown = audit.Auditor(audit.Context.from_environment(environment)).shown_name
    return lambda host: "*" if shown(host) == "*" else host


class _Requests:
    """What the lines of a capture say by themselves: requests and what was seen beside them."""

    def __init__(self, file: Path) -> None:
        self.count = self.events = self.foreign = 0
        self._tools: Counter[str] = Counter()
        self._sums = Sums()
        last = ""
        for each in reading.load(file):
            self.events += each.name != UNPARSED
            if each.request == last:  # The events of one request stand together.
                continue
            last = each.request
            self.count += 1
            self.foreign += each.is_foreign
            self._tools[str(each.tool)] += 1
            if each.host:
                target = Target(str(each.host), _as_number(each.port) or 0, str(each.path))
                self._sums.by_target[target] += 1
        for seen in reading.load_observations(file):
            if _is_sound(seen):
                self._sums.observed.add(seen.observation, now=seen.first, times=seen.times)

    @property
    def is_capture(self) -> bool:
        """True if a line has the form of a capture."""
        return bool(self.count or self._sums.observed.count())

    @property
    def has_hosts(self) -> bool:
        """True if a recorder wrote it, which knows where a request was to go."""
        return bool(self._sums.by_target or self._sums.observed.count())

    def rows(self) -> list[dict[str, Any]]:
        """Sum up by host; how many bytes went there, the lines of events do not say."""
        found = traffic.by_host(self._sums, hosts.known().owner)
        return [{**_row_of(each), "bytes": None} for each in found]

    def by_tool(self) -> list[dict[str, Any]]:
        """Count by tool what variables led here, whose hosts nobody asked for."""
        known = self._tools.most_common()
        return [{"tool": tool, "host": None, "requests": count} for tool, count in known]


def _is_sound(seen: Seen) -> bool:
    """True if each member of an observation has its own form: a file may hold anything."""
    kind, host, address, port, detail = seen.observation
    texts = (kind, host, address, detail)
    are_texts = all(isinstance(each, str) for each in texts)
    return are_texts and kind in COUNTED and None not in (_as_number(port), _as_number(seen.times))


def _mode(noted: Mapping[str, Any], requests: _Requests) -> str | None:
    """Return the way of the capture; None where it was a recorder's, and which is not said."""
    mode = noted.get("mode")
    if mode in MODES:
        return str(mode)
    return None if requests.has_hosts else "redirect"


def _row_of(row: HostTraffic) -> dict[str, Any]:
    texts = {"tool": row.tool or None, "service": row.service or None}
    return {**row._asdict(), "port": row.port or None, **texts}


def _rows_of(value: object) -> list[dict[str, Any]]:
    """Take the sums by host that the file notes, each member only in its own form."""
    rows = [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
    return [
        {
            "host": _text(row, "host") or "",
            "port": _number(row, "port"),
            "tool": _text(row, "tool"),
            "kind": row["kind"] if row.get("kind") in KINDS else "unknown",
            "service": _text(row, "service"),
            **{name: _number(row, name) or 0 for name in COUNTS},
        }
        for row in rows
    ]


def _by_tool(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Count requests by tool and host, most first: the bars of the report."""
    counts: Counter[tuple[str | None, str]] = Counter()
    for row in rows:
        counts[row["tool"] or row["service"], row["host"]] += row["requests"]
    found = [(pair, count) for pair, count in counts.most_common() if count]
    return [{"tool": tool, "host": host, "requests": count} for (tool, host), count in found]


def _gaps_of(value: object) -> Iterator[dict[str, str]]:
    for each in value if isinstance(value, list) else []:
        if isinstance(each, dict) and (sentence := _text(each, "sentence")):
            yield {"code": _text(each, "code") or "", "sentence": sentence}


def _text(members: Mapping[str, object], name: str) -> str | None:
    value = members.get(name)
    return value if isinstance(value, str) else None


def _number(members: Mapping[str, object], name: str) -> int | None:
    return _as_number(members.get(name))


def _as_number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
