"""Headless Chromium for tests of the page. Its microphone is a recording. Skips where it or Playwright is missing.

Playwright's loop runs in this thread until the last test of the folder, so none of them calls `asyncio.run`.
"""

import shutil

import pytest
from chromium import FLAGS, Visit, dropping_proxy


@pytest.fixture(scope="package")
def chromium(recording, tmp_path_factory):
    api = pytest.importorskip("playwright.sync_api", reason="needs `pip install playwright`")
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("needs Chromium")
    spoken = tmp_path_factory.mktemp("microphone") / "spoken.wav"
    spoken.write_bytes(recording)
    with api.sync_playwright() as playwright:
        flags = [*FLAGS, f"--use-file-for-fake-audio-capture={spoken}"]
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, address):
    """A visit of the page by somebody new. No script fails, and nothing is blocked by the policy of the page."""
    visit = Visit(chromium, address)
    yield visit
    visit.close()
    assert visit.faults == []


@pytest.fixture
def proxy(address):
    """A way to the server that can break."""
    with dropping_proxy(address) as proxy:
        yield proxy
