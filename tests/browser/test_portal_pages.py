# SPDX-License-Identifier: EUPL-1.2
"""Every page of the portal in every language, at 320 px, with scripts and without, in Chromium and in Firefox.

Each is kept as a picture in build/screenshots, narrow and wide, light and dark, to be looked at. What axe-core finds in
the other languages, and at 200 % zoom, `make bench NAME=portal` counts.
"""

import re
import struct
import time
from base64 import b64decode
from pathlib import Path

import pytest

from edge_core.store import grants, requests, usage
from edge_core.store.database import write
from lab.phone import firefox

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
pytestmark = pytest.mark.browser
LANGUAGES = ["fr", "en", "es", "oc"]
READ = [
    "", "news", "news/velos", "events", "events/marche", "events/atelier", "events/atelier/seat", "companies",
    "companies?q=sfg", "companies?q=zzzzzz", "companies/exemple-ardoise", "plan",
    "plan/rez-de-chaussee?place=bureau-010", "plan/etage-1?place=palier", "way", "way#etage-1:palier:palier::",
    "transport", "services",
    "services/salle-galet", "services/velo", "services/message", "survey/accueil", "pages/terms", "pages/privacy",
    "pages/about", "pages/contacts", "voucher", "voucher?code=AAAAABBBBB", "sign-in", "mail", "mail/x", "status",
    "problem", "my-data", "nothing-here",
]  # fmt: skip
SENT_EMPTY = ["services/salle-galet", "voucher", "mail", "problem"]
ONLINE = ["", "status", "problem", "my-data", "connected", "services/message"]
NO_PAGE = {
    "stylesheet", "script", "api.captive", "welcome.icon", "vouchers.scanned", "mydata.take_away", "events.keep",
    "companies.answers", "sign_in.back", "welcome.home",
}  # fmt: skip
COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}  # all that a dark page may get wrong beyond a light one
SIDEWAYS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
needs_firefox = pytest.mark.skipif(
    not Path(firefox.PROGRAM).exists(), reason="needs /usr/bin/firefox-esr (apt-get install firefox-esr)"
)


WAY = "etage-1:palier:palier:lift:;rez-de-chaussee:escalier:bureau-010::480,155,300,155,175,120"


def test_a_way_from_a_kiosk_is_drawn_and_told_to_nobody(chromium, zone):
    """The phone draws what its address holds; what it asks of the portal doesn't tell a destination."""
    context = chromium.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    asked = []
    page.on("request", lambda request: asked.append((request.url, request.all_headers().get("referer", ""))))
    page.goto(f"{zone.home}/fr/way#{WAY}")
    page.locator("#steps li").nth(1).wait_for()
    assert "Rez-de-chaussée" in page.inner_text("#steps")
    assert "l’ascenseur" in page.inner_text("#steps")
    drawn = page.locator("polyline.way")
    assert (drawn.count(), drawn.get_attribute("points")) == (1, "480 155 300 155 175 120")
    assert page.locator(".marker-pin").count() == 1
    assert not page.locator("#no-way").is_visible()
    assert not page.locator("[data-place]").first.is_visible()
    page.locator(".languages a[lang=en]").click()
    page.wait_for_url(f"**/en/way#{WAY}")
    page.locator("#steps li").nth(1).wait_for()
    assert not [each for each in asked if "bureau-010" in each[1] + each[0].partition("#")[0]]
    context.close()


@pytest.mark.parametrize(
    "wrong",
    ["", "#", "#x", "#rez-de-chaussee:a:b:rope:", "#none:a:b::1,2", "#rez-de-chaussee:%E0:b::1,2,3", f"#{WAY};<b>"],
)
def test_an_address_without_a_way_is_said(chromium, zone, wrong):
    """Whatever stands in the fragment, there is a way or the floors to look through."""
    page = chromium.new_page()
    failed = []
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.goto(f"{zone.home}/fr/way{wrong}")
    page.locator("#no-way").wait_for()
    assert page.locator("[data-place]").first.is_visible()
    assert failed == []
    page.close()


