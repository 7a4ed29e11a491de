# SPDX-License-Identifier: EUPL-1.2
"""The kiosk's page in a real Chromium with devices, and without its server: scans, orders, never a white page."""

from contextlib import contextmanager, suppress
from importlib import import_module

import pytest
from flask import request

from edge_core.web import server
from kiosk import scans
from kiosk.app import _TOPICS, create_app
from kiosk.devices.board import Board
from kiosk.devices.door import Door

from .kiosk_page import serving

# Topics say at their import that they read scans: all are there before a test puts its own readers in their place.
for topic in _TOPICS:
    import_module(f"kiosk.{topic}")

playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.browser
SOON = 30_000  # milliseconds


@pytest.fixture
def page(chromium):
    context = chromium.new_context(viewport={"width": 1080, "height": 1920}, has_touch=True)
    made = context.new_page()
    made.set_default_timeout(SOON)
    yield made
    context.close()


@contextmanager
def devices(settings):
    """A device service without devices: its board, behind its real door."""
    board = Board()
    door = Door(settings.devices_socket, board)
    door.start()
    try:
        yield board
    finally:
        door.shutdown()
        door.server_close()


def until(page, condition):
    """Wait for a JavaScript condition; the page's policy lets nobody evaluate one inside it."""
    for _ in range(SOON // 50):
        with suppress(playwright_api.Error):  # the page is just being loaded
            if page.evaluate(condition):
                return
        page.wait_for_timeout(50)
    pytest.fail(f"never: {condition}")


KEPT = """async () => {
  const found = [];
  for (const name of await caches.keys())
    for (const each of await (await caches.open(name)).keys()) found.push(new URL(each.url).pathname);
  return found;
}"""


def test_a_scan_wakes_the_page_and_leads_where_it_belongs(page, settings, monkeypatch):
    """From the first screen, a scan opens the page that its reader names; a stranger's code is answered in words."""
    monkeypatch.setattr(scans, "_readers", [lambda _, text: "/fr/help" if text == "PARVIS:ours" else None])
    with devices(settings) as board, serving(create_app(settings)) as base:
        page.goto(base)
        board.tell("printer", state="ready")
        page.wait_for_selector("html.device-printer-ready")
        board.scanned("scanner", "https://elsewhere.example/")
        page.wait_for_selector("#said:not([hidden])")
        assert "n’est pas l’un des nôtres" in page.inner_text("#said")
        assert page.url == f"{base}/"
        board.scanned("scanner", "PARVIS:ours")
        page.wait_for_url("**/fr/help")


def test_a_number_pad_is_enough_to_find_a_company_and_write(page, settings):
    """From the first screen: eight and two, five and nought lead to a field, write in it, and back, without a touch."""

    def press(board, wish):
        page.wait_for_function("() => document.documentElement.classList.contains('device-keypad-ready')")
        board.pressed(wish)

    def reach(board, condition):
        for _ in range(60):
            before = page.evaluate("document.activeElement.outerHTML + document.querySelectorAll(':focus').length")
            if page.evaluate(condition):
                return
            press(board, "down")
            seen = "before => document.activeElement.outerHTML + document.querySelectorAll(':focus').length !== before"
            page.wait_for_function(seen, arg=before)
        raise AssertionError(condition)

    with devices(settings) as board, serving(create_app(settings)) as base:
        board.tell("keypad", state="ready")
        page.goto(base)
        press(board, "choose")
        page.wait_for_url("**/start")
        page.goto(f"{base}/fr/find")
        reach(board, "document.activeElement.id === 'q'")
        press(board, "choose")
        page.wait_for_function("() => document.activeElement.closest('#keyboard') !== null")
        press(board, "right")
        press(board, "choose")
        page.wait_for_function("() => document.getElementById('q').value === 'z'")
        press(board, "back")
        page.wait_for_function("() => document.getElementById('keyboard').hidden")
        press(board, "back")
        page.wait_for_url("**/fr/")


def test_headphones_on_the_first_screen_begin_a_visit_that_speaks(page, settings):
    """Plugged in while nobody is here: one page that speaks, and it stays."""
    with devices(settings) as board, serving(create_app(settings)) as base:
        page.goto(base)
        if not page.get_attribute("body", "data-hear"):
            pytest.skip("nothing that speaks is installed (espeak-ng)")
        board.tell("headphones", state="ready")
        page.wait_for_selector("html.speech.device-headphones-ready")
        assert page.url.endswith("/start")
        page.evaluate("window.before = true")
        page.wait_for_timeout(1500)
        assert page.evaluate("window.before === true")


def waiting_in(app):
    """Return the list, kept up to date, of the numbers after which pages wait for the devices now, a thread each."""
    answer = app.view_functions["scans.watch"]
    waits = []

    def watch(**given):
        waits.append(request.args["after"])
        try:
            return answer(**given)
        finally:
            waits.remove(request.args["after"])

    app.view_functions["scans.watch"] = watch
    return waits


def test_many_pages_one_after_the_other_keep_no_thread(page, settings):
    """Each page waits for the devices, 20 s; of 24 in a row only the newest hold a thread of the kiosk."""
    app = create_app(settings)
    waits = waiting_in(app)
    with devices(settings), serving(app) as base:
        for turn in range(24):
            page.goto(f"{base}/fr/{('', 'help', 'services')[turn % 3]}")
        for _ in range(100):
            if 0 < len(waits) <= server.threads / 2:
                return
            page.wait_for_timeout(100)
        pytest.fail(f"{len(waits)} of the kiosk's {server.threads} threads wait")


def test_dark_outside_its_hours_and_loaded_again_when_told(page, settings):
    """The device service has the page dark, a touch lights it; its order loads the page again."""
    with devices(settings) as board, serving(create_app(settings)) as base:
        board.tell("screen", state="lit", reload="1")
        page.goto(base)
        page.wait_for_selector("html.device-screen-lit")
        page.evaluate("window.before = true")
        board.tell("screen", state="lit", reload="2")
        until(page, "window.before === undefined")
        board.tell("screen", state="dark", reload="2")
        page.wait_for_selector("html.device-screen-dark")
        until(page, "getComputedStyle(document.body).opacity === '0'")
        page.touchscreen.tap(500, 500)
        page.wait_for_selector("html.awake")
        assert page.url == f"{base}/"  # the first touch lights, and does nothing else


def test_never_a_white_page(page, settings):
    """The server is gone: a loading of the first screen shows the kept one, any other a word; and it comes back."""
    app = create_app(settings)
    with serving(app) as base:
        port = int(base.rsplit(":", 1)[1])
        page.goto(base)
        until(page, "navigator.serviceWorker.controller !== null")
        shown = page.inner_text("main h1, main .big-clock >> nth=0")
        page.goto(f"{base}/fr/services")
        typed = page.url
    page.goto(f"{base}/fr/find?q=secret")
    assert "revient dans un instant" in page.inner_text("main")
    assert "is back in a moment" in page.inner_text("main")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgba(0, 0, 0, 0)"  # its style is here
    page.goto(base)
    assert page.inner_text("main h1, main .big-clock >> nth=0")
    assert shown
    kept = page.evaluate(KEPT)
    assert typed.removeprefix(base) not in kept
    assert {path for path in kept if not path.startswith("/-/")} == {"/", "/away"}
    page.goto(f"{base}/fr/help")
    with serving(app, port):
        page.wait_for_url(f"{base}/")
        page.wait_for_selector("body[data-heartbeat]")
