# SPDX-License-Identifier: EUPL-1.2
"""What people do on the portal, in a real Chromium and a real Firefox, with JavaScript and without it."""

from pathlib import Path

import pytest

from lab.phone import firefox

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scripts", [True, False])
def test_the_whole_visit(portal, open_page, scripts):
    """Welcome, read, connect, see what is left, ask for a service, log out: with JavaScript and without it."""
    page = open_page(java_script_enabled=scripts, locale="fr-FR")
    page.goto(f"{portal}/")
    assert page.locator("html").get_attribute("lang") == "fr"
    page.get_by_role("link", name="Entreprises").click()
    page.get_by_label("Nom, activité ou sigle").fill("tuiles")
    page.get_by_role("button", name="Rechercher").click()
    page.get_by_role("link", name="Exemple Ardoise SARL").click()
    page.get_by_role("link", name="Rez-de-chaussée, Bureau 010").click()
    assert page.locator("svg.plan .marker-pin").count() == 1
    page.goto(f"{portal}/fr/")
    page.get_by_role("button", name="Se connecter").click()
    page.get_by_role("heading", name="Vous êtes en ligne").wait_for()
    page.get_by_role("link", name="Temps restant et déconnexion").click()
    assert "3\u00a0h 59" in page.locator(".big").first.inner_text()
    page.goto(f"{portal}/fr/services/message")
    page.get_by_label("Message").fill("Bonjour, une question.")
    page.get_by_role("button", name="Envoyer").click()
    assert "C’est noté" in page.get_by_role("status").inner_text()
    page.goto(f"{portal}/fr/status")
    page.get_by_role("button", name="Se déconnecter du WiFi").click()
    page.get_by_role("link", name="Se connecter").wait_for()
    assert page.context.cookies() == []


def test_keyboard_alone_is_enough(portal, open_page):
    """The skip link comes first, focus is seen, and Enter on the button connects."""
    page = open_page()
    page.goto(f"{portal}/fr/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == "BUTTON":
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Vous êtes en ligne").wait_for()
    page.goto(f"{portal}/fr/status")
    page.get_by_role("button", name="Se déconnecter du WiFi").click()


def test_touch_targets_and_one_screen(portal, open_page):
    """On a common phone the button and the news are on the first screen, and everything to tap is 40 px or more."""
    page = open_page(width=390, height=760)
    page.goto(f"{portal}/fr/")
    button = page.get_by_role("button", name="Se connecter").bounding_box()
    assert button["y"] + button["height"] < 400
    rows = page.locator(".rows").bounding_box()
    assert rows["y"] + rows["height"] < 760
    small = page.evaluate(
        "[...document.querySelectorAll('nav a, button, .rows a, .foot a')].filter(e => e.checkVisibility() &&"
        " e.getBoundingClientRect().height < 40).map(e => e.textContent.trim())"
    )
    assert small == []


def test_answers_come_while_typing(portal, open_page):
    """With JavaScript the list follows the letters, a slip is forgiven, and the address can be kept."""
    page = open_page()
    page.goto(f"{portal}/fr/companies")
    page.get_by_label("Nom, activité ou sigle").press_sequentially("ardoiz")
    page.get_by_text("1 entreprise pour « ardoiz »").wait_for()
    assert page.locator("#answers .row").count() == 1
    assert page.url.endswith("?q=ardoiz")
    page.get_by_label("Nom, activité ou sigle").fill("")
    page.get_by_text("4 entreprises", exact=True).wait_for()
    assert [text for text in page.complaints if "404" not in text] == []


def test_one_tap_answers(portal, open_page):
    """A question takes one tap; then it thanks."""
    page = open_page(java_script_enabled=False)
    page.goto(f"{portal}/fr/services")
    page.get_by_role("link", name="Comment trouvez-vous l’accueil").click()
    page.get_by_role("button", name="Bien", exact=True).click()
    assert "c’est compté" in page.get_by_role("status").inner_text()


@pytest.mark.skipif(
    not Path(firefox.PROGRAM).exists(), reason="needs /usr/bin/firefox-esr (apt-get install firefox-esr)"
)
def test_a_visit_in_firefox_without_scripts(portal, tmp_path):
    """Search by form, go online, ask for something, log out."""
    with firefox.firefox(tmp_path, scripts=False) as fox:
        fox.open(f"{portal}/fr/companies")
        fox.type("#q", "tuiles")
        fox.click(".search button")
        fox.click("#answers .row")
        fox.wait_for("Tuiles Fictives")
        fox.open(f"{portal}/fr/")
        fox.click("form.act button")
        fox.wait_for("Vous êtes en ligne")
        fox.open(f"{portal}/fr/services/message")
        fox.type("#f-message", "Bonjour, une question.")
        fox.click("form.form button")
        fox.wait_for("C’est noté")
        fox.open(f"{portal}/fr/status")
        fox.click("form[action$=logout] button")
        fox.wait_for("Se connecter")
