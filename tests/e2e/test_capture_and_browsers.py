"""A page in a real browser neither gets anything into a capture nor anything out of it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.counting import wait_until
from usagectl import capture
from usagectl.machine.environment import from_process

from .browser import ATTEMPTS, LOOPBACK, PageServer, browsing, find_browser
from .support import listening

pytestmark = pytest.mark.e2e

EVIL = "evil.test"
# Containers find the capture by the last one, and so may a page.
NAMES = (LOOPBACK, "localhost", EVIL, "host.docker.internal")
NOT_SENT = {"fetch-json"}  # the browser asks with OPTIONS first, and then does not post
FORGED = ("beacon", "form", "fetch-text", "fetch-no-cors", "xhr")


@pytest.fixture(scope="session")
def browser() -> str:
    """Find a browser; skip without one."""
    found = find_browser()
    if found is None:
        pytest.skip("there is no Chromium on PATH")
    return found


@contextmanager
def captured(file: Path, port: int = 0) -> Iterator[capture.Capture]:
    """Open a capture."""
    options = capture.Options(file=file, port=port)
    with capture.opened(from_process(), options) as opened:
        yield opened


@pytest.mark.parametrize("from_host", [LOOPBACK, EVIL])
def test_a_page_of_another_origin_is_refused(from_host: str, browser: str, tmp_path: Path) -> None:
    """Nothing that a page sends is recorded, and it reads nothing, by whatever name it asks.

    The attempts are real ones: a server that refuses nobody gets them.
    """
    with ExitStack() as stack:
        opened = stack.enter_context(captured(tmp_path / "out.jsonl"))
        server = stack.enter_context(listening())
        elsewhere = server.base.removesuffix("/v1")
        targets = [f"http://{name}:{opened.address.port}" for name in NAMES]
        page = stack.enter_context(PageServer(*targets, elsewhere))
        stack.enter_context(browsing(browser, page.url(from_host), tmp_path))
        report = page.let_loose()
        wait_for_all(opened, len(targets))
        assert opened.file.sums.requests == 0
        assert opened.file.sums.refused >= len(ATTEMPTS) * len(targets)
        wanted = {f"/v1/{way}" for way in ATTEMPTS if way not in NOT_SENT}
        wait_until(lambda: {each.path for each in server.received} >= wanted)
    # A browser asks with OPTIONS before it posts JSON.
    heard = [each for each in server.received if each.method != "OPTIONS"]
    assert {each.path for each in heard} == wanted
    forged = {each.path for each in heard if b"forged" in each.body}
    assert forged == {f"/v1/{way}" for way in FORGED}
    del report[elsewhere]
    assert set(report) == set(targets)
    for found in report.values():
        assert set(found) == set(ATTEMPTS)
        # An opaque answer has the status 0 and no text; a beacon has none at all.
        assert set(found.values()) <= {"blocked", "", "0 "}
    assert opened.file.path.read_bytes() == b""


def test_a_page_whose_name_was_moved_here_is_refused(browser: str, tmp_path: Path) -> None:
    """DNS rebinding: of the same origin, a page reads that it is refused, and nothing more.

    The page's server gives its port up to the capture while the page is open, as if its
    name had led to another machine before.
    """
    with ExitStack() as stack:
        control = stack.enter_context(PageServer(""))
        page = stack.enter_context(PageServer("", report=control.url()))
        stack.enter_context(browsing(browser, page.url(EVIL), tmp_path))
        page.wait_until_served()
        page.close()
        opened = stack.enter_context(captured(tmp_path / "out.jsonl", page.port))
        report = control.let_loose()[""]
        wait_for_all(opened)
        assert opened.file.sums.requests == 0
        assert opened.file.sums.refused >= len(ATTEMPTS)
    assert set(report) == set(ATTEMPTS)
    assert not any("track_events" in found for found in report.values())
    assert not any(found.startswith("200") for found in report.values())
    assert report["read-fetch"].startswith("403 ")  # so it was the capture that answered
    assert opened.file.path.read_bytes() == b""


def wait_for_all(opened: capture.Capture, targets: int = 1) -> None:
    """Wait for the last of the page's requests: a beacon has no answer that the page sees."""
    sums = opened.file.sums
    wait_until(lambda: sums.requests + sums.refused >= len(ATTEMPTS) * targets)
