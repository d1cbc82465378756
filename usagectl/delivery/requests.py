"""Requests that carry events, and answers to them.

The protocol is that of facts, part 1: `POST <base>/events` with
`{"events":[…]}`, `POST <base>/session` with one session event. Preview and delivery
share them.
"""

from __future__ import annotations

import base64
import gzip
import json
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from usagectl._version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from usagectl.settings import DeliveryFormat
    from usagectl.spool import Batch


NOBODY_LISTENS = "nothing listens there (connection refused)"
TOO_LATE = "it did not answer in time"


PROXY_AUTHENTICATION = 407
_FORBIDDEN = 403
_SAID_CHARACTERS = 300
_RETRIED = frozenset({408, 425, 429})


class PemFile(NamedTuple):
    """A file of certificates or of a key, in PEM, and the variable that names it; empty: none."""

    path: str = ""
    variable: str = ""


class Tls(NamedTuple):
    """Files that a user has an endpoint checked by; without one the system's hold."""

    trusted: PemFile = PemFile()  # Certificates to trust, and no others.
    certificate: PemFile = PemFile()  # The one to show to the endpoint.
    key: PemFile = PemFile()  # Of that one; empty where it is in the same file.


class Post(NamedTuple):
    """A request of a delivery, as it goes out."""

    url: str
    headers: Mapping[str, str]
    body: bytes


class Answer(NamedTuple):
    """The answer of an endpoint; a text that is missing is empty."""

    status: int
    body: bytes = b""  # As far as it came and was wanted.
    retry_after: str = ""
    location: str = ""  # Where a redirect leads.
    problem: str = ""  # Why the body is not whole.
    proxy: str = ""  # Host and port of a proxy that could have answered by itself.

    @property
    def is_success(self) -> bool:
        """True if the status is 2xx."""
        return self.status // 100 == 2  # noqa: PLR2004


class NoAnswerError(Exception):
    """A request that got no answer, and why: a few words that hold no value of an event."""

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_final = is_final  # Asking again cannot help.


def as_said(message: str) -> str:
    """Put the first line that a receiver said at the end of a sentence; a page says nothing."""
    line, _, _ = message.strip().partition("\n")
    text = "" if line.startswith("<") else line[:_SAID_CHARACTERS].rstrip(". ")
    return f": {text}" if text else ""


class Refusal(NamedTuple):
    """Events of a request that was taken and that its receiver refused; and what it said."""

    events: int = 0  # How many.
    message: str = ""


class Wire:
    """How events are written into requests, and what their answers mean: the notice's protocol."""

    name: DeliveryFormat = "events"
    sessions_apart = True  # A session event has an address of its own.
    attempt_seconds = 10.0  # That one attempt may take, with its name look-up.
    remarks: tuple[str, ...] = ()  # What a person should know about how it was chosen.
    tls: Tls = Tls()

    def build(self, batch: Batch, *, base: str, compress: bool = False) -> Post:
        """Build the request that carries a batch."""
        return build_post(batch.events, base=base, is_session=batch.is_session, compress=compress)

    def masked(self) -> Wire:
        """Return the same for a preview, which shows nothing secret."""
        return self

    def masks(self, batch: Batch) -> tuple[str, ...]:
        """Name the members that its requests hide, as JSON pointers."""
        del batch
        return ()

    def is_refusal(self, status: int) -> bool:
        """True if a status refuses for good: asking again gets the same answer."""
        return status // 100 == 4 and status not in _RETRIED  # noqa: PLR2004

    def refuses_tracking(self, answer: Answer) -> bool:
        """True if a 2xx or 403 says `track_events: false` (facts, part 1)."""
        if not answer.is_success and answer.status != _FORBIDDEN:
            return False
        try:
            document = json.loads(answer.body)
        except (ValueError, RecursionError):
            return False
        return isinstance(document, dict) and document.get("track_events") is False

    def read_refusal(self, answer: Answer) -> Refusal:
        """Read what a receiver says of a request that it took; this protocol takes all of one."""
        del answer
        return Refusal()

    def words_of(self, answer: Answer) -> str:
        """Return the words that are kept of an answer; none where all is well."""
        return "" if answer.is_success else answer.body.decode("utf-8", "replace")


EVENTS = Wire()


def build_post(
    bodies: Sequence[bytes], *, base: str, is_session: bool = False, compress: bool = False
) -> Post:
    """Build the request that carries events, their bytes joined as they are.

    The session header is set for a session event alone, and only when the event
    itself has a session: a header must not link what the events do not.
    """
    url = f"{base.rstrip('/')}/{'session' if is_session else 'events'}"
    body = bytes(bodies[0]) if is_session else b'{"events":[%b]}' % b",".join(bodies)
    session_id = _session_of(body) if is_session else ""
    more = {"Localstack-Session-ID": session_id} if session_id else {}
    return assemble(url, body, more=more, compress=compress)


def assemble(
    url: str,
    body: bytes,
    *,
    content_type: str = "application/json",
    more: Mapping[str, str],
    compress: bool,
) -> Post:
    """Put URL, headers and body together, the same bytes whenever it is asked.

    Credentials in the URL become a header, as they would on the wire.
    """
    parts = urlsplit(url)
    userinfo, _, host = parts.netloc.rpartition("@")
    headers = {
        "Host": host,
        "User-Agent": f"usagectl/{__version__}",
        "Accept": content_type,
        "Accept-Encoding": "identity",
        "Connection": "keep-alive",
        "Content-Type": content_type,
    }
    if userinfo:
        headers["Authorization"] = _basic(userinfo)
    headers |= more
    if compress:
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, 1, mtime=0)  # With the time in it no preview shows these bytes.
    headers["Content-Length"] = str(len(body))
    return Post(parts._replace(netloc=host).geturl(), headers, body)


def _session_of(event: bytes) -> str:
    """Read the session ID of a session event; empty where no header can hold it."""
    try:
        found = json.loads(event)["metadata"]["session_id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    is_fit = isinstance(found, str) and found.isascii() and found.isprintable()
    return found if is_fit and found == found.strip() else ""


def _basic(userinfo: str) -> str:
    """Build the header of a URL's credentials (RFC 7617); masked ones stay masked."""
    if not userinfo.strip("*"):
        return f"Basic {userinfo}"
    name, _, password = userinfo.partition(":")
    pair = f"{unquote(name)}:{unquote(password)}".encode()
    return f"Basic {base64.b64encode(pair).decode('ascii')}"
