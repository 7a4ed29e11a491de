# SPDX-License-Identifier: EUPL-1.2
"""Links of the kiosk that are followed in place, in a real Chromium: the same page as ever, in the same document."""

import threading

import pytest
from flask import request

from kiosk.app import create_app

from .kiosk_page import press, screen, serving

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.browser
# What a page is to whoever looks at it, without what a moment or the devices change in it.
SHOWN = """() => {
  const body = document.body.cloneNode(true);
  for (const one of body.querySelectorAll('[data-clock], [data-count]')) one.textContent = '';
  const classes = [...document.documentElement.classList].filter((name) => !name.startsWith('device-'));
  const scripts = [...document.head.querySelectorAll('script')].map((one) => one.getAttribute('src'));
  return [document.title, document.documentElement.lang, classes, scripts, body.outerHTML, scrollY, location.href];
}"""
WALK = ("main a[href$='/find']", "#all a", "nav.bar a[href$='/help']", "nav.bar a", "main a[href$='/services']", ".row")


def follow(page, place):
    """Touch a link and wait until its page is there."""
    target = page.locator(place).first
    address = target.get_attribute("href")
    target.tap()
    page.wait_for_url(f"**{address}")


def test_a_walk_in_one_document_shows_what_a_new_one_would(chromium, base):
    """Each page of a walk is that of its address, letter for letter, from its top; no document is loaded anew."""
    with screen(chromium) as page, screen(chromium) as other:
        page.goto(f"{base}/fr/")
        page.evaluate("window.first = true")
        for place in WALK:
            page.mouse.wheel(0, 400)
            follow(page, place)
            other.goto(page.url)
            assert page.evaluate(SHOWN) == other.evaluate(SHOWN), place
            assert page.evaluate("window.first"), place


def test_the_search_works_the_second_time_too(chromium, base):
    """Each key writes one letter, however often the page with the keyboard was there before."""
    with screen(chromium) as page:
        page.goto(f"{base}/fr/")
        for _ in range(3):
            follow(page, "main a[href$='/find']")
            page.locator("#q").tap()
            press(page, "gal")
            page.locator("#answers .row").first.wait_for()
            assert page.input_value("#q") == "gal"
            follow(page, "#answers .row")
            assert page.locator("body.typing").count() == 0
            follow(page, "nav.bar a")


def test_an_idle_visit_ends_wherever_links_have_led(chromium, settings):
    """The question of the page that is shown is asked, can be answered, and the visit is forgotten."""
    with serving(create_app(settings, idle=3.0, warning=4.0)) as base, screen(chromium) as page:
        page.goto(f"{base}/fr/")
        follow(page, "nav.bar a[href$='/help']")
        page.wait_for_selector("#idle[open]")
        page.locator("#idle [data-stay]").tap()
        page.wait_for_selector("#idle", state="hidden")
        page.wait_for_selector("#idle[open]")
        page.wait_for_url(f"{base}/")


def test_a_touch_while_the_answer_is_late_counts_and_the_late_page_is_never_shown(chromium, settings):
    """Whoever ends the visit meanwhile, or touches another link, is not shown what was asked for before."""
    app, answering = create_app(settings), threading.Event()
    served = app.view_functions["services.index"]

    def late(**words):
        answering.wait(60)
        return served(**words)

    app.view_functions["services.index"] = late
    with serving(app) as base, screen(chromium, expected=("net::ERR_ABORTED",)) as page:
        page.goto(f"{base}/fr/")
        page.locator("main a[href$='/services']").first.tap()
        follow(page, "main a[href$='/find']")
        answering.set()
        page.wait_for_timeout(500)
        assert page.url.endswith("/fr/find")
        answering.clear()
        follow(page, "nav.bar a")
        page.locator("main a[href$='/services']").first.tap()
        page.locator(".finish").tap()
        answering.set()
        page.wait_for_url(f"{base}/")
        assert page.locator("a.wake").count() == 1


def test_what_is_no_page_to_be_shown_in_place_gets_a_document_of_its_own(chromium, settings):
    """A page that speaks, a refusal, a device whose pages are being started again: as without the script."""
    app = create_app(settings)
    asked = []
    app.before_request(lambda: asked.append((request.path, request.headers.get("Sec-Fetch-Mode"))))
    with screen(chromium, expected=("404", "net::ERR_")) as page:
        with serving(app) as base:
            page.goto(f"{base}/fr-s/")
            follow(page, "nav.bar a[href$='/help']")
            assert ("/fr-s/help", "navigate") in asked
            page.goto(f"{base}/fr/")
            page.evaluate("document.querySelector(\"main a[href$='/find']\").href = '/fr/company/nobody'")
            page.locator("main a[href$='/nobody']").first.tap()
            page.wait_for_url("**/nobody")
            assert ("/fr/company/nobody", "navigate") in asked
            page.goto(f"{base}/fr/")
            for _ in range(200):
                if page.evaluate("navigator.serviceWorker.controller !== null"):
                    break
                page.wait_for_timeout(50)
        page.locator("nav.bar a[href$='/help']").tap()
        page.get_by_text("revient dans un instant").wait_for()
