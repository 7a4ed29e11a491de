# SPDX-License-Identifier: EUPL-1.2
"""What is written on the kiosk's pages stands there whole, in each language and in large text, in a real Chromium."""

import dataclasses
import time

import pytest

from kiosk.app import create_app
from sync.downlink import content_db

from .kiosk_page import BROKEN, LAYOUTS, SAMPLE, screen, serving

pytestmark = pytest.mark.browser
CUT = """() => [...document.querySelectorAll(".detail")]
  .filter(each => each.scrollHeight > each.clientHeight + 2).map(each => each.innerText)"""


@pytest.mark.parametrize("layout", LAYOUTS)
def test_all_topics_are_seen_without_scrolling(chromium, settings, layout):
    """Nine, or ten with the public service corner: in each language all, and the ways to ease, in view and unbroken."""
    now = time.time()
    site = {"id": "mairie", "name": {"fr": "Mairie"}, "web": "https://mairie.example/", "hosts": ["mairie.example"]}
    content_db.load(settings.content_db, {**SAMPLE["content"](now), "administrations": [site]}, 2, now)
    corner = dataclasses.replace(settings, kiosk=dataclasses.replace(settings.kiosk, screen=True, public_corner=True))
    for topics, made in ((9, settings), (10, corner)):
        with serving(create_app(made)) as base, screen(chromium, layout) as page:
            for view in ("fr", "fr-e", "en", "es", "oc"):
                for path in ("start", ""):
                    page.goto(f"{base}/{view}/{path}")
                    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight"), (view, path)
                    assert page.evaluate(BROKEN) == [], (view, path)
                assert page.locator(".tiles li").count() == topics


@pytest.mark.parametrize(("layout", "view"), [("standing", "fr-el"), ("standing", "es-l"), ("desk", "oc-l")])
def test_large_text_loses_no_word(chromium, base, layout, view):
    """Of what people choose from, each word stays whole and none is left out, and nothing is wider than the screen."""
    with screen(chromium, layout) as page:
        for path in ("start", "", "find", "plan", "services", "visit", "leaving"):
            page.goto(f"{base}/{view}/{path}")
            assert page.evaluate(BROKEN) == [], path
            assert page.evaluate(CUT) == [], path
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
