"""A page in a real browser neither gets anything into a capture nor anything out of it."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from usagectl import capture
from usagectl.machine.environment import from_process

from .browser import ATTEMPTS, LOOPBACK, PageServer, browsing, find_browser
from .support import LoopbackServer

pytestmark = pytest.mark.e2e

EVIL = "evil.test"
DOCKERS_NAME = "host.docker.internal"  # by which containers find the capture, and so may a page
NOT_SENT = {"fetch-json"}  # the browser asks with OPTIONS first, and then does not post
ARRIVAL_LIMIT_SECONDS = 20.0


@pytest.fixture(scope="session")
def browser() -> str:
    """Name a browser; skip without one."""
    found = find_browser()
    if found is None:
        pytest.skip("there is no Chromium on PATH")
    return found


@dataclass(frozen=True, slots=True)
class Attack:
    """A capture that was attacked, and what the page could read."""

    session: capture.Capture
    report: dict[str, str]


@contextmanager
def captured(file: Path, port: int = 0) -> Iterator[capture.Capture]:
    """Open a capture."""
    options = capture.Options(file=file, port=port)
    with capture.opened(from_process(), options) as session:
        yield session


@pytest.mark.parametrize("named", [LOOPBACK, "localhost", EVIL, DOCKERS_NAME])
@pytest.mark.parametrize("from_host", [LOOPBACK, EVIL])
def test_a_page_of_another_origin_is_refused(
    named: str, from_host: str, browser: str, tmp_path: Path
) -> None:
    """Nothing that a page sends is recorded, and it reads nothing, by whatever name it asks."""
    with ExitStack() as stack:
        session = stack.enter_context(captured(tmp_path / "out.jsonl"))
        page = stack.enter_context(PageServer(f"http://{named}:{session.address.port}"))
        stack.enter_context(browsing(browser, page.url(from_host), tmp_path))
        report = page.let_loose()
        wait_for_all(session)
        assert session.sums.requests == 0
        assert session.sums.refused >= len(ATTEMPTS)
    assert set(report) == set(ATTEMPTS)
    # An opaque answer has the status 0 and no text; a beacon has none at all.
    assert set(report.values()) <= {"blocked", "", "0 "}
    assert session.file.read_bytes() == b""


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
        session = stack.enter_context(captured(tmp_path / "out.jsonl", page.port))
        report = control.let_loose()
        wait_for_all(session)
        assert session.sums.requests == 0
        assert session.sums.refused >= len(ATTEMPTS)
    assert set(report) == set(ATTEMPTS)
    assert not any("track_events" in found for found in report.values())
    assert not any(found.startswith("200") for found in report.values())
    assert report["read-fetch"].startswith("403 ")  # so it was the capture that answered
    assert session.file.read_bytes() == b""


def test_the_same_page_gets_through_elsewhere(browser: str, tmp_path: Path) -> None:
    """The attempts are real ones: a server that refuses nobody gets them."""
    with ExitStack() as stack:
        server = stack.enter_context(LoopbackServer())
        page = stack.enter_context(PageServer(server.url.removesuffix("/v1")))
        stack.enter_context(browsing(browser, page.url(EVIL), tmp_path))
        page.let_loose()
        wanted = {f"/v1/{way}" for way in ATTEMPTS if way not in NOT_SENT}
        wait_until(lambda: {each.path for each in server.requests} >= wanted)
        paths = {each.path for each in server.requests}
        forged = {each.path for each in server.requests if b"forged" in each.body}
    assert paths == wanted
    assert forged == {
        f"/v1/{way}" for way in ("beacon", "form", "fetch-text", "fetch-no-cors", "xhr")
    }


def wait_for_all(session: capture.Capture) -> None:
    """Wait for the last of the page's requests: nobody tells when a beacon has arrived."""
    sums = session.sums
    wait_until(lambda: sums.requests + sums.refused >= len(ATTEMPTS))


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so, or as long as is reasonable."""
    end = time.monotonic() + ARRIVAL_LIMIT_SECONDS
    while not is_so() and time.monotonic() < end:
        time.sleep(0.05)
