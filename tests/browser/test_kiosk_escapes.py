# SPDX-License-Identifier: EUPL-1.2
"""Ways out of the kiosk, each tried in the real browser with its own flags and managed policies: none leads out.

What a visitor did is looked for on the disk afterwards. Keys are counted by `make bench NAME=kiosk`: keyboards are
refused before they come so far.
"""

import time
from contextlib import suppress
from pathlib import Path

import pytest

from lab import kiosk_browser

playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.browser,
    pytest.mark.skipif(bool(kiosk_browser.missing()), reason=f"not installed: {', '.join(kiosk_browser.missing())}"),
]
SOON = 30.0
ADDRESSES = (
    "http://elsewhere.example/", "https://127.0.0.1:1/", "http://127.0.0.1:9/", "http://localhost:{port}/", "file:///etc/passwd",
    "file:///", "view-source:http://127.0.0.1:{port}/", "chrome://settings", "chrome://version", "chrome://newtab",
    "chrome://downloads", "chrome://inspect", "about:about", "data:text/html,out", "ftp://elsewhere.example/",
    "mailto:a@elsewhere.example", "tel:0500000000", "intent://x#Intent;end", "javascript:document.title='out'",
)  # fmt: skip
OPENINGS = {
    "window.open": "(a) => { window.open(a) }",
    "link": "(a) => { const l = document.createElement('a'); l.href = a; document.body.append(l); l.click() }",
    "new tab": "(a) => { const l = document.createElement('a'); l.href = a; l.target = '_blank';"
    " document.body.append(l); l.click() }",
}
DIALOGS = {
    "print": "() => { window.print() }",
    "file chooser": "() => { const i = document.createElement('input'); i.type = 'file';"
    " document.body.append(i); i.click() }",
    "download": "() => { const l = document.createElement('a'); l.href = '/health'; l.download = 'out.json';"
    " document.body.append(l); l.click() }",
    "full screen left": "() => document.exitFullscreen && document.exitFullscreen().catch(() => {})",
    "clipboard": "() => navigator.clipboard.readText().catch(() => {})",
    "camera": "() => navigator.mediaDevices && navigator.mediaDevices.getUserMedia({video: true}).catch(() => {})",
    "folder": "() => window.showDirectoryPicker && window.showDirectoryPicker().catch(() => {})",
    "notification": "() => window.Notification && Notification.requestPermission().catch(() => {})",
}
SECRET = "Zébulon Introuvable"


def until(condition, seconds=SOON):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False


def go(page, address):
    """Open a page; a refusal of the one before may still be on its way."""
    for _ in range(20):
        with suppress(playwright_api.Error):
            page.goto(address)
            return
        page.wait_for_timeout(200)
    page.goto(address)


def text_of(page):
    """Return what a page says; it may be replaced while it is asked."""
    for _ in range(20):
        with suppress(playwright_api.Error):
            return page.evaluate("document.body ? document.body.innerText : ''")
        page.wait_for_timeout(100)
    return f"unknown: {page.url}"


def is_out(pages, base):
    """Return what is shown and isn't ours: a page that was refused shows the browser's own words, and no content."""
    shown = []
    for page in pages:
        text = "" if page.url.startswith(f"{base}/") else text_of(page)
        refused = not text or "ERR_BLOCKED_BY_ADMINISTRATOR" in text or "is blocked" in text
        if not page.url.startswith(f"{base}/") and not refused:
            shown.append((page.url, text[:80]))
    return shown


def test_no_address_dialog_or_gesture_leads_out(base, tmp_path):
    """Links to elsewhere, the browser's own pages, files; dialogs, downloads; pinch, swipes, drags, long presses."""
    port = base.rsplit(":", 1)[1]
    out = []
    with (
        kiosk_browser.shown(tmp_path / "browser", f"{base}/", looked_into=True) as browser,
        playwright_api.sync_playwright() as playwright,
    ):
        looking = playwright.chromium.connect_over_cdp(browser.debugging)
        assert until(lambda: any(context.pages for context in looking.contexts))
        context = next(each for each in looking.contexts if each.pages)
        page = next(each for each in context.pages if each.url.startswith(base))
        its_own = set(context.pages) - {page}  # parts of the browser's window, closed by policy
        go(page, f"{base}/fr/help")
        for how, opening in OPENINGS.items():
            for address in ADDRESSES if how == "link" else ADDRESSES[::3]:
                if not page.url.startswith(f"{base}/"):
                    go(page, f"{base}/fr/help")
                with suppress(playwright_api.Error):  # it was on its way somewhere
                    page.evaluate(opening, address.format(port=port))
                page.wait_for_timeout(150)
                out += [(how, address, found) for found in is_out(set(context.pages) - its_own, base)]
                for other in set(context.pages) - its_own - {page}:
                    other.close()
        go(page, f"{base}/fr/help")
        for other in set(context.pages) - its_own - {page}:
            other.close()
        assert until(lambda: browser.windows() == 1)
        for name, opening in DIALOGS.items():
            with suppress(playwright_api.Error):
                page.evaluate(opening)
            page.wait_for_timeout(300)
            if browser.windows() != 1 or set(context.pages) - its_own != {page}:
                out.append((name, browser.windows(), [each.url for each in context.pages]))
        go(page, f"{base}/fr/help")
        out += gestures(context, page, browser)
        assert out == []
        assert not list((tmp_path / "browser").glob("**/out.json*"))


