"""Answer of a recorder that knows each host: whose it is, what went there, what was not seen."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Literal, NamedTuple

from usagectl.capture import decoding, hosts, load, traffic
from usagectl.errors import count_of, install_line, quote
from usagectl.showing import as_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from usagectl.capture.file import Sums
    from usagectl.capture.observations import Seen
    from usagectl.capture.traffic import HostTraffic
    from usagectl.cli._render import Page

Mode = Literal["redirect", "sealed", "proxy"]

_MOST_ROWS = 11
_TOLD_WIDTH = 25  # "12 requests, 123456 bytes"; a longer text wraps at words.
_LEAST_PLACE_WIDTH = 32
_LEAST_END_WIDTH = 16
_LONGEST_HOST = 253  # RFC 1035, without the last dot.
_READERS = {"no-http2": "HTTP/2", "no-brotli": "brotli", "no-zstandard": "zstandard"}


class Gap(NamedTuple):
    """One thing that a capture could not see; `example` is for whoever sits at this machine."""

    code: str
    sentence: str
    example: str = ""

    @property
    def text(self) -> str:
        """The sentence, with its example."""
        return f"{self.sentence.removesuffix('.')}{self.example}."


class Sight(NamedTuple):
    """What a recorder saw of a command, under names that may be shown, and how it looked.

    Attributes:
        mode: the way of the capture.
        command: the name of the command.
        traffic: the sums by host, worst first.
        seen: what was observed beside the requests, oldest first.
        lacks: codes of what this machine has not got for a recorder.
        hidden: sockets of daemons that were hidden from the command.
        killed: how many processes had to be ended.
        unread: how many requests had no body that could be read.
        quiet: the tool of the command, where it is on here and no telemetry of it came.
        is_offline: whether nothing that came was passed on.
    """

    mode: Mode
    command: str
    traffic: Sequence[HostTraffic]
    seen: Sequence[Seen] = ()
    lacks: Sequence[str] = ()
    hidden: Sequence[str] = ()
    killed: int = 0
    unread: int = 0
    quiet: str = ""
    is_offline: bool = True

    @property
    def loud(self) -> tuple[HostTraffic, ...]:
        """The hosts that may have got telemetry."""
        return tuple(row for row in self.traffic if row.is_loud)

    def count(self, kind: str, *details: str) -> int:
        """Count what was observed of a kind, with one of these details or with any."""
        return sum(
            each.times
            for each in self.seen
            if each.observation.kind == kind and (not details or each.observation.detail in details)
        )


def rows_shown(
    sums: Sums, owner_of: Callable[[str, str], traffic.Owner], name: Callable[[str], str]
) -> tuple[tuple[HostTraffic, ...], tuple[Seen, ...]]:
    """Return the sums by host, and what was observed, under names that may be shown."""
    rows = traffic.by_host(sums, owner_of)
    shown = tuple(row._replace(host=host_shown(row.host, name)) for row in rows)
    seen = []
    for each in sums.observed:
        observed = each.observation
        host = host_shown(observed.host, name)
        seen.append(each._replace(observation=observed._replace(host=host)))
    return shown, tuple(seen)


def count_unread(file: Path) -> int:
    """Count the requests of a capture file whose body a missing library would have decoded."""
    return sum(each.problem.endswith(decoding.INSTALLED) for each in load(file))


def host_shown(host: str, name: Callable[[str], str]) -> str:
    """Return a host as it may be shown; an address alone gives nothing away.

    Other names are cut when they are long; of a host the end says whose it is.
    """
    with suppress(ValueError):
        ip_address(host)
        return host
    shown = name(host)
    is_cut = shown.endswith("…") and host.startswith(shown[:-1])
    return host if is_cut and host.isascii() and len(host) <= _LONGEST_HOST else shown


def sight_data(sight: Sight | None) -> dict[str, object]:
    """Return what a recorder saw in its public JSON form; empty without a recorder."""
    if sight is None:
        return {"mode": "redirect", "hosts": [], "observed": [], "not_seen": []}
    return {
        "mode": sight.mode,
        "hosts": [_row_data(row) for row in sight.traffic],
        "observed": [
            {**each.observation._asdict(), "count": each.times, "time": as_data(each.first)}
            for each in sight.seen
        ],
        "not_seen": [gap.code for gap in gaps(sight)],
    }


def _row_data(row: HostTraffic) -> dict[str, object]:
    texts = {"tool": row.tool or None, "service": row.service or None}
    return {**row._asdict(), "port": row.port or None, **texts}


def told(row: HostTraffic) -> str:
    """Say what went to a host: the strongest of what was seen, which tells of the weaker."""
    parts = []
    if row.requests:
        parts.append(f"{count_of(row.requests, 'request')}, {count_of(row.bytes, 'byte')}")
    elif row.connections:
        parts.append(count_of(row.connections, "connection"))
    elif row.look_ups:
        parts.append(count_of(row.look_ups, "look-up"))
    if row.tls_refused:
        parts.append(f"certificate refused {count_of(row.tls_refused, 'time')}")
    if row.packets:
        parts.append(count_of(row.packets, "packet"))
    return ", ".join(parts)


def place_of(row: HostTraffic) -> str:
    """Name the host, with its port where that is not a usual one."""
    host = f"[{row.host}]" if ":" in row.host else row.host
    return row.host if row.port in (0, 80, 443) else f"{host}:{row.port}"


def tool_of(rows: Sequence[HostTraffic], command: str = "") -> str:
    """Name the first tool that is known to send to one of these hosts, alone; else empty.

    A host of several is the command's, where that is one of them.
    """
    known = (row.tool.split(", ") for row in rows if row.tool)
    names = ([command] if command in tools else tools for tools in known)
    return next((first for first, *others in names if not others), "")


def unknown_of(rows: Sequence[HostTraffic]) -> str:
    """Name the first host that nobody knows; empty where each is known, if for other paths."""
    owner_of = hosts.known().owner
    unknown = (row.host for row in rows if row.kind == "unknown")
    return next((host for host in unknown if not owner_of(host).is_telemetry), "")


def first_sentence(sight: Sight) -> str:
    """Say the answer in a sentence."""
    end = " Nothing left this machine."
    if sight.mode == "proxy":  # It knows of nothing but what came to it.
        end = " Nothing was passed on." if sight.is_offline else ""
    if not sight.traffic:
        return _silence(sight)
    loud = sight.loud
    if not loud:
        places = count_of(len(sight.traffic), "place")
        return f"{sight.command} sent no telemetry; it tried {places} known for other things.{end}"
    first, *others = loud
    more = f" and to {count_of(len(others), 'more place')}" if others else ""
    return f"{sight.command} {_did(first)} {place_of(first)}{more}.{end}"


def _silence(sight: Sight) -> str:
    if sight.mode == "proxy":
        return f"{sight.command} sent nothing to the proxy."
    silence = "no look-up, no connection, no packet"
    if sight.killed:
        what = count_of(sight.killed, "process", "processes")
        return f"{sight.command} sent nothing until {what} of it had to be ended: {silence}."
    return f"{sight.command} sent nothing: {silence}."


def _did(row: HostTraffic) -> str:
    """Say what was done with a host, to stand before its name."""
    if row.requests:
        return f"sent {count_of(row.requests, 'request')} to"
    if row.connections or row.packets:
        return "tried to reach"
    return "asked for the address of"


def _what(row: HostTraffic) -> str:
    what = traffic.WORDS[row.kind]
    if row.service and (not row.tool or "," in row.tool):
        return f"{what} ({row.service})"
    whose = ", for" if row.kind == "unknown" else " of"
    return f"{what}{whose} {row.tool}" if row.tool else what


def show(sight: Sight, page: Page) -> None:
    """Draw the sentence, the table and what was not seen."""
    is_plain = sight.traffic or sight.killed
    style = "bold red" if sight.loud else "bold" if is_plain else "bold green"
    page.line(first_sentence(sight), style=style)
    most = sight.traffic if len(sight.traffic) <= _MOST_ROWS + 1 else sight.traffic[:_MOST_ROWS]
    _show_rows([(_what(row), place_of(row), told(row)) for row in most], page)
    page.more(len(sight.traffic) - len(most), "; --summary FILE has them all")
    if found := gaps(sight):
        page.line(" ".join(gap.text for gap in found))


def _show_rows(rows: Sequence[tuple[str, str, str]], page: Page) -> None:
    """Draw what each host is, its name, and what went there.

    A long name is cut at its beginning: its end says whose it is. Where too little of it would
    be left, hosts stand below what they are.
    """
    if not rows:
        return
    whats, places, tolds = (max(map(len, column)) for column in zip(*rows, strict=True))
    room = page.width - len("  " * 4) - whats - min(tolds, _TOLD_WIDTH)
    if room >= min(places, _LEAST_PLACE_WIDTH):
        page.rows([(what, _end_of(place, room), text) for what, place, text in rows])
        return
    for what, these in groupby(rows, key=itemgetter(0)):
        page.indented(what)
        for _, place, text in these:
            room = page.width - len("  " * 4) - len(text)
            page.indented(f"{_end_of(place, room)}  {text}", by=4)


def _end_of(place: str, room: int) -> str:
    return place if len(place) <= room else f"…{place[1 - max(room, _LEAST_END_WIDTH) :]}"


def next_step(sight: Sight) -> str:
    """Say what a person may do next; empty where nothing is left to do."""
    if tool := tool_of(sight.loud, sight.command):
        return f"usagectl status {tool} says which switch decides."
    if sight.quiet:
        return (
            f"{sight.quiet} is on in this shell; usagectl status {sight.quiet} says when it sends."
        )
    kept = "--output FILE keeps what it sent." if sight.loud else ""
    if host := unknown_of(sight.loud):
        return f"if CMD is for {host}, name it with --own {quote(host)}; {kept}"
    return kept


def gaps(sight: Sight) -> list[Gap]:
    """List what could not be seen, in the order of a person's interest."""
    if sight.mode == "proxy":
        return [Gap("passes-proxy", _PASSES), *_unread(sight)]
    return [*_unread(sight), *_unrecorded(sight), *_ended(sight), *_of_no_network(sight)]


