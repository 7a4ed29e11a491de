# SPDX-License-Identifier: EUPL-1.2
"""The ways in, status and my data in a real Chromium, with a real provider and a real mail server beside the portal."""

import email
import email.policy
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message
from werkzeug.serving import make_server

from captive_portal import seal
from edge_core.settings import load
from edge_core.store import database, grants, usage, vouchers
from lab.ports import free_port
from lab.provider.app import Client, create_app
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
PLANS = [
    {"id": "libre", "ways": ["click"], "duration": 14400, "name": {"fr": "Libre"}, "quota": 2 * 10**9, "extensions": 3},
    {"id": "membre", "ways": ["sign-in"], "duration": 43200, "name": {"fr": "Membre"}, "devices": 3},
    {"id": "visiteur", "ways": ["voucher"], "duration": 86400, "name": {"fr": "Visiteur"}},
    {"id": "courriel", "ways": ["mail"], "duration": 28800, "name": {"fr": "E-mail"}},
]  # fmt: skip
OFFLINE = ["", "voucher", "voucher?code=AAAAABBBBB", "sign-in", "mail", "mail/x", "status", "problem", "my-data"]
ONLINE = ["", "status", "problem", "my-data", "my-data?erased=1"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs /usr/bin/chromium (apt-get install chromium)"),
]


class Post(Message):
    """Keeps the links of the letters."""

    def __init__(self):
        super().__init__()
        self.links = []

    def prepare_message(self, session, envelope):
        return email.message_from_bytes(envelope.content, policy=email.policy.default)

    def handle_message(self, message):
        self.links.append(re.search(r"http\S+", message.get_content()).group(0))


class Zone:
    """The portal by gunicorn as in use, without enforcement; every browser here is one and the same device."""

    def __init__(self, folder):
        self.port = free_port()
        self.home = f"http://127.0.0.1:{self.port}"
        provider = create_app(Client("portal", "", (f"{self.home}/sign-in/back",)))
        self.provider = make_server("127.0.0.1", 0, provider, threaded=True)
        threading.Thread(target=self.provider.serve_forever, daemon=True).start()
        self.post = Post()
        self.smtp = Controller(self.post, hostname="127.0.0.1", port=free_port())
        self.smtp.start()
        path = folder / "parvis.toml"
        path.write_text(
            f'[site]\nid = "exemple"\nname = "Parc Exemple"\n[device]\nid = "gateway-1"\nstate_dir = "{folder}/state"\n'
            f'[enforcement]\nmode = "none"\n[sign_in]\nissuer = "http://127.0.0.1:{self.provider.server_port}"\n'
            f'client_id = "portal"\nlabel = "Parc Exemple"\n[walled_garden]\nhosts = ["127.0.0.1"]\n[mail]\n'
            f'server = "smtp://127.0.0.1:{self.smtp.port}"\nsender = "wifi@parc.example"\n',
            encoding="utf-8",
        )
        self.settings = load(path, {})
        database.migrate(self.settings)
        self.edge = database.open_edge(self.settings.edge_db)
        park = json.loads((ROOT / "tests" / "unit" / "captive_portal" / "park.json").read_text(encoding="utf-8"))
        park["access"] = [{"collection": "access", **plan} for plan in PLANS]
        content_db.load(self.settings.content_db, park, 1, time.time())
        self.log = folder / "log"
        command = [sys.executable, "-m", "gunicorn", "--config", "python:edge_core.web.server"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--bind", f"127.0.0.1:{self.port}", "captive_portal.wsgi:app"],
                cwd=ROOT,
                env={**os.environ, "PARVIS_CONFIG": str(path)},
                stdout=log,
                stderr=log,
            )
        self._await()

    def _await(self):
        for _ in range(200):
            assert self.process.poll() is None, self.log.read_text(encoding="utf-8")
            try:
                with urllib.request.urlopen(f"{self.home}/fr/", timeout=5):
                    return
            except OSError:
                time.sleep(0.1)
        pytest.fail(self.log.read_text(encoding="utf-8"))

    def code(self):
        key = seal.load(self.settings.device.state_dir / "portal.key").derive("vouchers")
        now = time.time()
        (made,) = vouchers.make(
            self.edge, key, batch="b", plan="visiteur", seconds=86400, limits=grants.Limits(), devices=1, count=1,
            valid_until=now + 86400, now=now,
        )  # fmt: skip
        return made

    def offline(self):
        for grant in grants.active(self.edge, time.time()):
            grants.end(self.edge, grant.mac, "test", time.time())

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        self.smtp.stop()
        self.provider.shutdown()
        self.provider.server_close()
        self.edge.close()


@pytest.fixture(scope="module")
def zone(tmp_path_factory):
    made = Zone(tmp_path_factory.mktemp("ways"))
    made.code()
    yield made
    made.close()
    assert "page_failed" not in made.log.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def chromium():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, zone):
    """Open pages as a device does, offline at first."""
    zone.offline()
    contexts = []

    def make(width=360, height=740, **options):
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        return context.new_page()

    yield make
    for context in contexts:
        context.close()


def connect(zone, page):
    page.goto(f"{zone.home}/fr/")
    page.get_by_role("button", name="Se connecter").click()
    page.get_by_role("heading", name="Vous êtes en ligne").wait_for()


def problems(page, address):
    page.goto(address)
    found = [f"{address}: {one['id']} {[node['target'] for node in one['nodes']]}"
             for one in axe.Axe().run(page).response["violations"]]  # fmt: skip
    wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    return [*found, *([f"{address}: scrolls sideways"] if wide else [])]


@pytest.mark.parametrize(("code", "scheme"), [("fr", "light"), ("en", "light"), ("es", "light"), ("oc", "light"), ("fr", "dark")])  # fmt: skip  # noqa: E501
def test_the_new_pages_are_accessible_and_narrow(zone, open_page, code, scheme):
    """At 320 px no page of the ways in, status or my data scrolls sideways or breaks a rule of axe-core."""
    page = open_page(width=320, height=640, color_scheme=scheme)
    wrong = [each for path in OFFLINE for each in problems(page, f"{zone.home}/{code}/{path}")]
    connect(zone, page)
    (grant,) = grants.active(zone.edge, time.time())
    usage.record(zone.edge, [(grant.id, usage.Usage(up_bytes=10**8, down_bytes=10**9))], time.time())
    wrong += [each for path in ONLINE for each in problems(page, f"{zone.home}/{code}/{path}")]
    assert wrong == []


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


def test_pictures_are_kept_to_be_looked_at(zone, open_page):
    """Screenshots of each new page on a phone."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page = open_page(width=390, height=760, device_scale_factor=2)

    def shoot(path, name):
        page.goto(f"{zone.home}/fr/{path}")
        page.screenshot(path=str(SHOTS / f"portal-{name}.png"), full_page=True)
        assert (SHOTS / f"portal-{name}.png").stat().st_size > 5000

    for path in ("voucher", "sign-in", "mail", "my-data"):
        shoot(path, f"{path}-offline")
    shoot("", "welcome-ways")
    connect(zone, page)
    (grant,) = grants.active(zone.edge, time.time())
    usage.record(zone.edge, [(grant.id, usage.Usage(up_bytes=10**8, down_bytes=10**9))], time.time())
    for path in ("status", "my-data", "problem"):
        shoot(path, f"{path}-online")
    zone.edge.execute("UPDATE grants SET expires_at = ? WHERE ended_at IS NULL", [time.time() + 250])
    shoot("status", "status-ending")
