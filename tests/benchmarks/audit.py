"""Print how long an audit of a full default spool takes, and what memory; the limit is 5 s.

Run it with `python -m tests.benchmarks.audit [--events N]`. Each round is a process of its
own; each figure is the best of the rounds, in seconds of the processor. Four files: CLI
events as the notice has them, CLI events with a session of their own as real clients send
them, the same as a capture keeps them with the headers of their requests, and failed API
calls whose texts all differ; then a spool with such calls.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.machine import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

FULL_SPOOL = 110_000
"""About as many events of LocalStack's size as the spool holds by default."""

LIMIT = 5.0

_AUDIT = """
import sys
from usagectl import audit
from usagectl.machine.environment import from_process
with open(sys.argv[1], "rb") as stream:
    context = audit.Context.from_environment(from_process())
    print(audit.Auditor(context).add_stream(stream).events)
"""

_FILL = """
import sys
from datetime import UTC, datetime
from usagectl.events.record import new_record
from usagectl.machine.environment import from_process
from usagectl.machine.files import spool_file
from usagectl.spool import Bounds, opened
now = datetime.now(UTC)
with open(sys.argv[1], "rb") as stream, opened(spool_file(from_process())) as store:
    events = (line.partition(b'"event":')[2][:-2] for line in stream)
    store.add(
        new_record(each, tool="x", kind="aws_request", now=now, entropy=bytes) for each in events
    )
    print(store.count(["pending"]))
"""

_AUDIT_SPOOL = """
from usagectl import audit
from usagectl.machine.environment import from_process
environment = from_process()
context = audit.Context.from_environment(environment)
print(audit.Auditor(context).add_spool(environment).events)
"""

_RECORD = '{"uid":"01890000-0000-7000-8000-%012x","time":"t","tool":"x","kind":"x","event":%s}\n'
_TIME = "2026-11-23 09:%02d:%02d.%06d"
_CLI = (
    '{"name":"cli_cmd","metadata":{"client_time":"%s"},"payload":{"cmd":"usagectl cache-dir set",'
    '"params":["path","dry_run","json","reveal","state","event","since","until","format","limit"]}}'
)
_LINKED = (  # With the blanks of LocalStack's client.
    '{"name": "cli_cmd", "metadata": {"session_id": "%08x-0000-4000-8000-000000000000", '
    '"client_time": "%s"}, "payload": {"cmd": "localstack config show", "params": ["format_"]}}'
)
_HEADERS = (
    '"headers":{"host":"127.0.0.1:46645","user-agent":"localstack/4.12.0",'
    '"localstack-session-id":"%08x-0000-4000-8000-000000000000","content-length":"215"},"event"'
)
_CALL = (
    '{"name":"aws_request","metadata":{"session_id":"64517be1-7dd0-479b-a8ec-88d3e544afd9",'
    '"client_time":"%s"},"payload":{"service":"sqs","operation":"DeleteQueue","status_code":400,'
    '"err_type":"QueueDoesNotExist","err_msg":"Queue number %d does not exist.",'
    '"is_internal":false,"region":"us-east-1","account_id":"000000000000","user_agent":"aws"}}'
)


def _lines(form: str, amount: int) -> Iterator[str]:
    for number in range(amount):
        time_text = _TIME % (number // 60 % 60, number % 60, number % 1_000_000)
        if form == "cli":
            event = _CLI % time_text
        elif form in ("linked", "captured"):
            event = _LINKED % (number, time_text)
        else:
            event = _CALL % (time_text, number)
        line = _RECORD % (number, event)
        yield line.replace('"event"', _HEADERS % number, 1) if form == "captured" else line


def _measure(home: str, *words: str) -> tuple[float, int]:
    """Run Python in a home; return its processor seconds and its peak memory in KiB."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "HOME": home}
    command = [sys.executable, "-c", *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    _, process.returncode, usage = os.wait4(process.pid, 0)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=FULL_SPOOL)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for form in ("cli", "linked", "captured", "calls", "spool"):
            file = Path(folder, f"{form}.jsonl")
            with file.open("w") as stream:
                stream.writelines(_lines(form, options.events))
            words: tuple[str, ...] = (_AUDIT, str(file))
            if form == "spool":
                _measure(folder, _FILL, str(file))
                words = (_AUDIT_SPOOL,)
            runs = [_measure(folder, *words) for _ in range(options.rounds)]
            seconds, memory = min(runs)[0], max(run[1] for run in runs)
            print(
                f"{form:9} {options.events:>9,} events in {seconds:5.2f} s, "
                f"{seconds / LIMIT:4.2f} of the limit, {memory / 1024:6.1f} MiB"
            )
            file.unlink()


if __name__ == "__main__":
    main()
