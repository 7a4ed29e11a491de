# SPDX-License-Identifier: EUPL-1.2
"""A visitor and the receptionist in a real Chromium: whole visits by touch, and axe on each of their pages."""

import time
from contextlib import closing

import pytest

from edge_core import passwords
from edge_core import settings as configuration
from edge_core.store import database, desk_users, visits
from kiosk.app import create_app, create_desk

from .kiosk_page import BROKEN, LAYOUTS, SAMPLE, press, serving

axe_api = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

PASSWORD, BADGE = "trois mots de passe", "BADGE234BADGE234"
SMALLEST = 64  # CSS pixels, each side of a target on the kiosk
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    laid = SAMPLE["lay"](tmp_path_factory.mktemp("kiosk") / "state", time.time())
    with laid.source.open("a", encoding="utf-8") as file:
        file.write("[kiosk]\nplatform_patience = 3600\n")  # nothing turns into the desk's while a machine is slow
    laid = configuration.load(laid.source, {})
    with closing(database.open_edge(laid.edge_db)) as edge:
        desk_users.add(edge, "accueil", passwords.make(PASSWORD), time.time())
        desk_users.give_badge(edge, "accueil", BADGE)
    return laid


@pytest.fixture(scope="module")
def base(settings):
    with serving(create_app(settings)) as address:
        yield address


@pytest.fixture(scope="module")
def lan(settings):
    with serving(create_desk(settings)) as address:
        yield address


@pytest.fixture
def edge(settings):
    with closing(database.open_edge(settings.edge_db)) as connection:
        yield connection


def open_kiosk(open_page, layout):
    width, height = LAYOUTS[layout]
    page = open_page(width, height, has_touch=True)
    page.set_default_timeout(60_000)
    return page


def arrive(edge, name, company="exemple-ardoise"):
    ticket = visits.Ticket(visits.new_code(), "", 2, "", None)
    arrival = visits.Arrival(company=company, host=None, name=name, people=2, place="kiosk-1", language="fr")
    return visits.arrive(edge, arrival, [(ticket, {})], time.time()), ticket


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_whole_visit_by_touch(open_page, base, edge, layout):
    """Found, named, announced, followed live, and gone by the ticket's code; nothing is left in the browser."""
    page = open_kiosk(open_page, layout)
    page.goto(f"{base}/en/")
    page.get_by_role("link", name="I am expected").tap()
    page.locator("#q").tap()
    with page.expect_response(lambda answer: answer.url.endswith("q=ard")):
        press(page, "ard")
    answers = page.locator("#answers")
    answers.get_by_role("link", name="Exemple Ardoise").wait_for()
    for _ in range(60):  # what was answered to the letters before is on its way into the page
        answers.evaluate("place => { place.firstElementChild.first = true }")
        page.wait_for_timeout(500)
        if answers.evaluate("place => place.firstElementChild.first"):
            break
    with page.expect_response(lambda answer: "q=ardoi" in answer.url):
        press(page, "oi")
    assert answers.evaluate(
        "place => place.firstElementChild.first"
    )  # the same answers are not put anew under a finger
    answers.get_by_role("link", name="Exemple Ardoise").tap()
    page.get_by_role("link", name="Workshop").tap()
    page.locator("#name").tap()
    press(page, "⇧zoë▾")
    page.get_by_role("button", name="Tell them that I am here").tap()
    page.wait_for_url("**/en/received/*")
    assert page.get_by_role("heading", name="Your arrival is noted").is_visible()
    assert "Zoë" not in page.content()
    key = page.url.rsplit("/", 1)[1]
    assert visits.get(edge, key).name == "Zoë"
    page.locator("main").get_by_role("link", name="Finish").focus()
    with database.write(edge):
        visits.answer(edge, key, "coming", time.time())
    page.get_by_role("heading", name="Somebody is on the way").wait_for()
    assert page.evaluate("document.activeElement.innerText") == "Finish"  # what changes takes nobody's place away
    code = page.locator(".take .number").first.inner_text()
    page.locator("main").get_by_role("link", name="Finish").tap()
    page.wait_for_url(f"{base}/")
    page.goto(f"{base}/en/leaving")
    page.locator("#code").tap()
    press(page, f"{code.lower()}▾")
    page.get_by_role("button", name="End my visit").tap()
    page.get_by_role("heading", name="Goodbye, your visit is over").wait_for()
    assert visits.get(edge, key).state == "left"
    page.locator("main").get_by_role("link", name="Finish").tap()
    page.wait_for_url(f"{base}/")
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    assert page.complaints == []


