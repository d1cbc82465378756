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
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

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
_HEAD = (
    "POST /v1/events HTTP/1.1\r\nHost: %s:%d\r\nUser-Agent: localstack/4.12.0\r\n"
    "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
)


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
        environment = {
            "PATH": os.defpath,
            "HOME": folder,
            "PYTHONPATH": str(REPOSITORY),
            "HTTP_PROXY": DEAD,
            "HTTPS_PROXY": DEAD,
            "USAGECTL_TELEMETRY": "off",
        }
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


async def _answer(reader: asyncio.StreamReader) -> int:
    """Read one answer; return its status."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next(int(line[16:]) for line in lines if line.startswith(b"content-length: "))
    await reader.readexactly(length)
    return int(lines[0].split()[1])


async def _post_all(port: int, numbers: Iterator[int], *, keeps: bool) -> int:
    """Post as one client until the numbers are used up; return how many were answered."""
    answered = 0
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    for number in numbers:
        body = _EVENT % number
        if streams is None:
            streams = await asyncio.open_connection(HOST, port)
        reader, writer = streams
        writer.write((_HEAD % (HOST, port, len(body)) + body).encode())
        assert await _answer(reader) == 200
        answered += 1
        if not keeps:
            writer.close()
            await writer.wait_closed()
            streams = None
    if streams is not None:
        streams[1].close()
    return answered


class HalfOpen:
    """Connections that say a byte now and then, and never all of a request's head."""

    def __init__(self, wanted: int) -> None:
        self.open = 0
        self.ended = 0
        self.are_open = asyncio.Event()
        self._wanted = wanted

    async def hold(self, port: int) -> None:
        """Keep one such connection open, and make a new one whenever the server ends it."""
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection(HOST, port)
                self.open += 1
                if self.open >= self._wanted:
                    self.are_open.set()
                try:
                    writer.write(b"POST /v1/events HTTP/1.1\r\nX-Slow: ")
                    await self._drip(reader, writer)
                finally:
                    self.open -= 1
                    writer.close()
            self.ended += 1

    async def _drip(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(reader.readexactly(1), 1)
            writer.write(b"a")
            await writer.drain()


class Load(NamedTuple):
    """How a load went."""

    seconds: float
    answered: int
    held: int = 0
    ended: int = 0


async def _load(
    port: int, numbers: range, clients: int, *, keeps: bool, half_open: int = 0
) -> Load:
    slow = HalfOpen(half_open)
    holders = [asyncio.create_task(slow.hold(port)) for _ in range(half_open)]
    if holders:
        await slow.are_open.wait()
    rest = iter(numbers)
    started = time.perf_counter()
    counts = await asyncio.gather(*(_post_all(port, rest, keeps=keeps) for _ in range(clients)))
    seconds = time.perf_counter() - started
    held, ended = slow.open, slow.ended
    for holder in holders:
        holder.cancel()
    await asyncio.gather(*holders, return_exceptions=True)
    return Load(seconds, sum(counts), held, ended)


def _measure(name: str, amount: int, clients: int, *, keeps: bool, half_open: int = 0) -> float:
    """Put one load on a fresh server and print how it went; return requests a second."""
    first = amount // 10
    with serving() as server:
        parts, peaks = [], []
        for numbers in (range(first), range(first, amount)):
            load = _load(server.port, numbers, clients, keeps=keeps, half_open=half_open)
            parts.append(asyncio.run(load))
            peaks.append(server.peak_kib)
        recorded = server.count_recorded()
    answered = sum(part.answered for part in parts)
    assert answered == amount, f"{amount - answered} requests had no answer"
    assert set(recorded) == set(range(amount)), f"{amount - len(recorded)} events are lost"
    assert recorded.total() == amount, f"{recorded.total() - amount} events are there twice"
    rate = amount / sum(part.seconds for part in parts)
    print(f"{name}: {rate:,.0f} requests/s, {amount} requests, {clients} clients, 0 lost")
    print(
        f"  peak memory after {amount} requests / after {first}: {peaks[1] / peaks[0]:.3f}"
        f" ({peaks[1] / 1024:.1f} MiB)"
    )
    if half_open:
        ended = sum(part.ended for part in parts)
        print(f"  half-open at the end: {parts[-1].held}; ended by the server before: {ended}")
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
