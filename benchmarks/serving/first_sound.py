"""Time from opening the page in a browser to the first audible sample, with a click on "Speak" once it is enabled.

    python benchmarks/serving/first_sound.py --visits 5

Each visit has an empty cache. The start of the server and of the browser are reported apart.
Needs `pip install playwright` and Chromium, or for --browser firefox that of `playwright install`.
"""

import argparse
import shutil
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import sync_playwright
from processes import dia_serve

AUDIBLE = 0.003  # of full scale, -50 dB
LONGEST = 60.0  # seconds
_ENABLED = "!document.querySelector('#speak').disabled"
_HEARD = f"document.querySelector('dia-take')?.player.level() > {AUDIBLE}"


def until(page: Any, expression: str) -> float:
    """Wait for a true value; returns the time. Playwright's own waiting needs `eval`, which the page forbids."""
    end = time.perf_counter() + LONGEST
    while not page.evaluate(expression):
        if time.perf_counter() > end:
            raise TimeoutError(f"{expression} was not true within {LONGEST:g} s.")
        time.sleep(0.01)
    return time.perf_counter()


def visit(browser: Any, address: str) -> tuple[float, float]:
    """Seconds from the address to the enabled button, and to the first sound."""
    context = browser.new_context()
    page = context.new_page()
    began = time.perf_counter()
    page.goto(address)
    enabled = until(page, _ENABLED)
    page.click("#speak")
    heard = until(page, _HEARD)
    context.close()
    return enabled - began, heard - began


@contextmanager
def opened(name: str) -> Any:
    """A browser without a window."""
    with sync_playwright() as playwright:
        if name == "chromium":
            path = shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        else:
            browser = getattr(playwright, name).launch()
        yield browser
        browser.close()


def main() -> int:
    """Parse the options and print the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visits", type=int, default=5, help="number of visits (default: 5)")
    parser.add_argument("--browser", default="chromium", help="chromium, firefox or webkit (default: chromium)")
    options = parser.parse_args()
    with TemporaryDirectory() as work, dia_serve(Path(work) / "log") as server:
        began = time.perf_counter()
        with opened(options.browser) as browser:
            print(f"server ready after {server.start_seconds:.2f} s, browser {time.perf_counter() - began:.2f} s")
            for number in range(options.visits):
                enabled, heard = visit(browser, server.address)
                print(f"visit {number + 1}: button {enabled:.2f} s, first sound {heard:.2f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
