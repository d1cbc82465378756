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
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar, get_args
from urllib.parse import unquote

from usagectl.delivery.requests import PemFile, Tls
from usagectl.endpoint import OTLP_FILES, otlp_variables
from usagectl.errors import UsageError, install_line
from usagectl.sensitive import MASK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Encoding = Literal["http/protobuf", "http/json"]

ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)
COMPRESSIONS = ("none", "gzip")
_Found = TypeVar("_Found")
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
            encoding = ENCODINGS[0] if has_protobuf() else ENCODINGS[1]
            hint = f"export OTEL_EXPORTER_OTLP_LOGS_PROTOCOL={encoding}"
        else:
            reason = "the library opentelemetry-proto is not installed, or too old"
            hint = install_line("opentelemetry-proto")
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
    compression: str  # One of `COMPRESSIONS`.
    timeout: timedelta  # Of one attempt; none where it is zero.
    tls: Tls = Tls()
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
    protocol, by_protocol = _take(variables, "PROTOCOL", _parse_protocol, remarks)
    headers, by_headers = _take(variables, "HEADERS", _parse_headers, remarks)
    compression, by_compression = _take(variables, "COMPRESSION", _parse_compression, remarks)
    milliseconds, by_timeout = _take(variables, "TIMEOUT", _parse_milliseconds, remarks)
    files = [
        Setting(name.lower(), *_take(variables, name, _parse_path, remarks)) for name in OTLP_FILES
    ]
    # Without a word the smaller form, where its library is there.
    protocol = protocol or ("http/protobuf" if has_protobuf() else "http/json")
    compression = compression or "none"
    milliseconds = _DEFAULT_MILLISECONDS if milliseconds is None else milliseconds
    shown = ",".join(f"{each}={MASK}" for each in headers or ())
    settings = (
        Setting("protocol", protocol, by_protocol),
        Setting("headers", shown or None, by_headers),
        Setting("compression", compression, by_compression),
        Setting("timeout_ms", milliseconds, by_timeout),
        *files,
    )
    tls = Tls(*(PemFile(str(each.value or ""), each.variable) for each in files))
    if tls.key.path and not tls.certificate.path:
        remarks.append(f"{tls.key.variable} is ignored: no certificate goes with it.")
    timeout = timedelta(milliseconds=milliseconds)
    return OtlpOptions(protocol, headers or {}, compression, timeout, tls, settings, tuple(remarks))


def check(options: OtlpOptions) -> None:
    """Refuse a protocol that the user named and that there is not.

    Raises:
        OtlpUnavailableError: it is gRPC, or protobuf without its library.
    """
    is_missing = options.protocol == "http/protobuf" and not has_protobuf()
    if options.protocol == _GRPC or is_missing:
        raise OtlpUnavailableError(options.settings[0].variable, options.protocol)


def _take(
    variables: Mapping[str, str],
    option: str,
    parse: Callable[[str], tuple[_Found | None, str]],
    remarks: list[str],
) -> tuple[_Found | None, str]:
    """Return what decides on an option, and the variable that says so; None without one."""
    for name in otlp_variables(option):
        if text := variables.get(name, "").strip():
            found, problem = parse(text)
            if problem:
                remarks.append(f"{name} is ignored{problem}.")
            return found, name if found is not None else ""
    return None, ""


def _parse_protocol(text: str) -> tuple[str | None, str]:
    return _one_of((*ENCODINGS, _GRPC), text)


def _parse_compression(text: str) -> tuple[str | None, str]:
    return _one_of(COMPRESSIONS, text)


def _one_of(known: tuple[str, ...], text: str) -> tuple[str | None, str]:
    """Read a word of a few, in any case, as the specification has it."""
    if text.lower() in known:
        return text.lower(), ""
    return None, f": usagectl knows {', '.join(known)}"


def _parse_path(text: str) -> tuple[str | None, str]:
    return text, ""


def _parse_milliseconds(text: str) -> tuple[int | None, str]:
    if text.isascii() and text.isdecimal() and len(text) <= len(str(_MOST_MILLISECONDS)):
        return min(int(text), _MOST_MILLISECONDS), ""
    return None, ": it is no number of milliseconds"


def _parse_headers(text: str) -> tuple[dict[str, str] | None, str]:
    """Read `name=value,name=value`, with values as in a URL (W3C Baggage, without properties)."""
    pairs = [each for each in text.split(",") if each.strip()]
    found = dict(filter(None, map(_parse_header, pairs)))
    problem = " in part: a pair of it makes no header" if len(found) < len(pairs) else ""
    return found or None, problem


def _parse_header(pair: str) -> tuple[str, str] | None:
    key, equals, value = pair.partition("=")
    key, value = key.strip(), unquote(value.strip())
    is_fit = equals and _TOKEN.fullmatch(key) and value.isascii() and value.isprintable()
    return (key, value) if is_fit and key.lower() not in _OURS else None