def test_without_scripts_a_visit_works_too(open_page, base, edge):
    """The forms are ordinary ones."""
    page = open_page(1080, 1920, java_script_enabled=False)
    page.set_default_timeout(60_000)
    page.goto(f"{base}/oc/visit?q=oeuvre")
    page.get_by_role("link", name="Œuvre Fictive").click()
    page.fill("#name", "Shens Escript")
    page.locator("input[name=accept]").check()
    page.locator("form.ask button").click()
    page.wait_for_url("**/oc/received/*")
    assert visits.get(edge, page.url.rsplit("/", 1)[1]).name == "Shens Escript"


def test_the_receptionist_works_through_a_queue(open_page, lan, edge):
    """Signs in, sees a visitor come without loading again, hands out a badge, ticks the roll-call, signs out."""
    page = open_page(1280, 900, locale="en-GB")
    page.set_default_timeout(60_000)
    page.goto(lan)
    page.fill("#name", "accueil")
    page.fill("#password", PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/en/reception")
    visit, ticket = arrive(edge, "Queue <b>Fictive</b>")
    card = page.locator("#inside .guest", has_text="Queue <b>Fictive</b>")
    card.wait_for()
    page.set_viewport_size({"width": 390, "height": 844})  # as on a telephone
    first, second = (card.get_by_role("button", name=name).bounding_box() for name in ("Received", "Notify again"))
    assert first["y"] == second["y"]
    for language in ("fr", "es", "oc", "en"):
        page.goto(f"{lan}/{language}/reception")
        assert page.evaluate(BROKEN) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.set_viewport_size({"width": 1280, "height": 900})
    card.locator("input[name=badge]").fill("17")
    card.get_by_role("button", name="Note").click()
    page.locator("#inside input[name=badge][value='17']").wait_for()
    assert visits.get(edge, visit.id).badge == "17"
    card.get_by_role("button", name="Received").click()
    page.locator("#inside .pill.here").first.wait_for()
    page.get_by_role("link", name="Roll-call").click()
    page.get_by_role("button", name="Begin a roll-call").click()
    page.fill("#code", ticket.code)
    page.keyboard.press("Enter")
    page.locator("li.found", has_text="Queue").wait_for()
    page.get_by_role("button", name="End the roll-call").click()
    page.get_by_role("button", name="Begin a roll-call").wait_for()
    page.get_by_role("link", name="Back").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/en/reception/door")
    page.goto(f"{lan}/en/reception")
    page.wait_for_url("**/en/reception/door")
    assert page.complaints == []


@pytest.mark.parametrize("view", ["fr-e", "en-c", "es-l", "oc-r"])
def test_axe_finds_nothing_and_targets_are_large(open_page, base, lan, edge, view):
    """On each page of a visit and of the desk, in each language, each in another mode too."""
    axe = axe_api.Axe()
    visit, _ = arrive(edge, "Visiteuse Fictive", "oeuvre")
    page = open_kiosk(open_page, "desk" if view == "es-l" else "standing")
    page.goto(f"{base}/{view}/reception/door")
    paths = [
        "visit/exemple-ardoise", "visit/oeuvre/-", "invited", "leaving?why=foreign", f"received/{visit.id}",
        f"goodbye/{visit.id}", "reception/door",
    ]  # fmt: skip
    for path in paths:
        page.goto(f"{base}/{view}/{path}")
        assert violations(axe, page) == [], path
        assert small(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    page.fill("#code", BADGE)
    page.locator("form.door button").tap()
    page.wait_for_url("**/reception")
    page.goto(f"{base}/{view}/reception/roll-call")
    for path in ("reception", "reception/roll-call"):
        page.goto(f"{base}/{view}/{path}")
        assert violations(axe, page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    desk = open_page(1280, 900)
    desk.set_default_timeout(60_000)
    desk.goto(f"{lan}/{view}/reception/door")
    assert violations(axe, desk) == []


def violations(axe, page):
    """Return what axe says is wrong, short enough to read."""
    found = axe.run(page, options={"runOnly": RULES}).response["violations"]
    return [(rule["id"], [node["html"][:120] for node in rule["nodes"][:3]]) for rule in found]


def small(page):
    """Return the targets under 64 pixels."""
    return page.evaluate(
        """smallest => [...document.querySelectorAll("a[href], button, input:not([type=hidden])")]
          .filter((e) => e.checkVisibility()).map((e) => [e.outerHTML.slice(0, 90), e.getBoundingClientRect()])
          .filter(([, box]) => Math.min(box.width, box.height) < smallest).map(([what]) => what)""",
        SMALLEST,
    )
