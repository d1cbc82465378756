"""Decoding of bodies: their content codings within bounds, and the protobuf of OpenTelemetry."""

from __future__ import annotations

import io
import zlib
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

INSTALLED = " reads once it is installed"
"""The end of why a body was not decoded, where a library is missing."""

MAX_DECODED_BYTES = 32 * 1024 * 1024
"""A larger body is not unpacked, however small it came in: a decompression bomb ends here."""

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_MOST_CODINGS = 4
_MOST_MEMBERS = 1000
_MOST_WINDOW_BYTES = 8 * 1024 * 1024  # RFC 9659: no content coding needs a larger one.
_GRPC_HEAD_BYTES = 5

_OTLP = {"traces": "trace", "metrics": "metrics", "logs": "logs"}
"""The signals by their path over HTTP, and the name of each in the packages of protobuf."""


class UndecodableError(Exception):
    """The coding of a body is unknown or broken, or the body becomes too large."""


def decode(body: bytes, content_encoding: str) -> bytes:
    """Take off the codings of a `Content-Encoding`, the last one first (RFC 9110, 8.4).

    Raises:
        UndecodableError: a coding is unknown or broken, or more than `MAX_DECODED_BYTES` come out.
    """
    codings = [each.strip().lower() for each in content_encoding.split(",") if each.strip()]
    if len(codings) > _MOST_CODINGS:
        raise UndecodableError("it is coded more than four times")
    for coding in reversed(codings):
        if coding != "identity":
            body = _decoder(coding)(body)
            _require_small(body)
    return body


def _decoder(coding: str) -> Callable[[bytes], bytes]:
    known = {
        "gzip": _inflate,
        "x-gzip": _inflate,
        "deflate": _inflate_bare,
        "br": _unbrotli,
        "zstd": _unzstd,
    }
    if coding not in known:
        raise UndecodableError("its coding is not known")
    return known[coding]


def _require_small(body: bytes) -> None:
    if len(body) > MAX_DECODED_BYTES:
        message = f"it becomes larger than {MAX_DECODED_BYTES} bytes"
        raise UndecodableError(message)


def _inflate_bare(body: bytes) -> bytes:
    """Decompress `deflate`, which means zlib's form; some send it without its frame."""
    return _inflate(body, may_be_bare=True)


def _inflate(body: bytes, *, may_be_bare: bool = False) -> bytes:
    """Decompress every member."""
    window = _GZIP_OR_ZLIB
    found = b""
    rest = body
    for _ in range(_MOST_MEMBERS):
        if not rest:
            return found
        inflater = zlib.decompressobj(window)
        try:
            found += inflater.decompress(rest, MAX_DECODED_BYTES + 1 - len(found))
        except zlib.error as error:
            if may_be_bare and not found and window == _GZIP_OR_ZLIB:
                window = -zlib.MAX_WBITS
                continue
            raise UndecodableError("its compression is broken") from error
        _require_small(found)
        if not inflater.eof:
            raise UndecodableError("its compression ends too soon")
        rest = inflater.unused_data.lstrip(b"\0")
    raise UndecodableError("its compression has too many parts")


def _unbrotli(body: bytes) -> bytes:
    brotli = _library("brotli", "Brotli")
    decompressor = brotli.Decompressor()
    found, rest = b"", body
    try:
        while not decompressor.is_finished() and len(found) <= MAX_DECODED_BYTES:
            step = decompressor.process(rest, output_buffer_limit=MAX_DECODED_BYTES + 1)
            if not step and not rest:
                raise UndecodableError("its compression ends too soon")
            found, rest = found + step, b""
    except brotli.error as error:
        raise UndecodableError("its compression is broken") from error
    return found


def _unzstd(body: bytes) -> bytes:
    zstandard = _library("zstandard", "Zstandard")
    decompressor = zstandard.ZstdDecompressor(max_window_size=_MOST_WINDOW_BYTES)
    try:
        with decompressor.stream_reader(io.BytesIO(body), read_across_frames=True) as reader:
            return bytes(reader.read(MAX_DECODED_BYTES + 1))
    except zstandard.ZstdError as error:
        raise UndecodableError("its compression is broken") from error


def _library(module: str, coding: str) -> Any:  # noqa: ANN401  (a module)
    if find_spec(module) is None:
        message = f"it is coded with {coding}, which {module}{INSTALLED}"
        raise UndecodableError(message)
    return import_module(module)


def otlp_signal(path: str, headers: Mapping[str, str]) -> str:
    """Return what an export of OpenTelemetry in protobuf holds: `traces`, `metrics` or `logs`.

    Empty for any other request. Over HTTP the path says so, and over gRPC the service's name
    (opentelemetry.io/docs/specs/otlp).
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("application/x-protobuf", "application/protobuf"):
        return next((each for each in _OTLP if path.endswith(f"/v1/{each}")), "")
    if kind.startswith("application/grpc") and "opentelemetry.proto.collector." in path:
        services = ((each, f".{package}.v1.") for each, package in _OTLP.items())
        return next((each for each, service in services if service in path), "")
    return ""


def otlp_as_json(body: bytes, signal: str, *, is_grpc: bool) -> bytes:
    """Decode an export of OpenTelemetry to JSON.

    Raises:
        UndecodableError: the library is not installed, or the message is broken.
    """
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.proto") is None:
        message = f"it is OTLP in protobuf, which opentelemetry-proto{INSTALLED}"
        raise UndecodableError(message)
    from google.protobuf.json_format import MessageToJson
    from google.protobuf.message import DecodeError

    package = _OTLP[signal]
    name = f"opentelemetry.proto.collector.{package}.v1.{package}_service_pb2"
    message = getattr(import_module(name), f"Export{package.capitalize()}ServiceRequest")()
    try:
        message.ParseFromString(_unframed(body) if is_grpc else body)
        return MessageToJson(message, indent=None).encode()  # type: ignore[no-any-return]
    except (DecodeError, ValueError, RecursionError) as error:
        raise UndecodableError("it is OTLP in protobuf, and broken") from error


def _unframed(body: bytes) -> bytes:
    """Take the first message out of gRPC's frame: a flag, and the length in four bytes."""
    head, rest = body[:_GRPC_HEAD_BYTES], body[_GRPC_HEAD_BYTES:]
    message = rest[: int.from_bytes(head[1:])]
    return _inflate(message) if head[:1] == b"\1" else message
