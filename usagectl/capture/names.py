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

from usagectl.capture.observations import OTHERS, Observation
from usagectl.errors import LibraryMissingError

try:
    from dnslib import (
        AAAA,
        PTR,
        QTYPE,
        RCODE,
        RR,
        A,
        DNSBuffer,
        DNSError,
        DNSHeader,
        DNSQuestion,
        DNSRecord,
    )
    from dnslib.buffer import BufferError as DNSBufferError
    from dnslib.label import DNSLabelError
except ModuleNotFoundError as error:
    raise LibraryMissingError("dnslib") from error

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

_FIRST = int(ipaddress.IPv4Address("198.18.0.1"))
"""The first of the addresses for tests of networks (RFC 2544): no program has one built in."""

_MOST_NAMES = 65_536
_MOST_CHARACTERS = 255
_MOST_BYTES = 4096
_HEAD_BYTES = 12
_BATCH = 256
_TTL_SECONDS = 60
_QUERY = 0
_IP_PKTINFO = 8
_IPV6_FREEBIND = 78  # linux/in6.h
_UNREADABLE = (DNSError, DNSLabelError, DNSBufferError, ValueError, IndexError, struct.error)


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
            if each.family == socket.AF_INET6:  # To answer from any address (ipv6(7)).
                each.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
            loop.add_reader(each, self._take, each)

    def detach(self) -> None:
        """Answer what has come in, and close the sockets."""
        for each in self._sockets:
            self._take(each)
            self._loop.remove_reader(each)
            each.close()

    def _take(self, server: socket.socket) -> None:
        with suppress(BlockingIOError):
            for _ in range(_BATCH):
                with suppress(ConnectionError):  # A client of an earlier answer has gone.
                    self._take_one(server)

    def _take_one(self, server: socket.socket) -> None:
        query, ancillary, _, client = server.recvmsg(_MOST_BYTES, 256)
        if answer := self.answer(query):
            with suppress(OSError):  # The client has gone.
                server.sendmsg([answer], _from_where_it_was_asked(ancillary), 0, client)

    def answer(self, query: bytes) -> bytes:
        """Answer one look-up; empty for a packet that is none. All that comes in is observed."""
        try:
            header, question = _read(query)
            return self._reply(header, question).pack()  # type: ignore[no-any-return]
        except _UNREADABLE:
            self._on_observed(Observation("look-up", "", detail="malformed"))
            return _malformed(query)

    def _reply(self, header: DNSHeader, question: DNSQuestion) -> DNSRecord:
        name = _plain(question.qname.label)
        kind = QTYPE.get(question.qtype) or str(question.qtype)
        head = DNSHeader(id=header.id, qr=1, aa=1, rd=header.rd, ra=1)
        reply = DNSRecord(head, q=question)
        if name == "localhost" or name.endswith(".localhost"):  # RFC 6761, 6.3
            data = {"A": A("127.0.0.1"), "AAAA": AAAA("::1")}.get(kind)
        else:
            self._on_observed(Observation("look-up", name, detail=kind))
            data = self._data(name, kind)
        if data is not None:
            of_data = getattr(QTYPE, type(data).__name__)  # Of a question for ANY, another one.
            reply.add_answer(RR(question.qname, of_data, ttl=_TTL_SECONDS, rdata=data))
        return reply

    def _data(self, name: str, kind: str) -> A | PTR | None:
        if kind in ("A", "ANY"):
            return A(self._names.address_of(name))
        labels = name.removesuffix(".in-addr.arpa").split(".")
        known = self._names.name_of(".".join(reversed(labels))) if kind == "PTR" else ""
        return PTR(known) if known and known != OTHERS else None


def _read(query: bytes) -> tuple[DNSHeader, DNSQuestion]:
    """Read a look-up up to its question: what follows, such as EDNS, changes no answer.

    Raises:
        DNSError: it is no look-up, or the name cannot be one. Other errors mean the same.
    """
    buffer = DNSBuffer(query)
    header = DNSHeader.parse(buffer)
    if (header.qr, header.opcode, header.q) != (_QUERY, _QUERY, 1):
        raise DNSError
    question = DNSQuestion.parse(buffer)
    question.pack(DNSBuffer())  # A name of more than 253 bytes is read, but not written.
    return header, question


def _plain(labels: Sequence[bytes]) -> str:
    """Return a name in lower case and printable ASCII, written as in RFC 1035, 5.1."""
    return ".".join("".join(map(_escaped, each.lower())) for each in labels)[:_MOST_CHARACTERS]


def _escaped(byte: int) -> str:
    if byte in b".\\":
        return f"\\{byte:c}"
    return chr(byte) if 0x21 <= byte <= 0x7E else f"\\{byte:03}"  # noqa: PLR2004  (printable)


def _malformed(query: bytes) -> bytes:
    """Answer a packet that cannot be read: the format is wrong (RFC 1035, 4.1.1)."""
    if len(query) < _HEAD_BYTES or query[2] & 0x80:  # No whole head, or an answer.
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
