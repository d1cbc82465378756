"""Names and their addresses in a sealed run: a name server that gives each name one of its own.

So a connection tells which name was looked up for it, whatever the program says later.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from dnslib import AAAA, PTR, QTYPE, RCODE, RR, A, DNSError, DNSHeader, DNSRecord

from usagectl.capture.observations import OTHERS, Observation

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

_FIRST = int(ipaddress.IPv4Address("198.18.0.1"))
"""The first of the addresses for tests of networks (RFC 2544): no program has one built in."""

_MOST_NAMES = 65_536
_MOST_CHARACTERS = 255
_MOST_BYTES = 4096
_TTL_SECONDS = 60
_QUERY = 0
_IP_PKTINFO = 8


class Names:
    """Names and the address of each; safe to use from any thread.

    Beyond 65,536 names all further ones share an address.
    """

    def __init__(self) -> None:
        self._addresses: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._lock = threading.Lock()

    def address_of(self, name: str) -> str:
        """Return the address of a name, a new one for a new name."""
        with self._lock:
            known = self._addresses.get(name)
            if known is None:
                if len(self._addresses) >= _MOST_NAMES:
                    name = OTHERS
                known = str(ipaddress.IPv4Address(_FIRST + len(self._names)))
                known = self._addresses.setdefault(name, known)
                self._names[known] = name
            return known

    def name_of(self, address: str) -> str:
        """Return the name that an address was given out for; empty for any other address."""
        with self._lock:
            return self._names.get(address, "")


class NameServer:
    """A server for look-ups: A with the name's own address, all else empty.

    It serves UDP sockets that say whom a packet was for, and answers from there: a program may
    ask a server of its own choice.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        names: Names,
        on_observed: Callable[[Observation], None],
    ) -> None:
        self._sockets = sockets
        self._names = names
        self._on_observed = on_observed
        self._loop: asyncio.AbstractEventLoop

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to answer in a loop."""
        self._loop = loop
        for each in self._sockets:
            each.settimeout(0)
            loop.add_reader(each, self._take, each)

    def detach(self) -> None:
        """Stop answering, and close the sockets."""
        for each in self._sockets:
            self._loop.remove_reader(each)
            each.close()

    def _take(self, server: socket.socket) -> None:
        with suppress(OSError):  # The client has gone, or the packet has been taken back.
            query, ancillary, _, client = server.recvmsg(_MOST_BYTES, 256)
            if answer := self.answer(query):
                server.sendmsg([answer], _from_where_it_was_asked(ancillary), 0, client)

    def answer(self, query: bytes) -> bytes:
        """Answer one look-up; empty for a packet that is none."""
        try:
            asked = DNSRecord.parse(query)
        except (DNSError, ValueError, IndexError, struct.error, UnicodeError):
            self._on_observed(Observation("look-up", "", detail="malformed"))
            return _malformed(query)
        if asked.header.qr != _QUERY or len(asked.questions) != 1:
            return b""
        try:
            return self._reply(asked).pack()  # type: ignore[no-any-return]
        except (DNSError, ValueError, struct.error, UnicodeError):
            return _malformed(query)

    def _reply(self, asked: DNSRecord) -> DNSRecord:
        question = asked.questions[0]
        name = _plain(str(question.qname))
        kind = QTYPE.get(question.qtype) or str(question.qtype)
        reply = asked.reply()
        if name == "localhost" or name.endswith(".localhost"):  # RFC 6761, 6.3
            data = {"A": A("127.0.0.1"), "AAAA": AAAA("::1")}.get(kind)
        else:
            self._on_observed(Observation("look-up", name, detail=kind))
            data = self._data(name, kind)
        if data is not None:
            reply.add_answer(RR(question.qname, question.qtype, ttl=_TTL_SECONDS, rdata=data))
        return reply

    def _data(self, name: str, kind: str) -> A | PTR | None:
        if kind in ("A", "ANY"):
            return A(self._names.address_of(name))
        labels = name.removesuffix(".in-addr.arpa").split(".")
        known = self._names.name_of(".".join(reversed(labels))) if kind == "PTR" else ""
        return PTR(known) if known and known != OTHERS else None


def _plain(name: str) -> str:
    """Return a name in lower case without its last dot, in printable ASCII."""
    plain = name.removesuffix(".").lower()
    printable = plain if plain.isascii() and plain.isprintable() else ascii(plain)[1:-1]
    return printable[:_MOST_CHARACTERS]


def _malformed(query: bytes) -> bytes:
    """Answer a packet that cannot be read: the format is wrong (RFC 1035, 4.1.1)."""
    if len(query) < 12 or query[2] & 0x80:  # noqa: PLR2004  (a whole head; not an answer)
        return b""
    header = DNSHeader(id=int.from_bytes(query[:2]), qr=1, rcode=RCODE.FORMERR)
    return DNSRecord(header).pack()  # type: ignore[no-any-return]


def _from_where_it_was_asked(
    ancillary: Sequence[tuple[int, int, bytes]],
) -> list[tuple[int, int, bytes]]:
    """Return what has an answer leave from the address that a packet was for (ip(7), ipv6(7))."""
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
            interface, _, to = struct.unpack("=I4s4s", data[:12])
            return [(level, kind, struct.pack("=I4s4s", interface, to, b"\0" * 4))]
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            return [(level, kind, data)]
    return []
