"""Who can use the page: keyboard, screen reader, phone, light and dark, a server with a key. Needs a browser."""

import os
from pathlib import Path

import pytest
from chromium import Visit
from serving import running

from dia.serving.http.app import create_app

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[3]
AXE = Path(os.environ.get("AXE_CORE", ROOT / "node_modules" / "axe-core")) / "axe.min.js"
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
needs_axe = pytest.mark.skipif(not AXE.exists(), reason="needs `npm install --no-save axe-core`")


def tab_to(visit, selector, most=60):
    for _ in range(most):
        visit.keyboard.press("Tab")
        if visit.evaluate(f"document.activeElement.matches('{selector}')"):
            return
    raise AssertionError(f"{selector} cannot be reached with the Tab key")


def spoken(visit):
    visit.fill("#script", "[S1] It costs $5 on 3/4/2024. [S2] (laughs) Yes.")
    visit.click("#speak")
    visit.until_take("take.state === 'done'")
    visit.until("document.querySelector('dia-reading .warnings').textContent")


def test_everything_can_be_done_with_the_keyboard(visit):
    tab_to(visit, ".tools [data-speaker=S1]")
    tab_to(visit, "#script")
    visit.keyboard.press("Control+A")
    visit.keyboard.type("[S1] Yes.")
    tab_to(visit, "#speak")
    visit.keyboard.press("Enter")
    visit.until_take("take.state === 'done'")
    visit.until_take("player.wanted === false")
    tab_to(visit, ".play")
    visit.keyboard.press("Space")
    assert visit.take("player.wanted")
    tab_to(visit, "dia-wave")
    tab_to(visit, ".turns button")
    tab_to(visit, ".save summary")
    visit.keyboard.press("Enter")
    tab_to(visit, "[data-kind=srt]")
    tab_to(visit, ".remove")
    visit.keyboard.press("Enter")
    assert visit.evaluate("document.activeElement.id") == "speak"
    tab_to(visit, "#voice-1")
    tab_to(visit, "#new-voice")
    visit.keyboard.press("Enter")
    visit.keyboard.press("Escape")
    assert visit.evaluate("document.activeElement.id") == "new-voice"


def test_control_enter_speaks(visit):
    visit.fill("#script", "[S1] Yes.")
    visit.press("#script", "Control+Enter")
    visit.until_take("player.position > 0")


def test_what_happens_is_announced(visit):
    spoken(visit)
    visit.until("document.querySelector('[role=status]').textContent.includes('is ready')")


@needs_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(chromium, address, scheme):
    visit = Visit(chromium, address, color_scheme=scheme)
    spoken(visit)
    for summary in ("dia-options summary", ".save summary", ".tools summary"):
        visit.click(summary)
    assert findings(visit) == []
    visit.click("#new-voice")
    assert findings(visit) == []
    visit.close()


def findings(visit):
    visit.evaluate(AXE.read_text(encoding="utf-8"))
    found = visit.evaluate("axe.run()")["violations"]
    return [(one["id"], one["nodes"][0]["target"]) for one in found if one["impact"] in ("serious", "critical")]


def test_a_phone_shows_everything_in_one_column(chromium, address):
    visit = Visit(chromium, address, **PHONE)
    box = "document.querySelector('#speak').getBoundingClientRect().bottom"
    assert visit.evaluate(box) <= PHONE["viewport"]["height"]
    spoken(visit)
    visit.click(".save summary")
    assert visit.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"]
    visit.close()


def brightness(color):
    return sum(map(int, color.removeprefix("rgb(").removesuffix(")").split(",")))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colors_are_those_of_the_system_until_the_button_is_pressed(chromium, address, scheme):
    visit = Visit(chromium, address, color_scheme=scheme)
    color = "getComputedStyle(document.body).backgroundColor"
    first = visit.evaluate(color)
    assert visit.get_attribute("#theme", "aria-pressed") == str(scheme == "dark").lower()
    visit.click("#theme")
    other = visit.evaluate(color)
    assert (brightness(other) > brightness(first)) == (scheme == "dark")
    assert other != first
    visit.reload()
    assert visit.evaluate(color) == other
    visit.close()


def test_a_server_with_a_key_asks_for_it(chromium, mini, tmp_path):
    app = create_app(mini, voices=tmp_path, api_key="secret")
    with running(app) as address:
        page = chromium.new_context().new_page()
        page.goto(address)
        for key in ("wrong", "secret"):
            page.wait_for_selector("#key[open]")
            page.fill("#key input", key)
            page.click("#key .primary")
        page.wait_for_selector("#speak:not([disabled])")
        assert page.inner_text("#model") == "mini"
        page.context.close()
