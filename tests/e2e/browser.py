"""A hostile page in a headless browser: its server, the browser, and the page's report."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOOPBACK: Final = "127.0.0.1"
DEAD_PROXY: Final = "http://127.0.0.1:9"  # nobody listens there
REPORT_LIMIT_SECONDS: Final = 90.0  # far beyond any page; only a browser that hangs meets it
OWN_NAMES: Final = "127.0.0.1;localhost;*.test;*.internal"

# Every way of a page to send or to read, and the path it asks for. The beacon and the form
# come first, so that they have arrived when the page reports.
ATTEMPTS: Final = (
    *("beacon", "form", "fetch-json", "fetch-text", "fetch-no-cors", "xhr"),
    *("read-fetch", "read-no-cors", "img", "script", "frame", "websocket"),
)

_PAGE: Final = """\
<!doctype html><meta charset="utf-8"><title>a page</title><body><script>
const report = "{report}";
let target = "";
const event = '{{"name": "forged", "payload": {{}}}}';
const url = (way) => `${{target}}/v1/${{way}}`;
const post = {{ method: "POST", body: event }};
const read = async (answer) => `${{answer.status}} ${{await answer.text()}}`;
const json = {{ "Content-Type": "application/json" }};

function load(element, attributes) {{
  return new Promise((done) => {{
    const made = Object.assign(document.createElement(element), attributes);
    made.onload = () => done(element === "iframe" ? frameText(made) : "loaded");
    made.onerror = () => done("blocked");
    document.body.append(made);
  }});
}}
function frameText(frame) {{
  try {{ return frame.contentDocument.body.textContent; }} catch {{ return "blocked"; }}
}}
async function submitForm(way) {{
  const name = way + document.body.childElementCount;
  const frame = Object.assign(document.createElement("iframe"), {{ name }});
  document.body.append(frame);
  const form = Object.assign(document.createElement("form"), {{
    method: "POST", action: url(way), target: name, enctype: "text/plain",
  }});
  form.append(Object.assign(document.createElement("input"), {{ name: event, value: "" }}));
  document.body.append(form);
  return new Promise((done) => {{
    frame.onload = () => done(frameText(frame));
    form.submit();
  }});
}}
const ways = {{
  "beacon": async (way) => {{ navigator.sendBeacon(url(way), event); return ""; }},
  "form": submitForm,
  "fetch-json": async (way) => read(await fetch(url(way), {{ ...post, headers: json }})),
  "fetch-text": async (way) => read(await fetch(url(way), post)),
  "fetch-no-cors": async (way) => read(await fetch(url(way), {{ ...post, mode: "no-cors" }})),
  "xhr": (way) => new Promise((done) => {{
    const request = new XMLHttpRequest();
    request.open("POST", url(way));
    request.onload = () => done(`${{request.status}} ${{request.responseText}}`);
    request.onerror = () => done("blocked");
    request.send(event);
  }}),
  "read-fetch": async (way) => read(await fetch(url(way))),
  "read-no-cors": async (way) => read(await fetch(url(way), {{ mode: "no-cors" }})),
  "img": (way) => load("img", {{ src: url(way), referrerPolicy: "no-referrer" }}),
  "script": (way) => load("script", {{ src: url(way) }}),
  "frame": (way) => load("iframe", {{ src: url(way) }}),
  "websocket": (way) => new Promise((done) => {{
    const made = new WebSocket(url(way).replace("http:", "ws:"));
    made.onopen = () => done("open");
    made.onerror = () => done("blocked");
  }}),
}};
const within = (promise) => Promise.race([
  promise, new Promise((done) => setTimeout(() => done("no answer"), 5000)),
]);
async function attackAll() {{
  await fetch(report + "/go");
  const found = {{}};
  for (target of {targets}) {{
    found[target] = {{}};
    for (const [way, act] of Object.entries(ways)) {{
      try {{ found[target][way] = await within(act(way)); }}
      catch {{ found[target][way] = "blocked"; }}
    }}
  }}
  await fetch(report + "/report", {{ method: "POST", body: JSON.stringify(found) }});
}}
attackAll();
</script>
"""


def find_browser() -> str | None:
    """Find a Chromium on `PATH`; None without one."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


class _Handler(BaseHTTPRequestHandler):
    """Serves the page, tells it when to begin, and takes its report; for every origin."""

    timeout: ClassVar[float | None] = REPORT_LIMIT_SECONDS
    server: _Server

    def do_GET(self) -> None:
        """Serve the page, or let it wait until it may begin."""
        if self.path == "/go":
            self.server.may_begin.wait(REPORT_LIMIT_SECONDS)
            self._answer(b"go", "text/plain")
        elif self.path == "/":
            self._answer(self.server.page.encode(), "text/html")
            self.server.was_served.set()
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        """Take the report."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._answer(b"", "text/plain")
        self.server.report = json.loads(body)
        self.server.has_reported.set()

    def _answer(self, body: bytes, media_type: str) -> None:
        self.send_response(200)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
        """Stay quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        self.page = ""
        self.report: dict[str, dict[str, str]] = {}
        self.was_served = threading.Event()
        self.may_begin = threading.Event()
        self.has_reported = threading.Event()
        super().__init__((LOOPBACK, 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Expect a browser that hangs up early."""


class PageServer:
    """A hostile web page: once it is let loose, it attacks base URLs and reports.

    Args:
        targets: the base URLs, without a slash at the end; "" is the page's own origin.
        report: the base URL of the server that it reports to; None: its own.
    """

    def __init__(self, *targets: str, report: str | None = None) -> None:
        self._server = _Server()
        self.port = self._server.server_port
        self._server.page = _PAGE.format(targets=json.dumps(targets), report=report or "")
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def url(self, host: str = LOOPBACK) -> str:
        """Return the base URL, under a name of this machine."""
        return f"http://{host}:{self.port}"

    def wait_until_served(self) -> None:
        """Wait until a browser has the page."""
        assert self._server.was_served.wait(REPORT_LIMIT_SECONDS), "no browser asked for the page"

    def let_loose(self) -> dict[str, dict[str, str]]:
        """Let the page begin; return what it could read, by target and way."""
        self._server.may_begin.set()
        assert self._server.has_reported.wait(REPORT_LIMIT_SECONDS), "the page did not report"
        return self._server.report

    def close(self) -> None:
        """Stop listening; closing twice is fine."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def browsing(program: str, url: str, folder: Path) -> Iterator[None]:
    """Open a page in a new browser, for which every name leads to loopback.

    Other names than `OWN_NAMES` go to a proxy that does not exist.
    """
    # Not below `folder`: its path may be too long for the socket that a browser makes.
    short = tempfile.mkdtemp(prefix="uc-")
    command = [
        program,
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *("--no-first-run", "--disable-quic", "--disable-background-networking"),
        *("--disable-component-update", "--disable-sync"),
        f"--user-data-dir={folder / 'browser'}",
        f"--host-resolver-rules=MAP * {LOOPBACK}",
        f"--proxy-server={DEAD_PROXY}",
        f"--proxy-bypass-list={OWN_NAMES}",
        url,
    ]
    env = {"PATH": os.defpath, "HOME": str(folder), "TMPDIR": short}
    env |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), DEAD_PROXY)
    process = subprocess.Popen(
        command,
        env=env,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # its helpers end with it
    )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        shutil.rmtree(short, ignore_errors=True)