_PASSES = "A program may pass a proxy by: what did so was not seen, so this proves no silence."
_NO_NETWORK = (
    "The command had no network: its own requests got a made-up answer, so it may have gone "
    "another way than outside; what failed may have been dropped or sent again."
)


def _unread(sight: Sight) -> Iterator[Gap]:
    """Yield what came, and of which only the host is known."""
    if refused := sum(row.tls_refused for row in sight.traffic):
        what = f"{count_of(refused, 'time')} the certificate of this run was refused"
        yield Gap("tls-refused", f"{what}: the host is known, not what was to be sent.")
    if "no-http2" in sight.lacks and (found := sight.count("connection", "h2")):
        what = f"{count_of(found, 'connection')} in HTTP/2 not read"
        yield Gap("no-http2", f"{what}: {install_line('h2')} has them read.")
    for code in ("no-brotli", "no-zstandard"):
        if code in sight.lacks and sight.unread:  # Else it is said at every run of a plain install.
            told_of = f"Bodies packed with {_READERS[code]} are kept unread"
            yield Gap(code, f"{told_of}: {install_line(_READERS[code])} has them read.")
    if found := sight.count("connection", "unknown"):
        yield Gap("unknown-protocol", f"{count_of(found, 'connection')} spoke no HTTP.")


