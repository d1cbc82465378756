"""What `kill -9` can do to the spool, at any instant of appending, replaying, purging: nothing.

A driver forks one process after another and kills each after a random while.
`USAGECTL_KILLS=1000` makes it a thousand.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections import Counter
from typing import TYPE_CHECKING

from tests.support.commands import run_inside
from tests.support.endpoint import Endpoint
from tests.support.machine import REPOSITORY
from tests.support.spooling import check_integrity, entries, spool_file
from usagectl import spool

if TYPE_CHECKING:
    from tests.support.endpoint import Received
    from tests.support.machine import Machine

KILLS = int(os.environ.get("USAGECTL_KILLS", "60"))

DRIVER = textwrap.dedent(
    """
    import itertools, json, os, random, signal, sys, time
    from datetime import UTC, datetime
    from pathlib import Path
    import httpx, httpx._client  # loaded once, before the forks
    from tests.support.machine import Machine
    from tests.support.spooling import check_integrity, spool_file
    from usagectl import cli, spool
    from usagectl.events.record import new_record

    folder, base, kills = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    machine = Machine(folder, variables={"DO_NOT_TRACK": "1"})
    environment = machine.environment(now=lambda: datetime.now(UTC))
    acked = os.open(folder / "acked", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def events(turn):
        for number in itertools.count():
            tool = "junk" if number % 5 == 4 else "keep"
            body = b'{"name":"e","id":"%d-%d","x":"%s"}' % (turn, number, b"x" * 900)
            yield body, tool, b"%d-%d %s\\n" % (turn, number, tool.encode())

    def append_many(turn):
        each = events(turn)
        while True:
            records, notes = [], b""
            for body, tool, note in itertools.islice(each, 7):
                now, entropy = environment.now(), os.urandom
                records.append(new_record(body, tool=tool, kind="e", now=now, entropy=entropy))
                notes += note
            spool.append_all(environment, records)
            os.write(acked, notes)

    def append_one_by_one(turn):
        for body, tool, note in events(turn):
            spool.append(environment, body, tool=tool, kind="e")
            os.write(acked, note)

    def send(turn):
        cli.main(["replay", "--to", base, "--batch-size", "20", "--json"], environment)

    def purge(turn):
        spool.purge(environment, selection=spool.Selection(tools=("junk",)))

    appends = (append_many, append_one_by_one)
    spans = []
    draw = random.Random(20261123)
    for turn in range(kills):
        deed = draw.choice([append_many, append_one_by_one, send, send, purge])
        size = os.fstat(acked).st_size
        started = time.monotonic()
        child = os.fork()
        if not child:
            try:
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
                deed(turn)
            finally:
                os._exit(0)
        # Some are killed before they have begun; on a busy machine that must not be all.
        until = time.monotonic() + (5 if deed in appends and draw.random() < 0.5 else 0)
        while os.fstat(acked).st_size == size and time.monotonic() < until:
            time.sleep(0.001)
        time.sleep(draw.uniform(0, 0.03 if deed is not send else 0.06))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        spans.append((deed.__name__, started))
        if spool_file(machine).exists() and spool_file(machine).stat().st_size:
            assert check_integrity(spool_file(machine)) == "ok", turn
    print(json.dumps(spans))
    """
)


def ids(request: Received) -> list[str]:
    """List the ids of a request's events."""
    return [event["id"] for event in request.events]


def test_no_kill_loses_or_tears_anything(machine: Machine) -> None:
    """Each acknowledged event is there once; only the batch in flight repeats at the endpoint."""
    with Endpoint() as endpoint:
        done = subprocess.run(
            [sys.executable, "-c", DRIVER, str(machine.folder), endpoint.base, str(KILLS)],
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            cwd=REPOSITORY,
            capture_output=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        spans = json.loads(done.stdout)
        acked = [line.split() for line in (machine.folder / "acked").read_text().splitlines()]
        kept = {each for each, tool in acked if tool == "keep"}
        there = Counter(json.loads(entry.body)["id"] for entry in entries(machine, *spool.STATES))
        assert len(kept) > KILLS // 5
        assert {each: there[each] for each in kept if there[each] != 1} == {}
        assert max(there.values()) == 1
        machine.variables["DO_NOT_TRACK"] = "1"
        outcome = run_inside(machine.environment(), "replay", "--to", endpoint.base, "--json")
        assert outcome.status == 0
        received = list(endpoint.received)
    assert {deed for deed, _ in spans} == {"append_many", "append_one_by_one", "send", "purge"}
    assert kept - {each for request in received for each in ids(request)} == set()
    in_flight = _in_flight(received, [started for _, started in spans])
    requests_of: dict[str, list[int]] = {}
    for number, request in enumerate(received):
        for each in ids(request):
            requests_of.setdefault(each, []).append(number)
    # All but the last time it came, an event was in a request that a kill caught under way.
    repeated = [each for each, numbers in requests_of.items() if set(numbers[:-1]) - in_flight]
    assert repeated == []
    state = spool.state(machine.environment())
    assert (state.pending, state.losses.total, state.problem) == (0, 0, "")
    assert check_integrity(spool_file(machine)) == "ok"


def _in_flight(received: list[Received], starts: list[float]) -> set[int]:
    """Find the last request of each turn: the one that a kill may have caught under way."""
    turns = [sum(started <= request.at for started in starts) for request in received]
    return set({turn: number for number, turn in enumerate(turns)}.values())
