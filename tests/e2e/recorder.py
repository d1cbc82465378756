"""A recorder on loopback: run a command, and count the requests that come to it.

`python recorder.py FILE COMMAND…` is for a network and process namespace of its own: it waits
for what the command leaves behind, as some tools send from there, and writes the number to FILE.
"""

import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ADDRESS = ("127.0.0.1", 8787)
LONGEST_WAIT_SECONDS = 10.0


class Handler(BaseHTTPRequestHandler):
    """Answer everything, and count it."""

    paths: list[str]

    def do_POST(self) -> None:
        """Note a request and read it whole."""
        self.paths.append(self.path)
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_HEAD = do_PUT = do_POST  # noqa: N815  (http.server looks for these names)

    def log_message(self, *_arguments: object) -> None:
        """Keep the output to what the command says."""


def main(file: str, *command: str) -> int:
    """Run a command beside the recorder; answer its status."""
    Handler.paths = []
    server = ThreadingHTTPServer(ADDRESS, Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    status = subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode
    end = time.monotonic() + LONGEST_WAIT_SECONDS
    while time.monotonic() < end and len([*Path("/proc").glob("[0-9]*")]) > 1:
        time.sleep(0.1)
    Path(file).write_text(str(len(Handler.paths)), encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
