"""Tests of the packets of a sealed run: what no listener takes in is seen, and nothing else."""

from __future__ import annotations

import ipaddress
import socket
import struct
import sys
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from tests.support.sealing import seal
from usagectl.capture.names import Names
from usagectl.capture.observations import OTHERS, Observation
from usagectl.capture.packets import PacketObserver

if TYPE_CHECKING:
    from tests.support.machine import Machine

IPV4, IPV6 = 0x0800, 0x86DD
ICMP, IGMP, TCP, UDP, FRAGMENT, ICMPV6, SCTP = 1, 2, 6, 17, 44, 58, 132
SYN, RST, ACK = 2, 4, 16
HERE, THERE = "10.0.0.1", "203.0.113.9"
HERE_6, THERE_6 = "2001:db8::1", "2001:db8::9"


class Watched:
    """An observer without a network, and what it observed."""

    def __init__(self) -> None:
        self.names = Names()
        self.seen: list[Observation] = []
        self._pair = socket.socketpair(type=socket.SOCK_DGRAM)
        self.observer = PacketObserver(self._pair[0], self.names, self.seen.append)

    def close(self) -> None:
        """Close the socket."""
        for each in self._pair:
            each.close()


def watch(*packets: bytes) -> list[tuple[str, str, int, str]]:
    """Show packets to an observer; return what it saw."""
    watched = Watched()
    for each in packets:
        watched.observer.take(each, kind=IPV4 if each[0] >> 4 == 4 else IPV6)
    watched.close()
    assert all(each.host == each.address for each in watched.seen)
    return [(each.kind, each.host, each.port, each.detail) for each in watched.seen]


def packet(protocol: int, to: str, data: bytes, *, source: str = HERE, offset: int = 0) -> bytes:
    """Return an IP packet of the version of its addresses."""
    ends = ipaddress.ip_address(source).packed, ipaddress.ip_address(to).packed
    if len(ends[1]) == 4:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(data), 0, offset, 64, protocol, 0)
        return head + b"".join(ends) + data
    return struct.pack("!IHBB", 6 << 28, len(data), protocol, 64) + b"".join(ends) + data


def udp(source: int, to: int) -> bytes:
    """Return the head of a datagram, with a little to say."""
    return struct.pack("!HHHH", source, to, 12, 0) + b"said"


def tcp(source: int, to: int, flags: int, *, number: int = 0) -> bytes:
    """Return the head of a segment."""
    return struct.pack("!HHIIBBHHH", source, to, number, 1, 0x50, flags, 0, 0, 0)


def unreachable(about: bytes) -> bytes:
    """Return an ICMP message: nobody took a packet, whose begin it repeats."""
    return bytes([3 if about[0] >> 4 == 4 else 1, 3]) + bytes(6) + about


def test_what_nobody_takes_in_is_seen() -> None:
    """Datagrams, refused connections, echoes, and protocols that are neither."""
    to_agent = packet(UDP, "127.0.0.1", udp(40000, 8125), source="127.0.0.1")
    to_agent_6 = packet(UDP, "::1", udp(40000, 4318), source="::1")
    fragment = bytes([UDP, 0, 0, 1]) + bytes(4)
    cases = {
        packet(UDP, THERE, udp(40000, 443)): ("datagram", THERE, 443, "udp"),
        packet(UDP, THERE_6, udp(40000, 443), source=HERE_6): ("datagram", THERE_6, 443, "udp"),
        packet(UDP, "224.0.0.251", udp(5353, 5353)): ("datagram", "224.0.0.251", 5353, "udp"),
        packet(FRAGMENT, THERE_6, fragment + udp(4000, 9), source=HERE_6): (
            *("datagram", THERE_6, 9),
            "udp",
        ),
        packet(TCP, HERE, tcp(8443, 40000, RST | ACK), source=THERE): (
            *("connection", THERE, 8443),
            "refused",
        ),
        packet(TCP, "127.0.0.1", tcp(4317, 40000, RST | ACK), source="127.0.0.1"): (
            *("connection", "127.0.0.1", 4317),
            "refused",
        ),
        packet(ICMP, "127.0.0.1", unreachable(to_agent), source="127.0.0.1"): (
            *("datagram", "127.0.0.1", 8125),
            "udp",
        ),
        packet(ICMPV6, "::1", unreachable(to_agent_6), source="::1"): (
            *("datagram", "::1", 4318),
            "udp",
        ),
        packet(ICMP, THERE, b"\x08\0" + bytes(6)): ("packet", THERE, 0, "ICMP echo"),
        packet(ICMPV6, THERE_6, b"\x80\0" + bytes(6), source=HERE_6): (
            *("packet", THERE_6, 0),
            "ICMPv6 echo",
        ),
        packet(ICMP, THERE, b"\x0d\0" + bytes(6)): ("packet", THERE, 0, "ICMP 13"),
        packet(SCTP, THERE, bytes(12)): ("packet", THERE, 0, "protocol 132"),
    }
    wrong = {each: seen for each, wanted in cases.items() if (seen := watch(each)) != [wanted]}
    assert wrong == {}