def test_without_scripts_the_floors_are_there_to_look_through(chromium, zone):
    """No script, no way: the page says so, and each place leads to its own page."""
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{zone.home}/fr/way#{WAY}")
    assert "n’exécute pas de scripts" in page.inner_text("main")
    assert page.locator("[data-floor]").count() == 2
    assert not page.locator("#steps").is_visible()
    page.locator("[data-place=palier]").click()
    page.wait_for_url("**/plan/etage-1?place=palier#here")
    context.close()


@pytest.fixture(scope="module")
def followed(zone):
    """The address of a request in each state, by that state."""
    return {
        "recorded": ask(zone, "room", "salle-galet", None),
        "accepted": ask(zone, "bike", "velo", "accepted", reference="P-0001"),
        "done": ask(zone, "message", "message", "done", reason="La salle est au rez-de-chaussée.\nÀ bientôt."),
        "waitlisted": ask(zone, "event", "atelier", "waitlisted"),
        "rejected": ask(zone, "room", "salle-galet", "rejected", reason="Complet ce jour-là."),
    }


def ask(zone, kind, subject, state, *, reason=None, reference=None):
    now = time.time()
    made = requests.create(
        zone.edge, kind=kind, subject=subject, data={"date": "2030-05-21"}, place="portal", now=now, form=None
    )
    if state:
        with write(zone.edge):
            requests.apply_reply(
                zone.edge, request=made.id, state=state, reason=reason, reference=reference, now=now
            )  # fmt: skip
    return f"requests/{made.id}"


def go_online(zone, page):
    page.goto(f"{zone.home}/fr/")
    page.get_by_role("button", name="Se connecter").click()
    page.get_by_role("heading", name="Vous êtes en ligne").wait_for()
    (grant,) = grants.active(zone.edge, time.time())
    usage.record(zone.edge, [(grant.id, usage.Usage(up_bytes=10**8, down_bytes=10**9))], time.time())


class Eyes:
    """Opens page after page and notes what is wrong with each."""

    def __init__(self, page, home, code, rules=None):
        self.page, self.home, self.code, self.rules = page, home, code, rules
        self.checker, self.wrong = axe.Axe(), []

    def look(self, path, shots=None, name=None):
        """Open a page, see that it has the right language and fits; with `shots`, judge it and keep its pictures."""
        self.page.goto(f"{self.home}/{self.code}/{path}")
        self.judge(name or path, shots)

    def send_empty(self, path, shots=None):
        """Send a page's form as it is: the page that comes back says what is missing."""
        self.page.goto(f"{self.home}/{self.code}/{path}")
        self.page.locator("main form button[type=submit]").first.click()
        self.page.locator("[role=alert]").first.wait_for()
        self.judge(f"{path}-empty", shots)

    def judge(self, name, shots):
        if self.page.locator("html").get_attribute("lang") != self.code:
            self.wrong.append(f"{name}: not in {self.code}")
        if self.page.evaluate(SIDEWAYS):
            self.wrong.append(f"{name}: scrolls sideways")
        if shots:
            found = self.checker.run(self.page, options=self.rules).response["violations"]
            self.wrong += [f"{name}: {one['id']} {[node['target'] for node in one['nodes']]}" for one in found]
            self._keep(name, shots)

    def _keep(self, name, shots):
        stem = re.sub(r"[^a-z0-9]+", "-", name).strip("-") or "welcome"
        narrow = self.page.viewport_size
        for width in (narrow["width"], 1280):
            self.page.set_viewport_size({"width": width, "height": 760})
            path = shots / f"{stem}-{width}.png"
            self.page.screenshot(path=str(path), full_page=True)
            assert path.stat().st_size > 3000
        self.page.set_viewport_size(narrow)


