"""OpenTelemetry's variables for an exporter of logs: what each says, and which of two decides.

That for logs alone goes before that for all signals, an empty one counts as none, and an unknown
value is warned of and ignored (opentelemetry.io/docs/specs/otel/protocol/exporter). None of them
has anything sent: they say how, where the user chose the format `otlp`. OTEL_SERVICE_NAME and
OTEL_RESOURCE_ATTRIBUTES are not read: they describe another program, and often a host.
"""

from __future__ import annotations

import re
from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args
from urllib.parse import unquote

from usagectl.errors import UsageError
from usagectl.sensitive import MASK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Encoding = Literal["http/protobuf", "http/json"]
Compression = Literal["none", "gzip"]

ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)
_COMPRESSIONS: tuple[Compression, ...] = get_args(Compression)
_GRPC = "grpc"
_DEFAULT_MILLISECONDS = 10_000
_MOST_MILLISECONDS = 86_400_000
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OURS = frozenset(
    {
        *("accept", "accept-encoding", "connection", "content-encoding", "content-length"),
        *("content-type", "host", "transfer-encoding", "user-agent"),
    }
)
"""Headers that a request has from us: another value would make it one that nobody can read."""


class OtlpUnavailableError(UsageError):
    """A protocol that a variable asks for, and that this installation does not have."""

    code = "otlp-unavailable"

    def __init__(self, name: str, value: str) -> None:
        if value == _GRPC:
            reason = "usagectl sends OpenTelemetry logs over HTTP alone"
            hint = "export OTEL_EXPORTER_OTLP_LOGS_PROTOCOL=http/protobuf"
        else:
            reason = "the library opentelemetry-proto is not installed, or too old"
            hint = "python -m pip install 'usagectl[otlp]'"
        super().__init__(f"{name} asks for {value}: {reason}.", hint=hint)


class Setting(NamedTuple):
    """One option of the exporter as it holds."""

    name: str
    value: object  # As it may be shown: without values of headers.
    variable: str  # What chose it; empty for a default.


class OtlpOptions(NamedTuple):
    """Options of the exporter."""

    protocol: str  # One of `ENCODINGS`, or `grpc`.
    headers: Mapping[str, str]
    compression: Compression
    timeout: timedelta  # Of one attempt; none where it is zero.
    settings: tuple[Setting, ...] = ()
    remarks: tuple[str, ...] = ()  # What of the variables is ignored.

    @property
    def encoding(self) -> Encoding:
        """Protobuf or JSON."""
        return "http/json" if self.protocol == "http/json" else "http/protobuf"


def has_protobuf() -> bool:
    """True if opentelemetry-proto, the extra `otlp`, is installed, and names events.

    An application may have brought an older one, or a runtime of protobuf that does not fit.
    """
    try:
        logs = import_module("opentelemetry.proto.logs.v1.logs_pb2")
    except Exception:  # noqa: BLE001  (such a runtime raises what it likes)
        return False
    return "event_name" in logs.LogRecord.DESCRIPTOR.fields_by_name


def read(variables: Mapping[str, str]) -> OtlpOptions:
    """Read the variables; what cannot be understood is ignored, and said."""
    remarks: list[str] = []
    name, protocol = _find(variables, "PROTOCOL")
    chosen = _one_of((*ENCODINGS, _GRPC), name, protocol, remarks)
    by_protocol = name if chosen else ""
    # Without a word the smaller form, where its library is there.
    chosen = chosen or ("http/protobuf" if has_protobuf() else "http/json")
    name, text = _find(variables, "HEADERS")
    headers = dict(_headers(name, text, remarks))
    by_headers = name if headers else ""
    name, text = _find(variables, "COMPRESSION")
    compression = _one_of(_COMPRESSIONS, name, text, remarks)
    by_compression = name if compression else ""
    name, text = _find(variables, "TIMEOUT")
    timeout = _milliseconds(name, text, remarks)
    by_timeout = name if timeout is not None else ""
    milliseconds = _DEFAULT_MILLISECONDS if timeout is None else timeout
    shown = ",".join(f"{each}={MASK}" for each in headers)
    return OtlpOptions(
        chosen,
        headers,
        "gzip" if compression == "gzip" else "none",
        timedelta(milliseconds=milliseconds),
        (
            Setting("protocol", chosen, by_protocol),
            Setting("headers", shown or None, by_headers),
            Setting("compression", compression or "none", by_compression),
            Setting("timeout_ms", milliseconds, by_timeout),
        ),
        tuple(remarks),
    )


def check(options: OtlpOptions) -> None:
    """Refuse a protocol that the user named and that there is not.

    Raises:
        OtlpUnavailableError: it is gRPC, or protobuf without its library.
    """
    is_missing = options.protocol == "http/protobuf" and not has_protobuf()
    if options.protocol == _GRPC or is_missing:
        raise OtlpUnavailableError(options.settings[0].variable, options.protocol)


def _find(variables: Mapping[str, str], option: str) -> tuple[str, str]:
    """Return the variable that decides on an option, and what it says; both empty without one."""
    for signal in ("LOGS_", ""):
        name = f"OTEL_EXPORTER_OTLP_{signal}{option}"
        if text := variables.get(name, "").strip():
            return name, text
    return "", ""


def _one_of(known: tuple[str, ...], name: str, text: str, remarks: list[str]) -> str:
    """Return a word if it is a known one; the specification leaves no case to it."""
    if text and text.lower() not in known:
        remarks.append(f"{name} is ignored: usagectl knows {', '.join(known)}.")
        return ""
    return text.lower()


def _milliseconds(name: str, text: str, remarks: list[str]) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > len(str(_MOST_MILLISECONDS)):
        remarks.append(f"{name} is ignored: it is no number of milliseconds.")
        return None
    return min(int(text), _MOST_MILLISECONDS)


def _headers(name: str, text: str, remarks: list[str]) -> Iterator[tuple[str, str]]:
    """Read `name=value,name=value`, with values as in a URL (W3C Baggage, without properties)."""
    for pair in text.split(","):
        key, equals, value = pair.partition("=")
        key, value = key.strip(), unquote(value.strip())
        is_fit = equals and _TOKEN.fullmatch(key) and value.isascii() and value.isprintable()
        if is_fit and key.lower() not in _OURS:
            yield key, value
        elif pair.strip():
            remarks.append(f"{name} is ignored in part: one of its pairs makes no header.")