UNSEEN = {
    "a look-up": packet(UDP, "8.8.8.8", udp(40000, 53)),
    "a datagram to an own server": packet(UDP, "127.3.2.1", udp(40000, 8125)),
    "the same over IPv6": packet(UDP, "::1", udp(40000, 8125), source="::1"),
    "a try of a connection": packet(TCP, THERE, tcp(40000, 80, SYN)),
    "its answer": packet(TCP, HERE, tcp(80, 40000, SYN | ACK), source=THERE),
    "a connection cut short": packet(TCP, HERE, tcp(80, 40000, RST | ACK, number=9), source=THERE),
    "an echo to itself": packet(ICMP, "127.0.0.1", b"\x08\0" + bytes(6)),
    "an answer to an echo": packet(ICMP, HERE, bytes(8), source=THERE),
    "another protocol to itself": packet(SCTP, "127.0.0.1", bytes(12)),
    "that a datagram was not taken": packet(ICMP, HERE, unreachable(packet(UDP, THERE, udp(4, 9)))),
    "a join of a group": packet(IGMP, "224.0.0.22", b"\x22" + bytes(15)),
    "a search for routers": packet(ICMPV6, "ff02::2", b"\x85\0" + bytes(6), source="::"),
    "a search for neighbours": packet(ICMPV6, "ff02::1:ff00:1", b"\x87" + bytes(23), source="::"),
    "groups of IPv6": packet(
        0, "ff02::16", bytes([ICMPV6, 0, 5, 2, 0, 0, 1, 0, 0x8F]) + bytes(27), source="::"
    ),
    "a later fragment": packet(UDP, THERE, udp(40000, 443), offset=64),
    "one of IPv6": packet(
        FRAGMENT, THERE_6, bytes([UDP, 0, 1, 0]) + bytes(4) + udp(40000, 443), source=HERE_6
    ),
}


def test_what_others_record_or_the_kernel_sends_is_not_seen() -> None:
    """Answers, own servers, what reaches a listener, and the kernel's own messages."""
    assert {told: seen for told, each in UNSEEN.items() if (seen := watch(each))} == {}


def test_an_answer_is_no_datagram_of_its_own() -> None:
    """Neither from a server of the command's own, nor one whose client has gone already."""
    asked, answered = (
        packet(UDP, HERE, udp(40000, 7777), source=HERE),
        packet(UDP, HERE, udp(7777, 40000), source=HERE),
    )
    assert watch(asked, answered, asked) == [("datagram", HERE, 7777, "udp")] * 2
    look_up, told = (
        packet(UDP, "127.0.0.1", udp(*ports), source="127.0.0.1")
        for ports in ((40000, 53), (53, 40000))
    )
    assert watch(look_up, told, packet(ICMP, "127.0.0.1", unreachable(told))) == []


def test_an_address_is_called_by_its_name() -> None:
    """What a look-up gave out tells the host of a datagram."""
    watched = Watched()
    address = watched.names.address_of("quic.example")
    watched.observer.take(packet(UDP, address, udp(40000, 443)), kind=IPV4)
    watched.close()
    assert watched.seen == [Observation("datagram", "quic.example", address, 443, "udp")]


@given(
    st.sampled_from([IPV4, IPV6, 0x0806, 0]),
    st.one_of(
        st.binary(max_size=120),
        st.tuples(
            st.sampled_from([*UNSEEN.values()]),
            st.dictionaries(st.integers(0, 60), st.integers(0, 255), max_size=6),
            st.integers(0, 120),
        ).map(lambda change: changed(*change)),
    ),
)
def test_any_bytes_are_read_or_ignored(kind: int, data: bytes) -> None:
    """No packet raises, and none is seen as more than one thing."""
    watched = Watched()
    watched.observer.take(data, kind=kind)
    watched.close()
    assert len(watched.seen) <= 1
    assert all(ipaddress.ip_address(each.host) for each in watched.seen)


def changed(data: bytes, bytes_at: dict[int, int], size: int) -> bytes:
    """Return a packet with some bytes changed, cut off."""
    found = bytearray(data)
    for at, value in bytes_at.items():
        if at < len(found):
            found[at] = value
    return bytes(found[:size])


SEND = """
import socket, struct, threading
def say(host, port, data=b"x", option=None, family=socket.AF_INET):
    made = socket.socket(family, socket.SOCK_DGRAM)
    if option:
        made.setsockopt(*option)
    made.sendto(data, (host, port))
    return made
def bulk(server):
    client, _ = server.accept()
    while client.recv(1 << 20):
        pass
server = socket.create_server(("127.0.0.1", 0))
reading = threading.Thread(target=bulk, args=(server,))
reading.start()
client = socket.create_connection(server.getsockname())
for _ in range(100):
    client.sendall(bytes(1 << 20))
client.close()
reading.join()
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.bind(("127.0.0.1", 7778))
say("127.0.0.1", 7778)
_, asking = own.recvfrom(9)
own.sendto(b"answer", asking)
say("192.0.2.1", 4444, bytes(60000))
say("224.0.0.251", 5353)
say("255.255.255.255", 67, option=(socket.SOL_SOCKET, socket.SO_BROADCAST, 1))
say("127.0.0.1", 8125)
group = socket.inet_aton("239.1.2.3") + socket.inet_aton("127.0.0.1")
own.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    try:
        socket.socket(family).connect((host, 4317))
    except OSError:
        pass
try:
    say("2001:db8::1", 443, family=socket.AF_INET6)
except OSError:
    print("no IPv6")
"""


def test_packets_of_a_real_program_are_each_seen_once(machine: Machine) -> None:
    """Beside 100 MiB to a server of its own, of which nothing is seen, and nothing is lost."""
    found = seal(machine, "--", sys.executable, "-c", SEND)
    places = [("192.0.2.1", 4444), ("224.0.0.251", 5353), ("255.255.255.255", 67)]
    places += [("127.0.0.1", 8125)]
    refused = [("127.0.0.1", 4317, "refused")]
    if "no IPv6" not in found.outcome.stdout:
        places.append(("2001:db8::1", 443))
        refused.append(("::1", 4317, "refused"))
    assert sorted(found.observed("datagram")) == sorted((*each, "udp") for each in places)
    assert found.observed("connection") == refused
    assert found.observed("packet") == []
    summed = {each["host"] for each in found.data["observed"]}
    assert OTHERS not in summed
