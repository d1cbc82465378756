"""What trackers recorded on a machine: events, sums of counts; threads and settings beside."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.support.machine import NOW
from tests.support.spooling import entries
from usagectl import settings, spool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.support.machine import Machine

CALL: dict[str, Any] = {"service": "s3", "operation": "PutObject", "status_code": 200}


def events(machine: Machine, *names: str) -> list[dict[str, Any]]:
    """Read the waiting events, or those of some names."""
    found = [json.loads(each.body) for each in entries(machine)]
    return [each for each in found if not names or each["name"] in names]


def every_byte(machine: Machine) -> bytes:
    """Read all files of the machine, and their names."""
    files = (path for path in machine.folder.rglob("*") if path.is_file())
    return b"\n".join(str(path).encode() + b"\n" + path.read_bytes() for path in files)


def losses(machine: Machine) -> int:
    """Count the events that were lost."""
    return spool.state(machine.environment()).losses.total


def sum_of(found: Iterable[dict[str, Any]], name: str = "api_calls") -> Counter[tuple[object, ...]]:
    """Sum up the counts of events, by labels."""
    total: Counter[tuple[object, ...]] = Counter()
    for event in found:
        for each in event["payload"][name]:
            *labels, count = each.values()
            total[tuple(labels)] += count
    return total


def wait_until(is_so: Callable[[], object], seconds: float = 20.0) -> bool:
    """Wait until something is so; False if it does not become so."""
    until = time.monotonic() + seconds
    while not is_so() and time.monotonic() < until:
        time.sleep(0.01)
    return bool(is_so())


def own_threads() -> list[str]:
    """Name the threads that trackers started."""
    return [each.name for each in threading.enumerate() if each.name == "usagectl"]


def set_mode(machine: Machine, mode: str) -> None:
    """Write the user's setting for the tool `mytool`."""
    machine.config_dir.mkdir(exist_ok=True)
    file = machine.config_dir / "settings.toml"
    file.write_text(f'[tools.mytool]\nmode = "{mode}"\nsince = {NOW.isoformat()}\n')
    assert settings.load(machine.environment()).of_tool("mytool").mode == mode
