"""Own how each version of LocalStack's Python client behaves, as data.

Boundaries come from the facts sheet and from reading the published wheels:
profile lists came between 3.0.2 and 3.3.0, `product` and `edition` with
4.2.0, the three-part system string with 4.14.0; the 2026 command line that
was split off later carries the 4.12 rules again.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

NEWEST_KNOWN = "2026.8.2"
"""The newest version whose rules were read; shown when none is installed."""

_TRUE = ("1", "true", "True")
_FALSE = ("0", "false", "False")


class Rules(NamedTuple):
    """Hold the behaviour of one version.

    Attributes:
        version: as the package says it.
        reads_profile_list: whether CONFIG_PROFILE may name several profiles.
        machine_id: `short` for 1.x (8 hex digits), `prefixed` since 2.3.2.
        container_test: which marks count as a container.
        system: which text goes into the system field.
        has_product: whether `product` and `edition` are sent.
        has_container_runtime: whether `container_runtime` is sent.
    """

    version: str
    reads_profile_list: bool
    machine_id: Literal["short", "prefixed"]
    container_test: Literal["v1", "markers", "runtimes"]
    system: Literal["platform", "os-type", "summary"]
    has_product: bool
    has_container_runtime: bool


def parse_version(text: str) -> tuple[int, ...]:
    """Turn `4.12.0` or `1.0.5.dev` into comparable numbers; () when there are none."""
    match = re.match(r"\d+(?:\.\d+)*", text.strip())
    return tuple(int(number) for number in match[0].split(".")) if match else ()


def is_version(text: str) -> bool:
    """Tell whether text has the form of a LocalStack version, such as `1.0.5.dev`."""
    return re.fullmatch(r"\d+(?:\.\d+)*(?:[.+-]?[0-9A-Za-z]+)?", text, re.ASCII) is not None


def is_known(version: str) -> bool:
    """Tell whether a version lies among those whose rules were read: 1 to 4, then by the year."""
    number = parse_version(version)
    return (1, 0) <= number < (5,) or (2026,) <= number <= parse_version(NEWEST_KNOWN)


def rules_for(version: str | None) -> Rules:
    """Return the rules of a version; those of the newest known when it is unknown."""
    text = version or NEWEST_KNOWN
    number = parse_version(text) or parse_version(NEWEST_KNOWN)
    is_runtime_2026 = (2026,) <= number < (2026, 4)
    return Rules(
        version=text,
        reads_profile_list=number >= (3, 1),
        machine_id="prefixed" if number >= (2,) else "short",
        container_test=_container_test(number, is_runtime_2026=is_runtime_2026),
        system=_system(number, is_runtime_2026=is_runtime_2026),
        has_product=number >= (4, 2),
        has_container_runtime=is_runtime_2026,
    )


def _container_test(
    number: tuple[int, ...], *, is_runtime_2026: bool
) -> Literal["v1", "markers", "runtimes"]:
    if is_runtime_2026:
        return "runtimes"
    return "markers" if number >= (2,) else "v1"


def _system(
    number: tuple[int, ...], *, is_runtime_2026: bool
) -> Literal["platform", "os-type", "summary"]:
    if number < (2,):
        return "platform"
    return "summary" if is_runtime_2026 or (4, 14) <= number < (2026,) else "os-type"


def is_true(value: str | None) -> bool:
    """Apply LocalStack's own truth test: `1` or `true`, any case, trimmed (facts, part 5)."""
    return value is not None and value.lower().strip() in _TRUE


def parse_boolean(value: str | None) -> bool | None:
    """Apply LocalStack's own three-way test: True, False, or None for anything else."""
    text = (value or "").lower().strip()
    if text in _TRUE:
        return True
    return False if text in _FALSE else None
