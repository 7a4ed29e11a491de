# SPDX-License-Identifier: EUPL-1.2
"""The device page in a real Chromium, on a phone: sign in, see it live, end a session, print codes."""

import time
from contextlib import closing

import pytest

from edge_core import clock
from edge_core import settings as configuration
from edge_core.store import database, grants
from management import keeper
from management.app import create_app
from management.history import Point

from .kiosk_page import serving

axe_api = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
PASSWORD = "trois mots de passe"
PATIENCE = 180_000  # codes are made by commands, which start slowly on a busy machine
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    folder = tmp_path_factory.mktemp("device")
    file = folder / "gateway.toml"
    file.write_text(
        f'[site]\nid = "parc"\nname = "Parc Exemple"\n[device]\nid = "gateway-1"\nstate_dir = "{folder}/state"\n'
        '[lan]\ninterface = "lan0"\nipv4 = "10.77.0.1/20"\ndhcp_range = "10.77.1.0-10.77.1.250"\n[wan]\n'
        'interface = "lo"\ndns = ["192.0.2.53"]\n[portal]\nhostname = "wifi.parc.example"\n',
        encoding="utf-8",
    )
    settings = configuration.load(file, {})
    database.migrate(settings)
    keeper.set_password(settings, PASSWORD)
    with closing(database.open_edge(settings.edge_db)) as edge:
        for number in range(3):
            grants.accept(edge, f"02:50:00:00:00:{number:02x}", "free", 36000, clock.now())
    return settings


def clean(page):
    """Require that axe finds nothing, that nothing overflows, and that the policy refused nothing."""
    found = axe_api.Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}})
    assert found.violations_count == 0, found.generate_report()
    width = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert width[0] <= width[1], width


def test_somebody_looks_after_the_device_by_phone(gateway, chromium):
    """In French by default; what changes shows by itself; buttons do what they say; codes come on a page to print."""
    app = create_app(gateway)
    history, now = app.extensions["parvis-device"].history, time.time()
    history._points.extend(Point(now - 3600 + n * 5, n % 90, 100, 1e6, 2e5, 30.0, 0.5, 52.0) for n in range(600))
    with serving(app) as base:
        context = chromium.new_context(viewport={"width": 390, "height": 844}, locale="fr-FR", has_touch=True)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        refused = []
        page.on("console", lambda said: refused.append(said.text) if "Content Security Policy" in said.text else None)
        page.goto(base)
        clean(page)
        page.fill("#password", "un autre")
        page.click("button")
        page.wait_for_selector("[role=alert]")
        page.fill("#password", PASSWORD)
        page.click("button")
        page.wait_for_selector("#sessions")
        clean(page)
        page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        clean(page)
        assert page.locator("figure svg").count() == 6
        before = page.locator("#sessions li").count()
        with closing(database.open_edge(gateway.edge_db)) as edge:
            grants.accept(edge, f"02:50:00:00:01:{before:02x}", "free", 36000, clock.now())
        told = page.locator(".figures div", has_text="Sessions").locator("dd", has_text=str(before + 1))
        told.wait_for()
        page.locator("#sessions li").first.get_by_role("button", name="Terminer").click()
        page.wait_for_selector(".word.good")
        with closing(database.open_edge(gateway.edge_db)) as edge:
            assert len(grants.active(edge, clock.now())) == before
        page.fill("[name=count]", "4")
        with context.expect_page(timeout=PATIENCE) as opened:
            page.get_by_role("button", name="Créer et imprimer").click()
        sheet = opened.value
        sheet.wait_for_selector(".code")
        assert sheet.locator(".code").count() == 4
        assert sheet.evaluate("getComputedStyle(document.querySelector('main')).display") == "grid", "its style holds"
        page.get_by_role("button", name="Se déconnecter").click()
        page.wait_for_selector("#password")
        assert refused == []
        context.close()
