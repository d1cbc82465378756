"""A small tool with telemetry, in good order or with defects, and the pytest of its author."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.support.machine import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

# Sends from its own process and gives up soon. Defects: words that change one thing each.
# A check starts it some twenty times: what a run does not need it does not import.
TOOL = """#!{python} -S
import os, sys, time
DEFECTS = {defects!r}.split()
HOME = os.environ["HOME"]
ENDPOINT = "http://events.mytool.example"
names = ("waiting", "seen", "settings")
WAITING, SEEN, SETTINGS = (os.path.join(HOME, name) for name in names)

def post(event, seconds=0.05, headers="", endpoint=ENDPOINT):
    import json, socket
    host, _, port = endpoint.removeprefix("http://").partition(":")
    body = json.dumps({{"events": [event]}}).encode()
    head = f"POST /x HTTP/1.1\\r\\nHost: {{host}}\\r\\n{{headers}}"
    head += f"Content-Length: {{len(body)}}\\r\\n"
    try:
        with socket.create_connection((host, int(port or 80)), 0.5) as there:
            there.sendall(head.encode() + b"\\r\\n" + body)
            there.settimeout(seconds)
            return there.recv(99)[9:12].decode() or "refused"
    except TimeoutError:
        return "hang"
    except OSError:
        return "refused"

def later(code, **more):
    import subprocess
    words = [sys.executable, "-S", "-c", code, __file__]
    return subprocess.Popen(words, start_new_session=True, **more)

words = sys.argv[1:]
is_off = os.environ.get("MYTOOL_TELEMETRY") == "off"
is_off = is_off or bool(os.environ.get("DO_NOT_TRACK")) and "ignores" not in DEFECTS
is_off = is_off or os.path.exists(SETTINGS) and open(SETTINGS).read() == "off"
event = {{"name": "build", "params": ["output"]}}
if words == ["telemetry", "off"]:
    with open(SETTINGS, "w") as file:
        file.write("off")
    if "farewell" in DEFECTS:
        post({{"name": "telemetry_off"}})
    sys.exit()
if words == ["--help"]:
    if "help" in DEFECTS:
        post({{"name": "help"}})
    print("usage: mytool build")
    sys.exit()
if words == ["--version"]:
    print("My Tool, Python 3, version v1.4.0-rc.2 (of today).")
    sys.exit()
if not is_off and not os.path.exists(SEEN):
    open(SEEN, "w").close()
    print("mytool sends events", file=sys.stderr)
print("built")
if is_off:
    if "knocks" in DEFECTS:
        import socket
        host, _, port = ENDPOINT.removeprefix("http://").partition(":")
        try:
            socket.create_connection((host, int(port or 80)), 0.5).close()
        except OSError:
            pass
    if "detached" in DEFECTS and os.environ.get("DO_NOT_TRACK"):
        code = "import time, socket; time.sleep(0.6);"
        code += f"socket.create_connection(('events.mytool.example', 80), 1).sendall(b'x')"
        nothing = -3  # DEVNULL of subprocess
        later(code, env={{}}, stdin=nothing, stdout=nothing, stderr=nothing, cwd="/")
    if "spool" in DEFECTS and os.path.exists(WAITING):
        post(event)
    sys.exit()
if "mute" in DEFECTS:
    sys.exit()
if "value" in DEFECTS:
    import base64
    event["output"] = base64.b64encode(b"--output " + words[2].encode()).decode()
if "folder" in DEFECTS:
    import hashlib
    event["project"] = hashlib.sha256(os.getcwd().encode()).hexdigest()
if "asks" in DEFECTS:
    post({{}}, 0.8, endpoint="http://releases.mytool.example")
headers = "X-User: " + os.environ["USER"].upper() + "\\r\\n" if "header" in DEFECTS else ""
answer = post(event, 0.8 if "waits" in DEFECTS else 0.05, headers)
if "spool" in DEFECTS and answer == "refused":
    open(WAITING, "w").close()
if "fails" in DEFECTS and answer == "refused":
    sys.exit(3)
if "holds" in DEFECTS and answer == "500":
    later("import time; time.sleep(0.8)")
"""


FILE = """
name = "mytool"
title = "My Tool"
combine = "any-off"

[detect]
executables = ["{here}/mytool"]

[[file]]
name = "settings"
format = "text"
places = [{path = "~/settings"}]

[[switch]]
variables = ["MYTOOL_TELEMETRY"]
off = { form = "equals", values = ["off"] }
write = "off"

[[switch]]
variables = ["DO_NOT_TRACK"]
off = { form = "non-empty" }
write = "1"

[[switch]]
file = "settings"
off = { form = "equals", values = ["off"] }
write = "off"

[[command]]
run = "{here}/mytool telemetry off"

[verify]
commands = ["{here}/mytool build --output {value}"]
silent = ["{here}/mytool --help"]
seconds = 10
delay_seconds = 0.4
"""


def make(folder: Path, defects: str = "") -> Path:
    """Write the tool down, and the file that its author describes it in."""
    program = folder / "mytool"
    program.write_text(TOOL.format(defects=defects, python=sys.executable))
    program.chmod(0o755)
    file = folder / "mytool.usagectl.toml"
    file.write_text(FILE)
    return file


def run_pytest(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run pytest with our plugin as an author does, in a process of its own."""
    own = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(REPOSITORY)}
    plugins = ("-p", "no:cacheprovider", "-p", "usagectl_pytest")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, *words],
        env={**os.environ, **variables, **own},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
