# SPDX-License-Identifier: EUPL-1.2
"""The ways in, status and my data in a real Chromium, with a real provider and a real mail server beside the portal."""

import json
import time
from pathlib import Path

import pytest

from edge_core.store import vouchers

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def offline(portal):
    """Each test begins with a device that is offline, and leaves it so."""


def connect(zone, page):
    page.goto(f"{zone.home}/fr/")
    page.get_by_role("button", name="Se connecter").click()
    page.get_by_role("heading", name="Vous êtes en ligne").wait_for()


def test_a_code_without_scripts(zone, open_page):
    """A wrong code is explained in place; the right one, as it is printed, connects."""
    page = open_page(java_script_enabled=False, locale="fr-FR")
    page.goto(f"{zone.home}/")
    page.get_by_role("link", name="J’ai un code").click()
    page.get_by_label("Code de votre bon ou ticket").fill("AAAAA-AAAAA")
    page.get_by_role("button", name="Se connecter").click()
    assert "pas connu ici" in page.get_by_role("alert").inner_text()
    page.get_by_label("Code de votre bon ou ticket").fill(vouchers.spoken(zone.code()).lower())
    page.get_by_role("button", name="Se connecter").click()
    page.get_by_role("heading", name="Vous êtes en ligne").wait_for()
    assert page.context.cookies() == []


@pytest.mark.parametrize("scripts", [True, False])
def test_signing_in_and_coming_back_by_the_pass(zone, open_page, scripts):
    """To the provider and back by navigation alone; later the pass of the browser is enough."""
    page = open_page(java_script_enabled=scripts, locale="fr-FR")
    page.goto(f"{zone.home}/")
    page.get_by_role("link", name="Je travaille ici").click()
    page.get_by_role("button", name="S’identifier avec Parc Exemple").click()
    page.get_by_label("Who are you?").fill("member-1")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Vous êtes en ligne").wait_for()
    zone.offline()
    page.goto(f"{zone.home}/fr/sign-in")
    page.get_by_role("button", name="Utiliser le laissez-passer").click()
    page.get_by_role("heading", name="Vous êtes en ligne").wait_for()
    (cookie,) = page.context.cookies()
    assert cookie["httpOnly"]


def test_the_link_of_an_e_mail_without_scripts(zone, open_page):
    """A form, a letter, a button: online."""
    page = open_page(java_script_enabled=False, locale="fr-FR")
    page.goto(f"{zone.home}/fr/mail")
    page.locator("#f-email").fill("quelquun@entreprise.example")
    page.get_by_role("button", name="M’envoyer un lien").click()
    page.get_by_role("heading", name="Le lien est en route").wait_for()
    page.goto(zone.post.links[-1])
    page.get_by_role("button", name="Se connecter").click()
    page.get_by_role("heading", name="Vous êtes en ligne").wait_for()


def test_one_tap_extends_and_my_data_can_be_erased(zone, open_page):
    """Near the end the page warns; a tap gives the time again; erasing leaves nothing of the device."""
    page = open_page(locale="fr-FR")
    connect(zone, page)
    zone.edge.execute("UPDATE grants SET expires_at = ? WHERE ended_at IS NULL", [time.time() + 250])
    page.goto(f"{zone.home}/fr/status")
    assert "presque finie" in page.get_by_role("status").inner_text()
    page.get_by_role("button", name="Rester jusqu’à").click()
    assert "3\u00a0h 59" in page.locator(".big").first.inner_text()
    page.get_by_role("link", name="Ce qui est gardé de cet appareil").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Les emporter").click()
    held = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))["held"]
    assert set(held) == {"address", "session"}
    page.get_by_role("button", name="Se déconnecter et tout effacer").click()
    assert "oublié" in page.get_by_role("status").inner_text()
    assert held["address"]["data"]["mac"] not in "\n".join(zone.edge.iterdump())


def test_everything_to_tap_is_large_enough(zone, open_page):
    """With all ways offered, the button is still on the first screen and each way is 40 px or more."""
    page = open_page(width=390, height=760)
    page.goto(f"{zone.home}/fr/")
    button = page.get_by_role("button", name="Se connecter").bounding_box()
    assert button["y"] + button["height"] < 400
    small = page.evaluate(
        "[...document.querySelectorAll('a, button, input:not([type=hidden])')].filter(e => e.checkVisibility() &&"
        " e.closest('p') === null && e.getBoundingClientRect().height < 40).map(e => e.textContent.trim())"
    )
    assert [word for word in small if word != "Aller au contenu"] == []
