# SPDX-License-Identifier: EUPL-1.2
"""The kiosk in a real Chromium, by touch, in both layouts: walks, search, the end of a visit, access for all."""

import time
from contextlib import closing

import pytest

from edge_core.store import database
from kiosk.app import create_app
from sync.downlink import content_db

from .kiosk_page import LAYOUTS, SAMPLE, press, screen, serving

axe_api = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

pytestmark = pytest.mark.browser

PAGES = [
    "start",
    "",
    "find",
    "find?q=exemple",
    "company/exemple-ardoise",
    "plan/rez?place=bureau-1",
    "events",
    "event/cafe",
    "news",
    "news/wifi",
    "transport",
    "services",
    "service/salle-galet",
    "service/message",
    "visit",
    "visit/exemple-ardoise",
    "visit/oeuvre/-",
    "leaving",
    "help",
    "page/about",
    "nowhere",
]
SMALLEST = 64  # CSS pixels, each side of a target
# Each is what a finger can meet; a chip's radio button fills its label, and the answer of a label is its field.
TARGETS = "a[href]:not(.wake), button, input:not([type=hidden]), textarea, select"


@pytest.fixture(params=LAYOUTS)
def layout(request):
    return request.param


def test_a_whole_walk_by_touch(chromium, base, layout):
    """From the first screen to a company on the plan, a service asked for, and back to the first screen."""
    with screen(chromium, layout) as page:
        page.goto(base)
        page.touchscreen.tap(200, 200)  # anywhere
        page.wait_for_url("**/fr/start")
        page.locator("main a[lang=en]").tap()
        page.wait_for_url("**/en/")
        page.get_by_role("link", name="Find a company").tap()
        page.locator("#q").tap()
        press(page, "ardoi")
        page.locator("#answers").get_by_role("link", name="Exemple Ardoise").tap()
        page.get_by_role("link", name="See the whole floor").tap()
        page.wait_for_url("**/plan/rez?place=bureau-1")
        assert page.locator("svg.sheet .pin").is_visible()
        page.locator("nav.bar").get_by_role("link", name="Home").tap()
        page.get_by_role("link", name="Services").tap()
        page.get_by_role("link", name="Galet room").tap()
        page.locator(".chips.days label").nth(1).tap()
        page.locator(".chips.hours label").nth(5).tap()
        page.get_by_role("button", name="One more").tap()
        page.get_by_role("button", name="Send the request").tap()
        page.wait_for_url("**/en/request/*")
        assert page.get_by_role("heading", name="Provisional").is_visible()
        page.locator("main").get_by_role("link", name="Finish").tap()
        page.wait_for_url(f"{base}/")


def test_the_request_is_in_the_store(chromium, base, settings):
    """What was touched is what was recorded."""
    with screen(chromium) as page:
        page.goto(f"{base}/fr/service/message")
        page.locator("#message").tap()
        press(page, "⇧ok␣ça▾")
        page.get_by_role("button", name="Envoyer la demande").tap()
        page.wait_for_url("**/fr/request/*")
    with closing(database.open_edge(settings.edge_db)) as connection:
        rows = connection.execute("SELECT kind, data FROM requests").fetchall()
    assert len(rows) == 1
    assert '"message": "Ok ça"' in rows[0]["data"]


def test_answers_come_at_each_letter_and_go_with_the_last(chromium, base):
    """Search under the finger: fewer answers with more letters, the whole list again when nothing is asked."""
    with screen(chromium, "desk") as page:
        page.goto(f"{base}/fr/find")
        page.locator("#q").tap()
        press(page, "s")
        page.wait_for_selector("#answers .row")
        assert page.locator("#all").is_hidden()
        page.locator("#q").fill("zzzz")
        page.wait_for_selector("#answers .nothing")
        press(page, "⌫⌫⌫⌫")
        page.wait_for_selector("#all", state="visible")
        assert page.locator("#answers .row").count() == 0


