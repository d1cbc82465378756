"""A real emulator of AWS, moto's server in a process of its own, and clients of boto3."""

from __future__ import annotations

import http.client
import os
import queue
import re
import subprocess
import sys
import threading
from functools import cache
from typing import Any, Self

_SERVER = """
import sys
from moto.core.config import default_user_config
from moto.server import ThreadedMotoServer
default_user_config["lambda"]["use_docker"] = False
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()  # until whoever started it closes it, or dies
"""
_ANSWER = re.compile(rb'HTTP/1\.[01]" ([0-9]{3}) ')
_COLOURS = re.compile(rb"\x1b\[[0-9;]*m")

KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
REGION = "us-east-1"


class Emulator:
    """Moto's server on a free loopback port, for as long as the context lasts."""

    url: str

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVER],
            # Whatever else it has, an emulator that no test meant to use AWS with has no keys.
            env={
                **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
                "AWS_EC2_METADATA_DISABLED": "true",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        port = self._process.stdout.readline().strip()
        assert port, self._process.stderr and self._process.stderr.read()
        self.url = f"http://127.0.0.1:{port.decode()}"
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._asked = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._reader.join()
        with self._process:  # It is waited for, and its pipes are closed.
            pass

    def answered(self) -> list[int]:
        """List the statuses that the server itself says it answered with, since last asked.

        It writes a line before it ends an answer: once the line of a request of our own is
        there, so are all lines of the requests before.
        """
        self._asked += 1
        mark = f"/moto-api/asked-{self._asked}"
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=30)
        connection.request("GET", mark)
        connection.getresponse().read()
        connection.close()
        found: list[int] = []
        while mark.encode() not in (line := self._lines.get(timeout=30)):
            if answer := _ANSWER.search(_COLOURS.sub(b"", line)):
                found.append(int(answer.group(1)))
        return found

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in iter(self._process.stderr.readline, b""):
            self._lines.put(line)


@cache
def _loader() -> Any:  # noqa: ANN401
    """Read the descriptions of AWS's services once: they are large, and always the same."""
    from botocore.loaders import create_loader

    return create_loader()


def session() -> Any:  # noqa: ANN401
    """Make a session of boto3 with dummy keys."""
    import boto3
    import botocore.session

    core = botocore.session.Session()
    core.register_component("data_loader", _loader())
    return boto3.Session(**KEYS, region_name=REGION, botocore_session=core)


def config(**options: Any) -> Any:  # noqa: ANN401
    """Make a client's configuration: no proxy before loopback, one attempt a call."""
    from botocore.config import Config

    retries = {"total_max_attempts": 1, "mode": "standard"}
    return Config(**{"proxies": {}, "retries": retries, **options})
