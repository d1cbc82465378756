"""What a capture turns away: why, which host it was for, and what helps.

A page in a browser is told from a program, since anyone on the web may write one.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from usagectl.capture.masking import mask_text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_NAMES_OF_HOST = frozenset(
    {"localhost", "host.docker.internal", "host.containers.internal", "gateway.docker.internal"}
)
# Not Sec-Fetch-Mode: the fetch that is built into Node sends it too.
_BROWSER_HEADERS = ("origin", "sec-fetch-site")
HTTP2 = b"PRI * HTTP/2.0\r\n"
"""How a client begins that speaks HTTP/2 at once (RFC 9113, 3.4)."""

_MOST_CHARACTERS = 100
_TLS_HANDSHAKE = b"\x16\x03"
_TLS_CLIENT_HELLO = 1
_MOST_HEAD_BYTES = 16 * 1024


class Told(NamedTuple):
    """What a person is told of a reason."""

    what: str  # What was turned away, to follow a count.
    advice: str  # What helps.


REASONS: Mapping[str, Told] = {
    "tls": Told("over TLS", "give the program the capture's address as http://"),
    "http2": Told("in HTTP/2", "have the program speak HTTP/1.1"),
    "proxy": Told("as to a proxy", "take the capture out of HTTP_PROXY and HTTPS_PROXY"),
    "browser": Told("of a page in a browser", "post from a program"),
    "other-host": Told("for another host", "post to 127.0.0.1, or listen with --bind ADDRESS"),
    "no-http": Told("not in HTTP", "have the program post over HTTP/1.1"),
    "broken-off": Told("broken off in the head", "look whether the program ends too soon"),
    "too-large": Told("with too large a head", "have the program send shorter headers"),
}
"""By the stable name of a reason."""


class Refusal(NamedTuple):
    """One request, or connection without one, that was turned away."""

    reason: str  # One of `REASONS`.
    host: str = ""  # The host that it was for, or the page's; empty where none was named.

    @property
    def what(self) -> str:
        """What it was, in words to follow a count."""
        return REASONS[self.reason].what + (f" ({self.host})" if self.host else "")

    @property
    def advice(self) -> str:
        """What helps."""
        return REASONS[self.reason].advice


def of_request(
    method: str, target: str, headers: Mapping[str, str], *, own_host: str = ""
) -> Refusal | None:
    """Return why a request is turned away; None for one that a program means for this endpoint.

    `own_host` is the address that was bound.
    """
    if method == "CONNECT":
        return _refusal("proxy", target)
    if "://" in target:
        host = target.partition("://")[2].partition("/")[0]
        if not is_own_host(host.rpartition("@")[2], own_host):
            return _refusal("proxy", host)
    for name in _BROWSER_HEADERS:
        if name in headers:
            page = headers[name].partition("://")[2].partition("/")[0]
            return _refusal("browser", page or headers.get("host", ""))
    if "host" not in headers:  # HTTP/1.0: every browser names a host.
        return None
    host = headers["host"]
    # Asking for an image under another name than loopback's, a page does not say what it is.
    is_own = method == "POST" or is_own_host(host, names=("localhost",))
    return None if is_own and is_own_host(host, own_host) else _refusal("other-host", host)


def of_bytes(data: bytes, *, is_ended: bool) -> Refusal:
    """Return why the beginning of a connection that holds no request is turned away."""
    if data.startswith(_TLS_HANDSHAKE):
        return _refusal("tls", server_name(data))
    if data.startswith(HTTP2):
        return Refusal("http2")
    if len(data) > _MOST_HEAD_BYTES:
        return Refusal("too-large")
    return Refusal("broken-off" if is_ended else "no-http")


def _refusal(reason: str, host: str) -> Refusal:
    plain = host if host.isprintable() else ascii(host)[1:-1]
    return Refusal(reason, mask_text(plain.rpartition("@")[2], ())[:_MOST_CHARACTERS])


def server_name(hello: bytes) -> str:
    """Read the host that a TLS greeting is for (RFC 8446, 4.1.2; RFC 6066, 3); empty without."""
    if hello[5:6] != bytes([_TLS_CLIENT_HELLO]):
        return ""
    at = 43  # After the heads of record and message, the version and the random bytes.
    for width in (1, 2, 1):  # The session's ID, the ciphers and the compressions.
        at += width + int.from_bytes(hello[at : at + width])
    at += 2
    while at + 4 <= len(hello):
        kind, size = int.from_bytes(hello[at : at + 2]), int.from_bytes(hello[at + 2 : at + 4])
        if kind == 0:
            return hello[at + 9 : at + 4 + size].decode("ascii", "replace")
        at += 4 + size
    return ""


def is_own_host(host: str, also: str = "", *, names: Collection[str] = _NAMES_OF_HOST) -> bool:
    """True if a Host header names this machine: loopback, or the address that was bound.

    A page whose name was made to resolve to this machine (DNS rebinding) names its own host.
    """
    if "@" in host or "\\" in host:
        return False
    try:
        parts = urlsplit(f"//{host}")
        name, _ = (parts.hostname or "").lower(), parts.port  # Reading the port checks it.
    except ValueError:
        return False
    if name in names or (also and name == also.lower()):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    # Bound to all addresses, any of them may be used; a page has a name.
    return address.is_loopback or also in ("0.0.0.0", "::")  # noqa: S104
