"""Print how many requests a second `usagectl capture` takes, and how its memory grows.

Run it with `python -m tests.benchmarks.capture [--requests N] [--clients N] [--half-open N]`.
The server is a process of its own, with a fresh file for each load: clients that keep
their connection, clients that make one for each request, and clients beside connections
that never finish their first request. Every request holds one event with a number of its
own: each that was answered must be in the file, exactly once. Peak memory is read from
`/proc`, after a tenth of the requests and after all of them.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.machine import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "127.0.0.1"
DEAD = "http://127.0.0.1:9"
_EVENT = (
    '{"events": [{"name": "cli_cmd", "metadata": {"session_id": "%032x", '
    '"client_time": "2026-11-23 09:00:00.000000"}, "payload": '
    '{"cmd": "localstack config show", "params": ["format_"]}}]}'
)
_HEADERS = {"User-Agent": "localstack/4.12.0", "Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Server:
    """A capture that serves, in a process of its own."""

    process: subprocess.Popen[str]
    port: int
    file: Path

    @property
    def peak_kib(self) -> int:
        """Its peak memory so far."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))

    def count_recorded(self) -> Counter[int]:
        """Count how often each event is in the file."""
        with self.file.open("rb") as stream:
            events = (json.loads(line)["event"] for line in stream)
            return Counter(int(each["metadata"]["session_id"], 16) for each in events)


@contextmanager
def serving() -> Iterator[Server]:
    """Run a capture server; at the end it is told to stop, and must do so with status 0."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "capture.jsonl")
        environment = {"PATH": os.defpath, "HOME": folder, "PYTHONPATH": str(REPOSITORY)}
        environment |= {"HTTP_PROXY": DEAD, "HTTPS_PROXY": DEAD, "USAGECTL_TELEMETRY": "off"}
        process = subprocess.Popen(
            [sys.executable, "-m", "usagectl", "capture", "--port", "0", "-o", str(file)],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        with process:
            assert process.stdout is not None
            address = process.stdout.readline().strip().removesuffix("/v1")
            try:
                yield Server(process, int(address.rpartition(":")[2]), file)
            except BaseException:
                process.kill()
                raise
            process.send_signal(signal.SIGINT)
            process.communicate()
        assert process.returncode == 0, process.returncode


def _post_all(port: int, numbers: Iterator[int], *, keeps: bool) -> int:
    """Post as one client until the numbers are used up; return how many were answered."""
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    answered = 0
    for number in numbers:
        connection.request("POST", "/v1/events", _EVENT % number, _HEADERS)
        with connection.getresponse() as answer:
            answer.read()
            answered += answer.status == 200
        if not keeps:
            connection.close()
    connection.close()
    return answered


@contextmanager
def _half_open(port: int, wanted: int) -> Iterator[None]:
    """Hold connections that have said half the head of a request, and say no more."""
    with ExitStack() as stack:
        for _ in range(wanted):
            client = stack.enter_context(socket.create_connection((HOST, port)))
            client.sendall(b"POST /v1/events HTTP/1.1\r\nX-Slow: ")
        yield


def _load(port: int, numbers: range, clients: int, *, keeps: bool) -> tuple[float, int]:
    """Post every number once; return how long it took, and how many were answered."""
    rest = iter(numbers)
    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        jobs = [pool.submit(_post_all, port, rest, keeps=keeps) for _ in range(clients)]
    return time.perf_counter() - started, sum(job.result() for job in jobs)


def _measure(name: str, amount: int, clients: int, *, keeps: bool, half_open: int = 0) -> float:
    """Put one load on a fresh server and print how it went; return requests a second."""
    first = amount // 10
    seconds, answered, peaks = 0.0, 0, []
    with serving() as server, _half_open(server.port, half_open):
        for numbers in (range(first), range(first, amount)):
            took, count = _load(server.port, numbers, clients, keeps=keeps)
            seconds, answered = seconds + took, answered + count
            peaks.append(server.peak_kib)
        recorded = server.count_recorded()
    assert answered == amount, f"{amount - answered} requests had no answer"
    assert set(recorded) == set(range(amount)), f"{amount - len(recorded)} events are lost"
    assert recorded.total() == amount, f"{recorded.total() - amount} events are there twice"
    rate = amount / seconds
    print(f"{name}: {rate:,.0f} requests/s, {amount} requests, {clients} clients, 0 lost")
    print(
        f"  peak memory after {amount} requests / after {first}: {peaks[1] / peaks[0]:.3f}"
        f" ({peaks[1] / 1024:.1f} MiB)"
    )
    return rate


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--half-open", type=int, default=300)
    options = parser.parse_args()
    amount, clients = options.requests, options.clients
    kept = _measure("kept connections", amount, clients, keeps=True)
    fresh = _measure("a connection for each request", amount // 5, clients, keeps=False)
    name = f"kept connections beside {options.half_open} half-open ones"
    slow = _measure(name, amount, clients, keeps=True, half_open=options.half_open)
    print(f"a connection for each / kept: {fresh / kept:.2f}")
    print(f"beside half-open / without: {slow / kept:.2f}")


if __name__ == "__main__":
    main()
