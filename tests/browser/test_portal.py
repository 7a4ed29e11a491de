# SPDX-License-Identifier: EUPL-1.2
"""The portal in a real Chromium: narrow, without JavaScript, in each language, light and dark, for everybody."""

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from captive_portal import client
from edge_core.settings import load
from edge_core.store import database, grants
from lab.phone import firefox
from sync.downlink import content_db

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
CHROMIUM = Path("/usr/bin/chromium")
ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "build" / "screenshots"
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PAGES = [
    "", "news", "news/velos", "events", "events/marche", "companies", "companies?q=sfg", "companies/exemple-ardoise",
    "plan", "plan/rez-de-chaussee?place=bureau-010", "plan/etage-1?place=palier", "transport", "services",
    "services/salle-galet", "services/velo", "services/message", "events/atelier", "events/atelier/seat",
    "survey/accueil", "pages/terms", "pages/privacy", "pages/about", "pages/contacts", "status", "nothing-here",
]  # fmt: skip
LANGUAGES = ["fr", "en", "es", "oc"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs /usr/bin/chromium (apt-get install chromium)"),
]


@pytest.fixture(scope="module")
def configuration(tmp_path_factory):
    """Where the portal's settings are written."""
    return tmp_path_factory.mktemp("portal") / "parvis.toml"


@pytest.fixture(scope="module")
def portal(configuration):
    """Serve the sample park by gunicorn as it is in use, without enforcement."""
    folder = configuration.parent
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = configuration
    path.write_text(
        f'[site]\nid = "exemple"\nname = "Parc Exemple"\n[device]\nid = "gateway-1"\nstate_dir = "{folder}/state"\n'
        '[enforcement]\nmode = "none"\n',
        encoding="utf-8",
    )
    settings = load(path, {})
    database.migrate(settings)
    _fill(settings)
    environment = {**os.environ, "PARVIS_CONFIG": str(path)}
    command = [
        sys.executable, "-m", "gunicorn", "--config", "python:edge_core.web.server", "--bind", f"127.0.0.1:{port}",
        "captive_portal.wsgi:app",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        _await(f"http://127.0.0.1:{port}/fr/", process, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)
    assert "page_failed" not in (folder / "log").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def offline_again(request):
    """A test that goes online leaves nothing to the next: all browsers here are one device."""
    yield
    if "portal" not in request.fixturenames:
        return
    settings = load(request.getfixturevalue("configuration"), {})
    edge = database.open_edge(settings.edge_db)
    grants.end(edge, client.stand_in(IPv4Address("127.0.0.1")), "logout", time.time())
    edge.close()


def _fill(settings):
    svg = (ROOT / "content" / "demo" / "plan" / "rez-de-chaussee.svg").read_bytes()
    digest = hashlib.sha256(svg).hexdigest()
    settings.blobs_dir.mkdir(parents=True)
    (settings.blobs_dir / digest).write_bytes(svg)
    text = (ROOT / "tests" / "unit" / "captive_portal" / "park.json").read_text(encoding="utf-8")
    content_db.load(settings.content_db, json.loads(text.replace('"PLAN"', f'"{digest}"')), 1, time.time())


def _await(url, process, log):
    for _ in range(200):
        assert process.poll() is None, log.read_text(encoding="utf-8")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"{url} did not answer: {log.read_text(encoding='utf-8')}")


@pytest.fixture(scope="module")
def chromium():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium):
    """Open pages as a device does; what the page complains of, and what it asks elsewhere, are kept."""
    contexts = []

    def make(width=360, height=740, **options):
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(8000)
        page.complaints, page.requested = [], []
        page.on("console", lambda message: page.complaints.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: page.requested.append(request.url))
        return page

    yield make
    for context in contexts:
        context.close()


# Languages differ in words and lengths; roles, names and colours are the same, and are judged in one of them.
@pytest.mark.parametrize(("code", "scheme"), [*((code, "light") for code in LANGUAGES), ("fr", "dark")])
def test_every_page_is_accessible_narrow_and_self_contained(portal, open_page, code, scheme):
    """At 320 px no page scrolls sideways, breaks a rule of axe-core, or asks anything of another host."""
    page = open_page(width=320, height=640, color_scheme=scheme)
    checker, problems = axe.Axe(), []
    for path in PAGES:
        page.goto(f"{portal}/{code}/{path}")
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            problems.append(f"{path}: scrolls sideways")
        found = checker.run(page).response["violations"] if code == "fr" else []
        problems += [f"{path}: {one['id']} {[node['target'] for node in one['nodes']]}" for one in found]
    assert problems == []
    assert all(url.startswith(portal) for url in page.requested)
    assert [text for text in page.complaints if "404" not in text] == []


def test_the_checker_sees_what_is_wrong(portal, open_page):
    """axe-core runs under our content security policy: a page that is spoilt on purpose is found out."""
    page = open_page()
    page.goto(f"{portal}/fr/companies")
    page.evaluate("document.querySelector('label').remove(); document.querySelector('input').placeholder = ''")
    assert "label" in {one["id"] for one in axe.Axe().run(page).response["violations"]}


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
    assert "3\u00a0h 59" in page.locator(".big").inner_text()
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


def test_large_letters_keep_everything_readable(portal, open_page):
    """At 200 % zoom (half the pixels of a small desktop) nothing is cut off sideways."""
    page = open_page(width=640, height=400)
    for path in PAGES:
        page.goto(f"{portal}/fr/{path}")
        assert not page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"), path


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
def test_every_page_in_firefox(portal, tmp_path):
    """In each language no page scrolls sideways at 320 px, and axe-core finds nothing on the first of them."""
    rules = (Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    problems = []
    with firefox.firefox(tmp_path, width=500, height=1000) as fox:
        for code, path in ((code, path) for code in LANGUAGES for path in PAGES):
            fox.open(f"{portal}/{code}/{path}")
            fox.zoom(500 / 320)
            wide = fox.run("const e = document.documentElement; return [innerWidth, e.scrollWidth > e.clientWidth]")
            problems += [f"{code}/{path}: {wide}"] if wide[1] or not 310 <= wide[0] <= 322 else []
            if code == "fr" and path in {"", "companies", "services/salle-galet"}:
                problems += [f"{path}: {found}" for found in fox.judged(rules)]
    assert problems == []


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


def test_pictures_are_kept_to_be_looked_at(portal, open_page):
    """Screenshots of the main pages on a phone, light and dark, and on a desktop."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    for scheme in ("light", "dark"):
        page = open_page(width=390, height=760, color_scheme=scheme, device_scale_factor=2)
        for path in (
            "", "events", "companies?q=ardoiz", "companies/exemple-ardoise", "plan/rez-de-chaussee?place=bureau-010",
            "transport", "services", "services/salle-galet", "survey/accueil", "pages/terms",
        ):  # fmt: skip
            page.goto(f"{portal}/fr/{path}")
            shot = SHOTS / f"portal-{path.partition('?')[0].replace('/', '-') or 'welcome'}-{scheme}.png"
            page.screenshot(path=str(shot), full_page=bool(path))
            assert shot.stat().st_size > 5000
    page = open_page(width=1280, height=760)
    page.goto(f"{portal}/en/")
    page.screenshot(path=str(SHOTS / "portal-welcome-desktop.png"))
