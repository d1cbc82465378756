"""Packets that no listener of a sealed run takes in: UDP, refused connections, and the rest.

What a command says to servers of its own on loopback is its own affair, and is not observed; what
it says there to nobody is: an agent of StatsD or OpenTelemetry that this run lacks.
"""

from __future__ import annotations

import ctypes
import ipaddress
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from usagectl.capture.observations import OTHERS, Observation

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from usagectl.capture.names import Names

_MOST_BYTES = 512  # Heads are enough.
_BATCH = 256
_MOST_BATCHES_AT_THE_END = 64
_MOST_FLOWS = 4096
_INCOMING = 0  # PACKET_HOST, packet(7): on loopback each packet is seen going out and coming in.
_IPV4, _IPV6 = 0x0800, 0x86DD  # linux/if_ether.h
_ICMP, _IGMP, _TCP, _UDP, _ICMPV6 = 1, 2, 6, 17, 58
_FRAGMENT = 44
_EXTENSIONS = (0, 43, _FRAGMENT, 60)  # Heads before the transport's (RFC 8200, 4).
_NAMES_PORT = 53
_RST, _ACK = 0x04, 0x10
_UNREACHABLE = {_ICMP: 3, _ICMPV6: 1}
_ECHO = {_ICMP: (8, "ICMP echo"), _ICMPV6: (128, "ICMPv6 echo")}
_OF_THE_KERNEL = {_ICMP: (0, 3, 5, 11), _ICMPV6: (*range(1, 5), *range(129, 144))}

_SO_ATTACH_FILTER = 26  # asm-generic/socket.h
_SOL_PACKET, _STATISTICS = 263, 6  # linux/if_packet.h
_PROTOCOL, _DIRECTION = 0xFFFFF000, 0xFFFFF004  # SKF_AD_OFF and on, linux/filter.h
_LOAD_WORD, _LOAD_HALF, _LOAD, _LOAD_AT_INDEX, _INDEX = 0x20, 0x28, 0x30, 0x50, 0xB1
_EQUAL, _ANY_BIT, _RETURN = 0x15, 0x45, 0x06
_FILTER = (
    (_LOAD_WORD, 0, 0, _DIRECTION),
    (_EQUAL, 0, 13, _INCOMING),
    (_LOAD_HALF, 0, 0, _PROTOCOL),
    (_EQUAL, 0, 5, _IPV4),
    (_LOAD, 0, 0, 9),
    (_EQUAL, 0, 8, _TCP),
    (_INDEX, 0, 0, 0),  # The size of the head.
    (_LOAD_AT_INDEX, 0, 0, 13),
    (_ANY_BIT, 5, 6, _RST),
    (_EQUAL, 0, 5, _IPV6),
    (_LOAD, 0, 0, 6),
    (_EQUAL, 0, 2, _TCP),
    (_LOAD, 0, 0, 53),
    (_ANY_BIT, 0, 1, _RST),
    (_RETURN, 0, 0, _MOST_BYTES),
    (_RETURN, 0, 0, 0),
)
"""Of TCP only resets come here: what flows through a connection would fill the socket's buffer."""


class _Packet(NamedTuple):
    protocol: int
    source: str
    to: str
    data: bytes  # From the head of the transport on.

    @property
    def is_own(self) -> bool:
        return ipaddress.ip_address(self.to).is_loopback


class _Flow(NamedTuple):
    source: str
    source_port: int
    to: str
    port: int

    def reversed(self) -> _Flow:
        return _Flow(self.to, self.port, self.source, self.source_port)


def _flow(packet: _Packet) -> _Flow:
    source_port, port = struct.unpack_from("!HH", packet.data)
    return _Flow(packet.source, source_port, packet.to, port)


