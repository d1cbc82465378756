"""Tests of the look through launchers: which program a command line means."""

from __future__ import annotations

import shlex

from usagectl.machine.launchers import program_of

LINES = {
    "next build": "next",
    "/usr/bin/next build": "next",
    "npx next build": "next",
    "npx -y next@16.1 build": "next",
    "npx --package=next -p react -- next build": "next",
    "npx --yes @angular/cli@20 new x": "@angular/cli",
    "npx ./bin/mine": "mine",
    "npm exec -- next build": "next",
    "npm install next": "npm",
    "env": "env",
    "env A=1": "env",
    "env A=1 B=c=d next build": "next",
    "env -i -u X --chdir=/tmp next": "next",
    "env -S 'next build'": "env",
    "/usr/bin/env -- next": "next",
    "nice next": "next",
    "nice -n 5 next": "next",
    "nice -n5 --adjustment=3 next": "next",
    "nice -7 next": "nice",
    "timeout 5 next": "next",
    "timeout -k 1s --signal=KILL 5 next": "next",
    "timeout 5": "timeout",
    "nohup next": "next",
    "uvx dlt init": "dlt",
    "uvx --from dlt[duckdb] dlt@1.0": "dlt",
    "uv tool run dlt": "dlt",
    "uv run dlt": "dlt",
    "uv run --with x -p 3.12 --frozen dlt": "dlt",
    "uv run -m dlt": "uv",
    "uv pip install dlt": "uv",
    "pipx run --spec x dlt==1.0 init": "dlt",
    "pipx install dlt": "pipx",
    "poetry run dlt": "dlt",
    "sh -c 'next build'": "next",
    "bash -lc 'A=1 exec next build # for real'": "next",
    "sh -c 'next build && next start'": "sh",
    "sh -c 'echo $(next)'": "sh",
    "sh -c '$TOOL build'": "sh",
    "sh -c '! next'": "sh",
    """sh -c "next 'build" """: "sh",
    "sh -c ''": "sh",
    "sh -e script.sh": "sh",
    "timeout 5 env A=1 npx --yes next build": "next",
    "timeout 5 npx --unheard-of next": "npx",
    "sh -c 'timeout 5 npx next build'": "next",
}


def test_the_program_behind_launchers_is_found() -> None:
    """Where a word is not known the launcher itself is named: nothing is guessed."""
    found = {line: program_of(shlex.split(line)).name for line in LINES}
    assert {line: each for line, each in found.items() if each != LINES[line]} == {}
