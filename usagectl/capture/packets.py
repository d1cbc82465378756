"""Packets that no listener of a sealed run takes in: UDP, refused connections, and the rest.

What a command says to servers of its own on loopback is its own affair, and is not observed; what
it says there to nobody is: an agent of StatsD or OpenTelemetry that this run lacks.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from usagectl.capture.observations import Observation

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from usagectl.capture.names import Names

_MOST_BYTES = 2048
_BATCH = 256
_INCOMING = 0  # PACKET_HOST, packet(7): on loopback each packet is seen going out and coming in.
_IPV4, _IPV6 = 0x0800, 0x86DD  # linux/if_ether.h
_ICMP, _TCP, _UDP, _ICMPV6 = 1, 6, 17, 58
_EXTENSIONS = (0, 43, 44, 60)  # Heads that stand before the transport's (RFC 8200, 4).
_NAMES_PORT = 53
_RST, _ACK = 0x04, 0x10
_UNREACHABLE = {_ICMP: 3, _ICMPV6: 1}
_ECHO = {_ICMP: (8, "ICMP echo"), _ICMPV6: (128, "ICMPv6 echo")}
_OF_THE_KERNEL = {_ICMP: (0, 3, 5, 11), _ICMPV6: (*range(1, 5), *range(129, 144))}


class _Packet(NamedTuple):
    protocol: int
    source: str
    to: str
    data: bytes  # From the head of the transport on.


class PacketObserver:
    """An observer of all packets of a sealed network, by a packet socket on its loopback.

    It notes each datagram that is no look-up; each try of a connection that was refused; what
    is neither TCP nor UDP. Of those to loopback itself, only what nobody took.
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
        self._loop: asyncio.AbstractEventLoop

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to observe in a loop."""
        self._loop = loop
        self._packets.settimeout(0)
        loop.add_reader(self._packets, self._take)

    def detach(self) -> None:
        """Take what has come in, and close the socket."""
        self._take()
        self._loop.remove_reader(self._packets)
        self._packets.close()

    def _take(self) -> None:
        with suppress(BlockingIOError, OSError):
            for _ in range(_BATCH):
                data, about = self._packets.recvfrom(_MOST_BYTES)
                if about[2] == _INCOMING:
                    self.take(data, kind=about[1])

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
        else:
            self._observe("packet", packet.to, 0, f"protocol {packet.protocol}")

    def _datagram(self, packet: _Packet) -> None:
        port = struct.unpack_from("!H", packet.data, 2)[0]
        source = struct.unpack_from("!H", packet.data)[0]
        is_own = ipaddress.ip_address(packet.to).is_loopback
        if _NAMES_PORT not in (port, source) and not is_own:
            self._observe("datagram", packet.to, port, "udp")

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
        if kind == echo:
            self._observe("packet", packet.to, 0, told)
        elif kind == _UNREACHABLE[packet.protocol]:
            within = _read(packet.data[8:], _IPV4 if packet.protocol == _ICMP else _IPV6)
            if within is not None and within.protocol == _UDP:
                self._unheard(within)
        elif kind not in _OF_THE_KERNEL[packet.protocol]:
            self._observe("packet", packet.to, 0, f"ICMP {kind}")

    def _unheard(self, packet: _Packet) -> None:
        """Note a datagram to loopback that nobody took."""
        port = struct.unpack_from("!H", packet.data, 2)[0]
        if ipaddress.ip_address(packet.to).is_loopback:
            self._observe("datagram", packet.to, port, "udp")

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
        following, size = data[at], 8 if following == 44 else data[at + 1] * 8 + 8  # noqa: PLR2004
        at += size
    return _Packet(following, source, to, data[at:])
