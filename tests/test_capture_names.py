"""Tests of the names of a sealed run: each has an address, and nothing that comes in breaks it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dnslib import EDNS0, QTYPE, RCODE, DNSQuestion, DNSRecord
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.sealing import seal
from usagectl.capture.names import Names, NameServer
from usagectl.capture.observations import OTHERS, Observation

if TYPE_CHECKING:
    from tests.support.machine import Machine

HEAD = b"\x12\x34\x01\x00\0\1\0\0\0\0\0\0"
END = b"\0\0\1\0\1"
MOST_NAMES = 65_536


class Asked:
    """A name server without sockets, and what it observed."""

    def __init__(self) -> None:
        self.names = Names()
        self.seen: list[Observation] = []
        self._server = NameServer((), self.names, self.seen.append)

    def answer(self, query: bytes) -> bytes:
        """Answer the bytes of a packet."""
        return self._server.answer(query)

    def ask(self, name: str, kind: str = "A") -> list[str]:
        """Ask for a record; return the data of the answers, which must be no error."""
        reply = DNSRecord.parse(self.answer(DNSRecord.question(name, kind).pack()))
        assert reply.header.rcode == RCODE.NOERROR
        return [str(each.rdata) for each in reply.rr]


def test_each_name_has_an_address_of_its_own() -> None:
    """The same name, in any case, has the same address, and the address tells the name."""
    asked = Asked()
    (first,), (again,), (other,) = map(asked.ask, ("a.example", "A.EXAMPLE.", "b.example"))
    assert first == again != other
    assert asked.names.name_of(first) == "a.example"
    assert asked.ask("1.0.18.198.in-addr.arpa", "PTR") == ["a.example."]
    assert asked.names.name_of("192.0.2.1") == ""


def test_all_but_addresses_is_empty_and_observed() -> None:
    """No other record exists, and that is no error; each look-up is seen with its kind."""
    asked = Asked()
    kinds = ("AAAA", "HTTPS", "SVCB", "TXT", "MX", "SRV", "NS", "SOA", "CNAME", "PTR", "NAPTR")
    assert [each for each in kinds if asked.ask("x.example", each)] == []
    assert asked.seen == [Observation("look-up", "x.example", detail=each) for each in kinds]


def test_localhost_is_this_machine_and_no_look_up() -> None:
    """RFC 6761, 6.3: `localhost` and what is below it."""
    asked = Asked()
    for name in ("localhost", "LocalHost", "a.localhost"):
        found = asked.ask(name), asked.ask(name, "AAAA"), asked.ask(name, "TXT")
        assert found == (["127.0.0.1"], ["::1"], []), name
    assert asked.seen == []
    assert asked.ask("notlocalhost") != ["127.0.0.1"]


def test_an_answer_repeats_the_question_as_it_was_written() -> None:
    """Resolvers that mix the case compare each letter; EDNS changes nothing."""
    query = DNSRecord.question("wWw.ExAmPlE")
    query.add_ar(EDNS0(udp_len=1232))
    sent = query.pack()
    reply = Asked().answer(sent)
    assert reply[:2] == sent[:2]
    assert reply[12:29] == sent[12:29]
    parsed = DNSRecord.parse(reply)
    assert parsed.header.qr == 1
    assert str(parsed.rr[0].rname) == "wWw.ExAmPlE."


def test_names_are_kept_as_printable_text() -> None:
    """What a name may hold is not what a terminal may show; a dot in a label is no border."""
    wanted = {
        b"\1A\3b.c\1d": "a.b\\.c.d",
        b"\4\xc3\xbc\x1b\x7f": "\\195\\188\\027\\127",
        b"\3a\\b": "a\\\\b",
        b"": "",
    }
    wrong = {}
    for labels, name in wanted.items():
        asked = Asked()
        asked.answer(HEAD + labels + END)
        if [each.host for each in asked.seen] != [name]:
            wrong[labels] = asked.seen
    assert wrong == {}


MALFORMED = {
    "no byte": b"",
    "half a head": HEAD[:7],
    "no question": HEAD,
    "none said": HEAD[:4] + b"\0\0" + HEAD[6:],
    "two questions": HEAD[:4] + b"\0\2" + HEAD[6:] + (b"\1a" + END) * 2,
    "65,535 questions": HEAD[:4] + b"\xff\xff" + HEAD[6:] + b"\1a" + END,
    "a name that is itself": HEAD + b"\xc0\x0c" + END[1:],
    "two that are each other": HEAD + b"\xc0\x0e\xc0\x0c" + END[1:],
    "a pointer beyond": HEAD + b"\xff\xff" + END[1:],
    "320 bytes of name": HEAD + (b"\x3f" + b"a" * 63) * 5 + END,
    "a label without its end": HEAD + b"\x3fabc",
    "a label of a kind not known": HEAD + b"\x80abc" + END,
    "bytes that are no text": HEAD + b"\3\xff\xfe\xfd" + END,
    "no type": HEAD + b"\1a\0",
    "an update": HEAD[:2] + b"\x28\0" + HEAD[4:] + b"\1a" + END,
    "an answer": HEAD[:2] + b"\x81\x80" + HEAD[4:] + b"\1a" + END,
}


def test_what_is_no_look_up_is_observed_and_refused() -> None:
    """Nothing that is sent to a name server goes unseen, whatever it is."""
    wrong = {}
    for told, packet in MALFORMED.items():
        asked = Asked()
        reply = asked.answer(packet)
        code = DNSRecord.parse(reply).header.rcode if reply else None
        wanted = None if len(packet) < len(HEAD) or told == "an answer" else RCODE.FORMERR
        if code != wanted or asked.seen != [Observation("look-up", "", detail="malformed")]:
            wrong[told] = code, asked.seen
    assert wrong == {}


WHOLE = DNSRecord(q=DNSQuestion("metrics.a.example", QTYPE.A)).pack()


@given(
    st.one_of(
        st.binary(max_size=300),
        st.binary(max_size=80).map(lambda tail: HEAD + tail),
        st.tuples(
            st.dictionaries(st.integers(0, len(WHOLE) - 1), st.integers(0, 255), max_size=5),
            st.integers(0, len(WHOLE)),
        ).map(lambda change: changed(*change)),
    )
)
@example(HEAD + b"\3www" * 60 + b"\xc0\x0c" + END)
def test_any_bytes_are_answered_or_ignored(packet: bytes) -> None:
    """No packet raises; each is observed unless it asks for `localhost`; answers can be read."""
    asked = Asked()
    reply = asked.answer(packet)
    if reply:
        parsed = DNSRecord.parse(reply)
        assert parsed.header.id == int.from_bytes(packet[:2])
        assert len(reply) < 600
    assert len(asked.seen) == 1 or b"localhost" in packet.lower()
    assert all(each.host.isascii() and each.host.isprintable() for each in asked.seen)


def changed(bytes_at: dict[int, int], size: int) -> bytes:
    """Return a good look-up with some bytes changed, cut off."""
    packet = bytearray(WHOLE)
    for at, value in bytes_at.items():
        packet[at] = value
    return bytes(packet[:size])


def test_the_table_is_bounded() -> None:
    """Beyond 65,536 names all share an address; the earlier keep their own."""
    names = Names()
    known = {names.address_of(f"{number}.example") for number in range(MOST_NAMES)}
    assert len(known) == MOST_NAMES
    late = {names.address_of(each) for each in ("late.example", "later.example", OTHERS)}
    assert len(late) == 1
    assert late.isdisjoint(known)
    assert names.name_of(late.pop()) == OTHERS
    assert names.name_of(names.address_of("7.example")) == "7.example"


ASK = """
import socket, sys
for family, here, host in (
    (socket.AF_INET, "127.0.0.1", "8.8.8.8"),
    (socket.AF_INET6, "::1", "2001:4860:4860::8888"),
):
    try:
        asking = socket.socket(family, socket.SOCK_DGRAM)
        asking.bind((here, 0))
        asking.connect((host, 53))  # So no answer from another address comes in.
    except OSError:
        continue
    asking.settimeout(5)
    asking.send(bytes.fromhex(sys.argv[1]))
    asking.recv(600)
    print(host)
asking = socket.create_connection(("9.9.9.9", 53), 5)
query = bytes.fromhex(sys.argv[1])
asking.sendall(len(query).to_bytes(2) + query)
print(len(asking.recv(600)) > len(query))
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"no look-up", ("127.0.0.1", 53))
"""


def test_servers_of_the_programs_own_choice_are_played(machine: Machine) -> None:
    """An answer leaves from the address that was asked, over IPv4, IPv6 and TCP."""
    query = DNSRecord.question("own.example").pack().hex()
    found = seal(machine, "--", sys.executable, "-c", ASK, query)
    asked = found.outcome.stdout.split()
    assert asked[0] == "8.8.8.8", found.outcome.stderr
    assert asked[-1] == "True"
    assert ("2001:4860:4860::8888" in asked) == Path("/proc/net/if_inet6").exists()
    assert found.observed("look-up") == [("own.example", 0, "A"), ("", 0, "malformed")]
    assert found.observed("datagram") == []
