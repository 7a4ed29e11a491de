# SPDX-License-Identifier: EUPL-1.2
"""One portal for all tests of a run, a kiosk for a test, a Chromium for a module's, and pages as devices open them."""

import shutil
import time

import pytest

from kiosk import app as kiosk

from .kiosk_page import SAMPLE, serving
from .serving import ROOT, Zone

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",  # as on a kiosk: speech starts by itself
]  # fmt: skip
_MILLISECONDS = 60_000


@pytest.fixture(scope="session")
def zone(tmp_path_factory):
    """The portal with every way in, see `serving`."""
    made = Zone(tmp_path_factory.mktemp("portal"))
    yield made
    made.close()


@pytest.fixture
def portal(zone):
    """The portal's address, for a device that is offline at first and leaves nothing to the next test."""
    zone.offline()
    yield zone.home
    zone.offline()


@pytest.fixture
def settings(tmp_path):
    """A kiosk's settings, its content laid."""
    return SAMPLE["lay"](tmp_path / "state", time.time())


@pytest.fixture
def base(settings):
    """The address of that kiosk's pages."""
    with serving(kiosk.create_app(settings)) as address:
        yield address


@pytest.fixture(scope="module")
def chromium():
    """The system's Chromium."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("needs Chromium (apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
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
        page.set_default_timeout(_MILLISECONDS)
        page.complaints, page.requested = [], []
        page.on("console", lambda message: page.complaints.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: page.requested.append(request.url))
        return page

    yield make
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def shots():
    """The folder in which screenshots are kept to be looked at."""
    folder = ROOT / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
