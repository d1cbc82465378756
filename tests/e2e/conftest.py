"""Give every end-to-end test the real client, usagectl and a sandbox; count the predictions."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .client_venv import ClientUnavailableError, find_or_make_venv
from .support import Client, Sandbox, Usagectl

CONTAINER_DIR = Path("/var/lib/localstack")


@pytest.fixture(scope="session")
def client() -> Client:
    """Answer the real client; skip where pip cannot install it, but fail in CI."""
    try:
        return Client(find_or_make_venv())
    except ClientUnavailableError as error:
        reason = f"the real LocalStack CLI could not be installed: {error}"
        if "CI" in os.environ:
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def usagectl(client: Client) -> Usagectl:
    """Answer usagectl's command line."""
    return Usagectl(client)


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    """Answer a fresh machine of one person."""
    return Sandbox(tmp_path)


@pytest.fixture(autouse=True)
def _container_dir_untouched() -> Iterator[None]:
    """Check that every test leaves the one fixed folder of the client alone."""
    before = sorted(CONTAINER_DIR.rglob("*"))
    yield
    assert sorted(CONTAINER_DIR.rglob("*")) == before