def gestures(context, page, browser):
    """Return the gestures after which the page is another, or another size."""
    link, out = context.new_cdp_session(page), []
    drags = {
        "swipe back": ((2, 900), (900, 900)), "swipe forward": ((1075, 900), (100, 900)),
        "top drag": ((540, 2), (540, 1500)), "bottom drag": ((540, 1915), (540, 200)),
    }  # fmt: skip
    for name, ((x, y), (to_x, to_y)) in drags.items():
        before = page.url
        link.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        for step in range(1, 9):
            point = {"x": x + (to_x - x) * step / 8, "y": y + (to_y - y) * step / 8}
            link.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
        link.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        page.wait_for_timeout(300)
        if page.url != before or browser.windows() != 1:
            out.append(name)
    link.send("Input.synthesizePinchGesture", {"x": 540, "y": 900, "scaleFactor": 3, "gestureSourceType": "touch"})
    if page.evaluate("visualViewport.scale") != 1:
        out.append("pinch")
    if opens_a_menu(link, page) or browser.windows() != 1:
        out.append("long press")
    return out


def opens_a_menu(link, page):
    """Tell whether a long press does; where a slow browser took it for a tap on a link, it is tried again."""
    home = page.url
    for _ in range(10):
        go(page, home)
        page.evaluate("document.addEventListener('contextmenu', (e) => { window.menu = !e.defaultPrevented })")
        link.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": 300, "y": 400}]})
        page.wait_for_timeout(1500)
        link.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        page.wait_for_timeout(300)
        with suppress(playwright_api.Error):
            if page.url == home:
                return page.evaluate("window.menu === true")
    raise AssertionError(f"each long press led from {home} to {page.url}")


def test_nothing_of_a_visitor_is_left(base, settings, tmp_path):
    """Typed into search and a form that was not sent, then left: it is neither in the profile nor in the state."""
    with (
        kiosk_browser.shown(tmp_path / "browser", f"{base}/", looked_into=True) as browser,
        playwright_api.sync_playwright() as playwright,
    ):
        looking = playwright.chromium.connect_over_cdp(browser.debugging)
        assert until(lambda: any(context.pages for context in looking.contexts))
        context = next(each for each in looking.contexts if each.pages)
        page = next(each for each in context.pages if each.url.startswith(base))
        page.goto(f"{base}/fr/find")
        page.fill("#q", SECRET)
        page.wait_for_timeout(500)
        page.goto(f"{base}/fr/find?q={SECRET}")
        page.goto(f"{base}/fr/service/message")
        page.locator("textarea").first.fill(SECRET)
        page.goto(f"{base}/leave")
        page.wait_for_url(f"{base}/")
        page.go_back()
        page.wait_for_timeout(500)
        shown = page.content()
        page.goto(f"{base}/")
        page.wait_for_timeout(1000)
        assert SECRET not in shown
        left = [path for folder in (browser.profile, settings.device.state_dir) for path in found_in(folder)]
    assert left == []


def found_in(folder):
    """Return the files under a folder that hold the visitor's words in any spelling that a browser writes."""
    spellings = [
        SECRET.encode(), SECRET.encode("utf-16-le"), SECRET.encode("latin-1"), b"Z%C3%A9bulon", b"Introuvable",
        "Introuvable".encode("utf-16-le"),
    ]  # fmt: skip
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            raw = path.read_bytes()
            found += [str(path) for spelling in spellings if spelling in raw]
    return found


def test_the_search_for_words_can_fail(tmp_path):
    """A file with the words in it is found, in each spelling."""
    for number, raw in enumerate((SECRET.encode(), b"q=Z%C3%A9bulon+", SECRET.encode("utf-16-le"))):
        (tmp_path / str(number)).write_bytes(b"\x00" * 9 + raw)
    assert {Path(path).name for path in found_in(tmp_path)} == {"0", "1", "2"}