def _unrecorded(sight: Sight) -> Iterator[Gap]:
    """Yield what was noticed, and recorded by nobody."""
    refused = sight.count("connection", "refused")
    if "no-redirect" in sight.lacks and refused:
        what = f"{count_of(refused, 'connection')} to ports that nobody records"
        yield Gap("no-redirect", f"{what}: with nftables installed they are.")
    if "no-packets" in sight.lacks:
        yield Gap("no-packets", "Packets could not be watched: UDP and other ports are not seen.")
    if "no-ipv6" in sight.lacks:
        yield Gap("no-ipv6", "This machine has no IPv6, so nothing could go by it.")
    if found := sight.count("datagram") + sight.count("packet"):
        yield Gap("packets", f"Counted and not kept: {count_of(found, 'packet')} beside TCP.")


def _ended(sight: Sight) -> Iterator[Gap]:
    """Yield what might have sent more, had it been let."""
    if sight.killed:
        what = count_of(sight.killed, "process", "processes")
        yield Gap("killed", f"{what} still ran and had to be ended; --grace SECONDS waits longer.")
    if sight.hidden:
        what = count_of(len(sight.hidden), "socket")
        such = f", such as {sight.hidden[0]}"
        yield Gap("hidden-sockets", f"Hidden from it: {what} of daemons.", such)


def _of_no_network(sight: Sight) -> Iterator[Gap]:
    if any(row.kind == "loopback" for row in sight.traffic):
        yield Gap("no-loopback", "What runs on this machine was not there for it, as 127.0.0.1.")
    if sight.traffic:
        yield Gap("no-network", _NO_NETWORK)
