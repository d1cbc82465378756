"""A report in a real browser: it asks nobody for anything, complains of nothing, and fits."""

import html
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.machine import Machine
from tests.test_report import hostile_document
from usagectl.report import page

from .browser import DEAD_PROXY, REPORT_LIMIT_SECONDS, find_browser

pytestmark = pytest.mark.e2e

WIDTHS = (360, 1280)

# The report lets no script run: what measures it stands in a page around it.
AROUND = """\
<!doctype html><meta charset="utf-8"><title>around</title><link rel="icon" href="data:,">
<pre></pre>
<iframe src="report.html" style="width: 360px; height: 900px; border: 0"></iframe>
<iframe src="report.html" style="width: 1280px; height: 900px; border: 0"></iframe>
<script>
onload = () => {
  const found = [...document.querySelectorAll("iframe")].map((frame) => {
    const inside = frame.contentDocument, root = inside.documentElement;
    const wide = [...inside.querySelectorAll("body *:not(.skip)")].filter(
      (each) => each.getBoundingClientRect().right > root.clientWidth + 1);
    return { width: root.clientWidth, over: root.scrollWidth - root.clientWidth,
      wide: wide.map((each) => each.outerHTML.slice(0, 90)),
      rows: inside.querySelectorAll("tr").length,
      ground: frame.contentWindow.getComputedStyle(root).backgroundColor };
  });
  document.querySelector("pre").textContent = JSON.stringify(found);
};
</script>
"""
BAD = """\
<!doctype html><title>bad</title><script>throw new Error("seen")</script>
<img src="http://t.example/x.png"><div style="width: 2000px">wide</div>
"""


BROWSERS_OWN = r"https?://([\w-]+\.)*(google|googleapis|gvt1)\.com[:/]"
"""What Chromium asks for by itself, in vain: there is no such proxy."""


class Opened(NamedTuple):
    """What a browser made of a report."""

    frames: list[dict[str, Any]]  # One for each width.
    console: list[str]
    requests: list[str]  # Addresses that it asked for over a network.


def open_report(text: str, folder: Path, *flags: str) -> Opened:
    """Open a report at both widths, as a file on this machine, in a new browser."""
    program = find_browser()
    if program is None:
        pytest.skip("there is no Chromium on PATH")
    (folder / "report.html").write_text(text, encoding="utf-8")
    (folder / "around.html").write_text(AROUND, encoding="utf-8")
    log = folder / "net.json"
    command = [
        program,
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
        *("--disable-sync", "--allow-file-access-from-files", "--enable-logging=stderr"),
        "--hide-scrollbars",
        f"--user-data-dir={folder / 'browser'}",
        f"--proxy-server={DEAD_PROXY}",
        f"--log-net-log={log}",
        *flags,
        "--dump-dom",
        (folder / "around.html").as_uri(),
    ]
    done = subprocess.run(
        command,
        env={"PATH": os.defpath, "HOME": str(folder)},
        cwd=folder,
        capture_output=True,
        timeout=REPORT_LIMIT_SECONDS,
        check=True,
    )
    (found,) = re.findall("<pre>(.*?)</pre>", done.stdout.decode(), re.DOTALL)
    console = [line for line in done.stderr.decode().splitlines() if "CONSOLE" in line]
    asked = set(re.findall(r'"url":"((?:https?|wss?)://[^"]+)"', log.read_text()))
    others = [each for each in asked if not re.match(BROWSERS_OWN, each)]
    return Opened(json.loads(html.unescape(found)), console, sorted(others))


def test_it_fits_and_asks_nobody(machine: Machine, tmp_path: Path) -> None:
    """Whatever its texts hold; in the dark scheme its ground is dark."""
    text = page.write(hostile_document(machine))
    found = open_report(text, tmp_path, "--force-dark-mode")
    assert (found.console, found.requests) == ([], [])
    assert [frame["width"] for frame in found.frames] == list(WIDTHS)
    assert [(frame["over"], frame["wide"]) for frame in found.frames] == [(0, [])] * 2
    assert [frame["rows"] > 10 for frame in found.frames] == [True, True]
    assert {frame["ground"] for frame in found.frames} == {"rgb(18, 22, 27)"}


def test_a_page_that_does_not_would_be_seen(tmp_path: Path) -> None:
    """The test above is able to fail."""
    found = open_report(BAD, tmp_path)
    assert "seen" in found.console[0]
    assert [each for each in found.requests if "t.example" in each] == ["http://t.example/x.png"]
    assert [frame["over"] > 0 for frame in found.frames] == [True, True]
    assert {frame["ground"] for frame in found.frames} == {"rgba(0, 0, 0, 0)"}
