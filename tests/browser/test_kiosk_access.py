# SPDX-License-Identifier: EUPL-1.2
"""The kiosk without a touch and without a glance: by four keys, and by ear, in a real Chromium."""

import shutil
import time
from contextlib import closing

import pytest

from edge_core.store import database, visits

from .kiosk_page import screen

pytestmark = pytest.mark.browser
MOST_KEYS = 60


def press_to(page, name):
    """Go by the arrow keys to a link or button, as somebody who hears where they are; then Enter."""
    for _ in range(MOST_KEYS):
        page.keyboard.press("ArrowDown")
        if name in page.evaluate("document.activeElement.innerText"):
            page.keyboard.press("Enter")
            return
    raise AssertionError(f"{name} is not reached")


def test_four_keys_reach_a_company_and_come_back(chromium, base):
    """Arrows and Enter are enough to find the way to a company; Escape goes back."""
    with screen(chromium) as page:
        page.goto(f"{base}/en/")
        press_to(page, "Find a company")
        page.wait_for_url("**/en/find")
        press_to(page, "Exemple Ardoise")
        page.wait_for_url("**/company/exemple-ardoise")
        press_to(page, "See the whole floor")
        page.wait_for_url("**/plan/rez?place=bureau-1")
        page.keyboard.press("ArrowUp")
        assert page.evaluate("document.activeElement.closest('nav.bar') !== null")
        page.keyboard.press("Escape")
        page.wait_for_url("**/en/")


def test_keys_stay_in_the_question_and_move_in_a_text(chromium, base):
    """Left and right belong to the text that is written; in an open dialog the keys don't leave it."""
    with screen(chromium) as page:
        page.goto(f"{base}/en/find?q=exem")
        page.locator("#q").focus()
        page.keyboard.press("ArrowLeft")
        assert page.evaluate("document.activeElement.id") == "q"
        page.evaluate("document.getElementById('idle').showModal()")
        for _ in range(5):
            page.keyboard.press("ArrowDown")
            assert page.evaluate("document.activeElement.closest('#idle') !== null")


def test_four_keys_choose_a_day_and_a_time_and_send(chromium, base):
    """Up and down go through the choices and out of them, Enter chooses; Escape puts any keyboard of the page away."""
    with screen(chromium) as page:
        page.goto(f"{base}/en/service/salle-galet")
        page.locator("#people").focus()
        page.locator("#keyboard").wait_for()
        page.keyboard.press("Escape")
        page.locator("#keyboard").wait_for(state="hidden")
        page.goto(f"{base}/en/service/salle-galet")
        for name in ("date", "time"):
            for _ in range(MOST_KEYS):
                page.keyboard.press("ArrowDown")
                if page.evaluate("document.activeElement.name") == name:
                    break
            page.keyboard.press("ArrowDown")  # tomorrow, and the next half hour
            page.keyboard.press("Enter")
            assert page.locator(f"input[name={name}]:checked").count() == 1
        press_to(page, "Send the request")
        page.wait_for_url("**/en/request/*")


@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="no espeak-ng (apt install espeak-ng)")
def test_speech_says_the_page_then_what_is_in_focus(chromium, base):
    """The title and the keys first, then each thing by its name; real sound that really plays."""
    with screen(chromium) as page:
        page.goto(f"{base}/en-s/company/exemple-ardoise")
        page.wait_for_function(
            "() => document.body.dataset.said && document.body.dataset.said.includes('Exemple Ardoise')"
        )
        assert "arrow keys" in page.evaluate("document.body.dataset.said")
        page.keyboard.press("ArrowDown")
        page.wait_for_function("() => document.body.dataset.said === `${document.activeElement.innerText.trim()}.`")


@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="no espeak-ng (apt install espeak-ng)")
def test_a_visit_is_heard_whole_and_a_name_by_its_owner_alone(chromium, base, settings):
    """What one accepts, and who comes, is said too, each once; what one writes only where headphones are plugged in."""
    heard = "words => (document.body.dataset.said || '').includes(words)"
    name = "Zoë Entendue"
    with screen(chromium) as page:
        page.set_default_timeout(60_000)
        page.goto(f"{base}/fr-s/visit/oeuvre/-")
        page.wait_for_function(heard, arg="Les flèches")
        texts = page.locator("main [data-read]").all_inner_texts()
        assert {"Ne touchez pas aux presses.", "Ce que je vois ici reste ici."} <= set(texts)
        for _ in range(40):
            page.keyboard.press("ArrowDown")
            if page.evaluate("document.activeElement.innerText") == "Ce que je vois ici reste ici.":
                break
        page.wait_for_function(heard, arg="Ce que je vois ici reste ici.")
        page.fill("#name", name)
        page.wait_for_function(heard, arg=f"{len(name)} caractères écrits")
        page.evaluate("document.documentElement.classList.add('device-headphones-ready')")
        page.locator("#people").focus()
        page.locator("#name").focus()
        page.wait_for_function(heard, arg=name)
        page.locator("input[name=accept]").check()
        page.locator("form.ask button.large").click()
        page.wait_for_url("**/received/*")
        page.wait_for_function(heard, arg="Les flèches")
        said = page.evaluate("document.body.dataset.said")
        assert (said.count("Votre arrivée est notée"), ".," in said) == (1, False)
        with closing(database.open_edge(settings.edge_db)) as edge, database.write(edge):
            visits.answer(edge, page.url.rsplit("/", 1)[1], "coming", time.time())
        page.wait_for_function(heard, arg="Quelqu’un arrive")
        assert page.locator("main [data-read]", has_text="tapez").count() == 1


def test_headphones_turn_speech_on_and_off(chromium, base):
    """Plugged in, the same page speaks; pulled out, it is silent again."""
    plug = "state => document.dispatchEvent(new CustomEvent('parvis:devices', {detail: {headphones: {state}}}))"
    with screen(chromium) as page:
        page.goto(f"{base}/en/news")
        if not page.evaluate("document.body.dataset.hear"):
            pytest.skip("no espeak-ng (apt install espeak-ng)")
        page.evaluate(plug, "ready")
        page.wait_for_url("**/en-s/news")
        page.evaluate(plug, "ready")
        page.evaluate(plug, "absent")
        page.wait_for_url("**/en/news")
