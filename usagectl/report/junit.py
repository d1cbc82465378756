"""The report as JUnit XML, which CI services read: a test case for each tool and expectation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from usagectl.report import words
from usagectl.showing import printable_line

if TYPE_CHECKING:
    from collections.abc import Mapping

_SUITE = "usagectl report"
# `printable_line` escapes each character that XML cannot hold, not even as a reference.


def write(data: Mapping[str, Any]) -> bytes:
    """Write a report that expects something as JUnit XML."""
    expected = data["expected"]
    counts = {"tests": str(len(data["tools"])), "failures": str(len(expected["offending"]))}
    root = ET.Element("testsuites", {"name": _SUITE, **counts, "errors": "0"})
    stamp = data["time"].partition(".")[0]
    members = {"name": _SUITE, **counts, "errors": "0", "skipped": "0", "timestamp": stamp}
    suite = ET.SubElement(root, "testsuite", members)
    properties = ET.SubElement(suite, "properties")
    for name in ("usagectl", "sha256"):
        ET.SubElement(properties, "property", {"name": name, "value": printable_line(data[name])})
    for tool in data["tools"]:
        _add_case(suite, tool, data)
    ET.indent(root)
    text = ET.tostring(root, "unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()


def _add_case(suite: ET.Element, tool: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    wanted = data["expected"]["telemetry"]
    name = words.name_of(tool, data["tools"])
    case = ET.SubElement(
        suite,
        "testcase",
        {"classname": f"usagectl.{wanted}", "name": printable_line(name), "time": "0"},
    )
    verdict, meaning = words.verdict(tool, data)
    because = f"Decided by: {words.decider(tool['decided_by'])}. {meaning}"
    if words.is_offending(tool, data["expected"]):
        message = f"{name} is {tool['telemetry']}, not {wanted}"
        failure = ET.SubElement(
            case, "failure", {"type": "expectation-failed", "message": printable_line(message)}
        )
        failure.text = printable_line(because)
    else:
        ET.SubElement(case, "system-out").text = printable_line(f"{verdict}. {because}")