def test_the_first_answer_is_above_the_keyboard(chromium, base, layout):
    """What is found can be seen and touched while the keyboard is there."""
    with screen(chromium, layout) as page:
        page.goto(f"{base}/fr/find")
        page.locator("#q").tap()
        press(page, "a")
        row = page.wait_for_selector("#answers .row").bounding_box()
        assert row["y"] + row["height"] < page.locator("#keyboard").bounding_box()["y"]


def test_without_scripts_the_form_searches(chromium, base):
    """The few lines of script are a comfort, not a need."""
    with screen(chromium, java_script_enabled=False) as page:
        page.goto(f"{base}/fr/find")
        page.locator("#q").fill("ardoise")
        page.locator("form.search button").tap()
        page.wait_for_url("**/find?q=ardoise")
        assert page.locator("#answers .row").count() >= 1
        assert page.locator("#keyboard").is_hidden()


def test_an_idle_screen_asks_then_forgets(chromium, settings):
    """First the question, which can be answered as often as one likes; then the first screen, with nothing left."""
    with serving(create_app(settings, idle=1.0, warning=6.0)) as base, screen(chromium) as page:
        page.goto(f"{base}/es/services")
        page.evaluate("localStorage.setItem('left', 'behind'); document.cookie = 'left=behind'")
        page.wait_for_selector("#idle[open]")
        assert page.evaluate("document.activeElement.closest('#idle') !== null")
        page.locator("[data-stay]").tap()
        page.wait_for_selector("#idle", state="hidden")
        assert page.url.endswith("/es/services")
        page.wait_for_selector("#idle[open]")
        page.wait_for_url(f"{base}/")
        assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]


def test_somebody_who_touches_is_not_asked(chromium, settings):
    """Every touch begins the time anew."""
    with serving(create_app(settings, idle=4.0, warning=5.0)) as base, screen(chromium) as page:
        page.goto(f"{base}/fr/help")
        for _ in range(10):
            page.wait_for_timeout(500)
            page.touchscreen.tap(540, 700)
        assert page.locator("#idle").is_hidden()


def test_the_screen_waits_for_a_service_that_is_away(chromium, settings):
    """While the service is started again the page says to wait, hides what was there, and goes on by itself."""
    app = create_app(settings, idle=600, warning=60)
    # A request that was on its way fails by one of several names (reset, refused, empty), as the moment has it.
    with screen(chromium, expected=("net::ERR_", "fetching the script")) as page:
        with serving(app) as base:
            port = int(base.rsplit(":", 1)[1])
            page.goto(f"{base}/fr/help")
        page.locator(".finish").click()
        page.wait_for_selector("#away", state="visible")
        assert page.locator("main").is_hidden()
        with serving(app, port):
            page.wait_for_url(f"{base}/")


def test_the_language_changes_on_the_way(chromium, base):
    """The page that one reads is shown again in the other language by two touches."""
    with screen(chromium) as page:
        page.goto(f"{base}/fr/services")
        page.locator("nav.bar a[href$='/start']").tap()
        page.locator("main a[lang=oc]").tap()
        page.wait_for_url("**/oc/")
        assert page.locator("html").get_attribute("lang") == "oc"
        page.locator("nav.bar a.switch").first.tap()
        page.wait_for_url("**/oc-c/")


def test_the_first_screen_shows_new_content_by_itself(chromium, base, settings):
    """A new version is on the screen within seconds, and so it is where the screen was waiting for the first one."""
    changed = SAMPLE["content"](time.time())
    changed["park"][0]["name"] = "Parc Renommé"
    with screen(chromium) as page:
        page.goto(base)
        content_db.load(settings.content_db, changed, 2, time.time())
        page.get_by_role("heading", name="Parc Renommé").wait_for(timeout=10_000)