# Languages differ in words and lengths; roles, names and colours are the same, and are judged in one of them here.
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("code", "scheme", "scripts"),
    [("fr", "light", True), ("fr", "dark", True), *((code, "light", False) for code in LANGUAGES)],
)
def test_every_page_is_narrow_self_contained_and_accessible(
    zone, portal, followed, open_page, shots, code, scheme, scripts
):
    """At 320 px no page scrolls sideways, breaks a rule of axe-core, or asks anything of another host."""
    page = open_page(width=320, height=640, color_scheme=scheme, java_script_enabled=scripts, locale=code)
    eyes, judged = Eyes(page, portal, code, COLOURS if scheme == "dark" else None), None
    if scripts:
        judged = shots / f"portal-{scheme}"
        judged.mkdir(exist_ok=True)
    for path in READ:
        eyes.look(path, judged)
    for state, path in followed.items():
        eyes.look(path, judged, f"request-{state}")
    for path in SENT_EMPTY:
        eyes.send_empty(path, judged)
    go_online(zone, page)
    online = judged and judged / "online"
    if online:
        online.mkdir(exist_ok=True)
    for path in ONLINE:
        eyes.look(path, online)
    zone.edge.execute("UPDATE grants SET expires_at = ? WHERE ended_at IS NULL", [time.time() + 250])
    eyes.look("status", online, "status-ending")
    assert eyes.wrong == []
    assert all(url.startswith(portal) for url in page.requested)
    told = [text for text in page.complaints if not any(status in text for status in ("404", "403", "422"))]
    assert told == []


def test_no_route_is_forgotten(zone, followed):
    """Each route that shows a page is among those that are looked at."""
    from captive_portal.app import create_app  # noqa: PLC0415 - of no use to the other tests

    app = create_app(zone.settings)
    adapter = app.url_map.bind("parvis.example")
    seen = {
        adapter.match("/fr/" + re.split("[?#]", path)[0])[0]
        for path in [*READ, *ONLINE, *followed.values()]
        if "-here" not in path
    }
    shown = {rule.endpoint for rule in app.url_map.iter_rules() if "GET" in rule.methods}
    shown = {endpoint for endpoint in shown if "again" not in endpoint}  # lead back from a form's address
    app.extensions["parvis"].replica.close()
    assert shown - seen == NO_PAGE


def test_the_checker_sees_what_is_wrong(portal, open_page):
    """axe-core runs under our content security policy: a page that is spoilt on purpose is found out."""
    page = open_page()
    page.goto(f"{portal}/fr/companies")
    page.evaluate("document.querySelector('label').remove(); document.querySelector('input').placeholder = ''")
    assert "label" in {one["id"] for one in axe.Axe().run(page).response["violations"]}


def test_large_letters_keep_everything_readable(portal, open_page):
    """At 200 % zoom (half the pixels of a small desktop) nothing is cut off sideways."""
    page = open_page(width=640, height=400)
    for path in READ:
        page.goto(f"{portal}/fr/{path}")
        assert not page.evaluate(SIDEWAYS), path


@needs_firefox
@pytest.mark.timeout(600)
def test_every_page_in_firefox(portal, followed, tmp_path):
    """In each language no page scrolls sideways at 320 px, and axe-core finds nothing on the first of them."""
    rules = (Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    problems = []
    with firefox.firefox(tmp_path, width=500, height=1000) as fox:
        for code, path in ((code, path) for code in LANGUAGES for path in [*READ, *followed.values()]):
            fox.open(f"{portal}/{code}/{path}")
            fox.zoom(500 / 320)
            wide = fox.run("const e = document.documentElement; return [innerWidth, e.scrollWidth > e.clientWidth]")
            problems += [f"{code}/{path}: {wide}"] if wide[1] or not 310 <= wide[0] <= 322 else []
            if code == "fr" and path in {"", "companies", "services/salle-galet"}:
                problems += [f"{path}: {found}" for found in fox.judged(rules)]
    assert problems == []


@needs_firefox
@pytest.mark.timeout(600)
def test_every_page_in_firefox_without_scripts(portal, followed, tmp_path, shots):
    """Where pages can run no script, the whole of each, as a picture, is no wider than the window."""
    kept = shots / "portal-firefox"
    kept.mkdir(exist_ok=True)
    problems = []
    with firefox.firefox(tmp_path, width=500, height=1000, scripts=False) as fox:
        fox.open(f"{portal}/fr/")
        fox.zoom(500 / 320)
        for code, path in ((code, path) for code in LANGUAGES for path in [*READ, *followed.values()]):
            fox.open(f"{portal}/{code}/{path}")
            fox.zoom(500 / 320)
            picture = b64decode(fox.ask("WebDriver:TakeScreenshot", {"full": True}))
            if struct.unpack(">I", picture[16:20])[0] > 500:
                problems.append(f"{code}/{path}")
            if code == "oc":
                (kept / f"{re.sub('[^a-z0-9]+', '-', path).strip('-') or 'welcome'}.png").write_bytes(picture)
    assert problems == []
