# SPDX-License-Identifier: EUPL-1.2
"""The reference platform's page in a real Chromium: narrow and wide, light and dark, for everybody."""

import shutil
from pathlib import Path

import pytest

from lab.platform.testing import Broker, Device, Platform, uuid7, wait_for

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs /usr/bin/chromium (apt-get install chromium)"),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="mosquitto is not installed"),
]


@pytest.fixture(scope="module")
def page_of(tmp_path_factory):
    """A platform that has heard of everything: two devices, a loss, a waiting request, a letter set aside, presence."""
    folder = tmp_path_factory.mktemp("platform")
    broker = Broker(folder)
    platform = Platform(folder, broker, "--answer", "manual", "--quota", "event/atelier=20:5")
    device, other = Device(broker, "gateway-1"), Device(broker, "kiosk-1")
    order = {"request": uuid7(), "kind": "room", "subject": "ossau", "data": {"time": "14:00"}, "place": "accueil"}
    window = {"access_point": None, "observed": 300, "doubt": None}
    window |= {"zone": "cite", "start": 1741091400, "seconds": 300, "associated": 145, "online": 120, "arrivals": 15}
    device.birth(created=2, pending=2)
    device.publish("ev/presence", [device.event(1, "presence.window", {**window, "departures": None})])
    device.publish("ev/health", [device.event(2, data={"version": 1})])
    device.wait_ack(2)
    other.birth(oldest=4, created=5, acked=3, pending=1, dropped=1)
    other.publish("ev/order", [other.event(4, "request.created", order)])
    other.wait_ack(4)
    wait_for(lambda: platform.get("/api/state")["requests"])
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser, platform.url
        browser.close()
    for one in (device, other):
        one.close()
    platform.process.kill()
    broker.process.kill()


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_nobody_is_shut_out(page_of, language, scheme, width):
    """axe finds nothing to object to, and the page needs no sideways scrolling."""
    browser, url = page_of
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{url}/?lang={language}")
    violations = axe.Axe().run(page).response["violations"]
    found = [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in violations]
    sideways = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    context.close()
    assert found == []
    assert sideways <= 0