def test_a_screen_without_content_waits_and_shows_it(chromium, tmp_path):
    """No white page, no error: a welcome, then the park."""
    empty = SAMPLE["lay"](tmp_path / "empty", time.time(), {})
    with serving(create_app(empty)) as base, screen(chromium) as page:
        page.goto(base)
        assert page.get_by_role("heading", name="Bienvenue").is_visible()
        content_db.load(empty.content_db, SAMPLE["content"](time.time()), 1, time.time())
        page.locator(".today .card").first.wait_for(timeout=10_000)


def test_no_menu_opens(chromium, base):
    """A long press or the right button does nothing."""
    with screen(chromium) as page:
        page.goto(f"{base}/fr/")
        stopped = "!document.body.dispatchEvent(new MouseEvent('contextmenu', {bubbles: true, cancelable: true}))"
        assert page.evaluate(stopped)


@pytest.mark.parametrize("path", PAGES)
def test_targets_are_large_and_pages_fit(chromium, base, layout, path):
    """Every target is at least 64 pixels each way, and no page is wider than its screen, in each mode."""
    with screen(chromium, layout) as page:
        for view in ("fr", "en-clr"):
            page.goto(f"{base}/{view}/{path}")
            small = [target for target in measured(page) if min(target["width"], target["height"]) < SMALLEST]
            assert small == [], view
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view


def test_the_keys_are_large_and_have_names(chromium, base, layout):
    """Every key of every layer, and the first screen's languages."""
    with screen(chromium, layout) as page:
        page.goto(f"{base}/")
        assert [target for target in measured(page) if min(target["width"], target["height"]) < SMALLEST] == []
        page.goto(f"{base}/fr/find")
        page.locator("#q").tap()
        for one, other in ("aⒺ", "àⒶ"):
            page.locator(f"#keyboard button[data-key='{one}']").wait_for()
            keys = measured(page, "#keyboard button")
            assert len(keys) > 30
            assert [key for key in keys if min(key["width"], key["height"]) < SMALLEST] == []
            assert all(key["right"] <= LAYOUTS[layout][0] for key in keys)
            page.locator(f"#keyboard button[data-key='{other}']").tap()


def measured(page, selector=TARGETS):
    """Return the size of each visible target."""
    return page.evaluate(
        """selector => [...document.querySelectorAll(selector)].filter(e => e.checkVisibility()).map(e => {
             const box = (e.type === "radio" ? e.parentElement : e).getBoundingClientRect();
             return {what: e.outerHTML.slice(0, 90), width: box.width, height: box.height, right: box.right};
           })""",
        selector,
    )


@pytest.mark.parametrize("path", ["/", *(f"/fr/{path}" for path in PAGES)])
def test_axe_finds_no_violation(chromium, base, layout, path):
    """axe-core's rules, WCAG 2.2 AA included, on each page: plain where one stands, all modes on the desk."""
    axe = axe_api.Axe()
    with screen(chromium, layout) as page:
        page.goto(base + (path if layout == "standing" else path.replace("/fr/", "/es-clr/")))
        assert violations(axe, page) == []


def test_axe_finds_no_violation_where_the_screen_asks(chromium, settings, tmp_path):
    """The idle question, the keyboard, a form with mistakes, and the wait for content."""
    axe = axe_api.Axe()
    with serving(create_app(settings, idle=0.3, warning=60.0)) as base, screen(chromium) as page:
        page.goto(f"{base}/fr/")
        page.wait_for_selector("#idle[open]")
        assert violations(axe, page) == []
    with serving(create_app(settings)) as base, screen(chromium) as page:
        page.goto(f"{base}/fr/find")
        page.locator("#q").tap()
        assert violations(axe, page) == []
    empty = SAMPLE["lay"](tmp_path / "empty", time.time(), {})
    with serving(create_app(empty)) as base, screen(chromium) as page:
        page.goto(f"{base}/fr/")
        assert violations(axe, page) == []


def violations(axe, page):
    """Return what axe says is wrong, short enough to read."""
    options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    found = axe.run(page, options=options).response["violations"]
    return [(rule["id"], [node["html"][:120] for node in rule["nodes"][:3]]) for rule in found]