class PacketObserver:
    """An observer of all packets of a sealed network, by a packet socket on its loopback.

    It notes each datagram that is no look-up; each try of a connection that was refused; what
    is neither TCP nor UDP. Of those to loopback itself, only what nobody took. An answer to a
    datagram is not noted. Packets that came too fast to be read are noted as `lost`.
    """

    def __init__(
        self,
        packets: socket.socket,
        names: Names,
        on_observed: Callable[[Observation], None],
    ) -> None:
        self._packets = packets
        self._names = names
        self._on_observed = on_observed
        self._flows: dict[_Flow, None] = {}  # Datagrams under way, the oldest first; bounded.
        self._loop: asyncio.AbstractEventLoop

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to observe in a loop."""
        self._loop = loop
        self._packets.settimeout(0)
        _attach_filter(self._packets)
        loop.add_reader(self._packets, self._take)

    def detach(self) -> None:
        """Take what has come in, and close the socket."""
        for _ in range(_MOST_BATCHES_AT_THE_END):
            if not self._take():
                break
        self._loop.remove_reader(self._packets)
        self._packets.close()

    def _take(self) -> bool:
        """Take a batch of packets; True if more may wait."""
        with suppress(OSError):
            for _ in range(_BATCH):
                data, about = self._packets.recvfrom(_MOST_BYTES)
                if about[2] == _INCOMING:
                    self.take(data, kind=about[1])
            return True
        self._note_lost()
        return False

    def _note_lost(self) -> None:
        with suppress(OSError):
            counts = self._packets.getsockopt(_SOL_PACKET, _STATISTICS, 8)
            if struct.unpack("=II", counts)[1]:
                self._on_observed(Observation("packet", OTHERS, detail="lost"))

    def take(self, data: bytes, *, kind: int) -> None:
        """Look at one packet of a kind of Ethernet's (`0x0800`, `0x86DD`)."""
        with suppress(struct.error, IndexError, ValueError):  # Cut off, or no packet at all.
            packet = _read(data, kind)
            if packet is not None:
                self._judge(packet)

    def _judge(self, packet: _Packet) -> None:
        if packet.protocol == _UDP:
            self._datagram(packet)
        elif packet.protocol == _TCP:
            self._refused(packet)
        elif packet.protocol in (_ICMP, _ICMPV6):
            self._control(packet)
        elif packet.protocol != _IGMP and not packet.is_own:  # The kernel itself sends IGMP.
            self._observe("packet", packet.to, 0, f"protocol {packet.protocol}")

    def _datagram(self, packet: _Packet) -> None:
        flow = _flow(packet)
        if flow.reversed() in self._flows:
            return
        self._flows.pop(flow, None)
        self._flows[flow] = None
        if len(self._flows) > _MOST_FLOWS:
            del self._flows[next(iter(self._flows))]
        if flow.port != _NAMES_PORT and not packet.is_own:
            self._observe("datagram", packet.to, flow.port, "udp")

    def _refused(self, packet: _Packet) -> None:
        """Note a connection to a port where nobody listens: what comes back is a reset."""
        source = struct.unpack_from("!H", packet.data)[0]
        flags = packet.data[13]
        # A reset that answers a SYN acknowledges it, and has no number of its own (RFC 9293).
        number = struct.unpack_from("!I", packet.data, 4)[0]
        if flags & (_RST | _ACK) == _RST | _ACK and number == 0:
            self._observe("connection", packet.source, source, "refused")

    def _control(self, packet: _Packet) -> None:
        kind = packet.data[0]
        echo, told = _ECHO[packet.protocol]
        if kind == _UNREACHABLE[packet.protocol]:
            within = _read(packet.data[8:], _IPV4 if packet.protocol == _ICMP else _IPV6)
            if within is not None and within.is_own:
                self._unheard(within)
        elif kind == echo and not packet.is_own:
            self._observe("packet", packet.to, 0, told)
        elif kind not in (echo, *_OF_THE_KERNEL[packet.protocol]):
            self._observe("packet", packet.to, 0, f"ICMP {kind}")

    def _unheard(self, packet: _Packet) -> None:
        """Note what was sent to loopback and nobody took, unless it was an answer."""
        if packet.protocol != _UDP:
            self._observe("packet", packet.to, 0, f"protocol {packet.protocol}")
        elif _flow(packet).reversed() not in self._flows:
            self._observe("datagram", packet.to, _flow(packet).port, "udp")

    def _observe(self, kind: str, address: str, port: int, detail: str) -> None:
        host = self._names.name_of(address) or address
        self._on_observed(Observation(kind, host, address, port, detail))  # type: ignore[arg-type]


def _read(data: bytes, kind: int) -> _Packet | None:
    """Read the head of a packet; None for what is no IP, or a later fragment."""
    if kind == _IPV4:
        size = (data[0] & 0x0F) * 4
        is_later = struct.unpack_from("!H", data, 6)[0] & 0x1FFF
        source, to = (socket.inet_ntop(socket.AF_INET, data[at : at + 4]) for at in (12, 16))
        return None if is_later else _Packet(data[9], source, to, data[size:])
    if kind != _IPV6:
        return None
    source, to = (socket.inet_ntop(socket.AF_INET6, data[at : at + 16]) for at in (8, 24))
    following, at = data[6], 40
    while following in _EXTENSIONS:
        is_fragment = following == _FRAGMENT
        if is_fragment and struct.unpack_from("!H", data, at + 2)[0] >> 3:
            return None
        following, size = data[at], 8 if is_fragment else data[at + 1] * 8 + 8
        at += size
    return _Packet(following, source, to, data[at:])


def _attach_filter(packets: socket.socket) -> None:
    """Have the kernel keep from a packet socket what this module does not look at (socket(7))."""
    program = b"".join(struct.pack("=HBBI", *each) for each in _FILTER)
    kept = ctypes.create_string_buffer(program, len(program))
    with suppress(OSError):  # All comes here then.
        address = struct.pack("HP", len(_FILTER), ctypes.addressof(kept))
        packets.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, address)
