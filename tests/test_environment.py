"""Tests of the surroundings of a process: usagectl's own folders."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import product

from tests.support.machine import REPOSITORY

FOLDERS = """
import json, os, sys
import platformdirs
from usagectl.machine.environment import from_process
rows = []
for variables in json.loads(sys.argv[1]):
    os.environ.clear()
    os.environ.update(variables)
    ours = from_process()
    theirs = (platformdirs.user_config_path("usagectl"), platformdirs.user_state_path("usagectl"))
    if (ours.config_dir, ours.state_dir) != theirs:
        rows.append((variables, list(map(str, (ours.config_dir, ours.state_dir, *theirs)))))
print(json.dumps(rows))
"""


def test_own_folders_are_those_of_platformdirs() -> None:
    """XDG's variables and HOME mean the same to us as to the library that knows every system."""
    homes = [{"HOME": each} for each in ("/home/some", "/home/some/", "/", "//odd")]
    texts = ("/c", "/c/", "/", "", "~/x", "/c d")
    rows = [
        {**home, "XDG_CONFIG_HOME": config, "XDG_STATE_HOME": state}
        for home, config, state in product(homes, texts, ("/s", ""))
    ]
    rows += [*homes, {"HOME": "/home/some", "ANDROID_ROOT": "/system", "ANDROID_DATA": "/data"}]
    rows += [{"HOME": "", "XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "/s"}]
    done = subprocess.run(
        [sys.executable, "-c", FOLDERS, json.dumps(rows)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert json.loads(done.stdout) == []
