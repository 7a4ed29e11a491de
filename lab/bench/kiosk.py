# SPDX-License-Identifier: EUPL-1.2
"""The kiosk's screen: from a touch to the painted answer with 10,000 companies, start, memory, tickets, ways out."""

import logging
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import structlog
from playwright.sync_api import Page, sync_playwright

from edge_core import settings
from edge_core.store import database, print_jobs
from kiosk.devices import paper
from kiosk.devices.printing import Printing
from lab import kiosk_browser
from lab.bench import kiosk_visits, portal_stage
from lab.bench.figures import Figure, percentile
from lab.ports import free_port
from lab.printer import Printer
from sync.downlink import content_db

_SOURCE = "kiosk.toml"
_CPU = 4
_NAMES = 6
_ROUNDS, _LINKS = 6, ("nav.bar a", "main a[href$='/find']", "#all a", "nav.bar a")
_TICKETS = 40
_START_SECONDS = 60.0
_KEYS = (
    "ctrl+n", "ctrl+t", "ctrl+shift+n", "ctrl+shift+t", "ctrl+l", "alt+d", "F6", "ctrl+o", "ctrl+p", "ctrl+shift+p",
    "ctrl+s", "ctrl+u", "ctrl+j", "ctrl+h", "ctrl+d", "ctrl+f", "ctrl+g", "F3", "F1", "F5", "F10", "F11", "F12",
    "ctrl+shift+i", "ctrl+shift+j", "ctrl+shift+c", "ctrl+shift+Delete", "ctrl+shift+o", "ctrl+shift+b", "ctrl+shift+m",
    "ctrl+k", "ctrl+e", "alt+Home", "alt+Left", "alt+Right", "alt+f", "alt+e", "alt+space", "Escape",
    "ctrl+Tab", "ctrl+1", "ctrl+9", "ctrl+plus", "ctrl+minus", "ctrl+0", "Menu", "shift+F10", "super+l", "ctrl+alt+t",
    "ctrl+w", "ctrl+shift+w", "ctrl+F4", "ctrl+shift+q", "alt+F4",
)  # fmt: skip
# From the touch to the frame that shows what changed in an element, or the next page, as the page's own clock has it.
_WATCH = """(id) => {
  window.touched = 0;
  window.painted = [];
  document.addEventListener('pointerdown', (event) => { window.touched = event.timeStamp }, { capture: true });
  const changed = () => requestAnimationFrame(() => requestAnimationFrame(() => {
    if (window.touched) window.painted.push(performance.now() - window.touched);
    window.touched = 0;
  }));
  if (!id) document.addEventListener('parvis:page', changed);
  else new MutationObserver(changed).observe(document.getElementById(id), { childList: true, subtree: true });
}"""
# What the same screen costs at least: one word that changes under the finger.
_BARE_KEY = """() => {
  const key = document.createElement('button');
  key.id = 'bare';
  key.textContent = 'bare';
  key.addEventListener('pointerdown', () => { key.textContent += '.' });
  document.getElementById('main').prepend(key);
}"""
_NAVIGATED = """() => performance.timeOrigin
  + (performance.getEntriesByName('first-contentful-paint')[0] || { startTime: NaN }).startTime"""


def figures() -> list[Figure]:
    """Measure all; what needs programs that are missing is left out and said."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))  # not a line a ticket
    with tempfile.TemporaryDirectory(prefix="parvis-kiosk-") as name, _served(Path(name)) as (base, process, began):
        found = _screen(Path(name), base, process, began)
        loaded = settings.load(Path(name) / _SOURCE, {})
        found += kiosk_visits.figures(base, loaded, "c-0", lambda: _pss(process))
    with tempfile.TemporaryDirectory(prefix="parvis-tickets-") as name:
        found.append(_tickets(Path(name)))
    return found


@contextmanager
def _served(folder: Path) -> Iterator[tuple[str, psutil.Process, float]]:
    """Serve the kiosk by gunicorn, as on a device, over 10,000 companies; give its address, process and start."""
    port = free_port()
    source = folder / _SOURCE
    source.write_text(
        f'[site]\nid = "exemple"\nname = "Parc Exemple"\n[device]\nid = "kiosk-1"\nstate_dir = "{folder / "state"}"\n',
        encoding="utf-8",
    )
    loaded = settings.load(source, {})
    database.migrate(loaded)
    content_db.load(loaded.content_db, {"companies": portal_stage.companies()}, 1, time.time())
    words = [sys.executable, "-m", "gunicorn", "--config", "python:edge_core.web.server", "--bind", f"127.0.0.1:{port}"]
    began = time.time()
    server = subprocess.Popen(
        [*words, "kiosk.wsgi:app"], env={**os.environ, "PARVIS_CONFIG": str(source)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        _wait(f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}", psutil.Process(server.pid), began
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def _wait(address: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.02)
    raise TimeoutError(address)


def _screen(folder: Path, base: str, process: psutil.Process, began: float) -> list[Figure]:
    if missing := kiosk_browser.missing():
        print(f"bench: not installed: {', '.join(missing)}; nothing of the screen is measured")
        return []
    found = []
    with (
        kiosk_browser.shown(folder / "touched", f"{base}/", looked_into=True) as browser,
        sync_playwright() as playwright,
    ):
        page = _page(playwright.chromium.connect_over_cdp(browser.debugging), base)
        first = page.evaluate(_NAVIGATED) / 1000 - began
        found.append(Figure("cold start: pages' process to first paint of a cold browser", round(first, 2), "s"))
        page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": _CPU})
        found += [_navigation(page, base), _search(page, base)]
        found.append(Figure("memory of the pages' processes (PSS)", _pss(process), "MB"))
        found.append(Figure("memory of the browser (PSS)", _pss(browser.process()), "MB"))
    with kiosk_browser.shown(folder / "typed", f"{base}/fr/help") as browser:
        found.append(_keys(browser, folder / "state" / "run" / "kiosk.heartbeat"))
    return found


def _page(browser: Any, base: str) -> Page:
    """Return the page in the browser's window: it has others that nobody sees."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        pages: list[Page] = [page for context in browser.contexts for page in context.pages]
        for page in pages:
            if page.url.startswith(base):
                page.wait_for_load_state("load")
                page.wait_for_timeout(500)
                return page
        time.sleep(0.05)
    raise TimeoutError("the browser shows no page")


def _navigation(page: Page, base: str) -> Figure:
    """Touch links of the bar and of lists; from the touch to the painted next page."""
    took, bare = [], []
    for _ in range(_ROUNDS):
        page.goto(f"{base}/fr/")
        page.evaluate(_WATCH, "")
        for place in _LINKS:
            page.locator(place).first.click()
            page.wait_for_timeout(800)
        took += page.evaluate("window.painted")
        bare += _bare(page, base)
    if len(took) != _ROUNDS * len(_LINKS):
        raise AssertionError(f"of {_ROUNDS * len(_LINKS)} touches {len(took)} led to a page")
    return _p95("touch to painted page", took, bare)


def _bare(page: Page, base: str) -> list[float]:
    page.goto(f"{base}/fr/services")
    page.evaluate(_BARE_KEY)
    page.evaluate(_WATCH, "bare")
    for _ in range(4):
        page.locator("#bare").click()
        page.wait_for_timeout(400)
    return list(page.evaluate("window.painted"))


def _search(page: Page, base: str) -> Figure:
    """Type the beginnings of names; answers that stay the same are not painted anew, and not counted."""
    took, bare = [], []
    for company in portal_stage.companies()[:_NAMES]:
        page.goto(f"{base}/fr/find")
        page.locator("#q").click()
        page.evaluate(_WATCH, "answers")
        for letter in company["name"].split()[0].lower():
            page.locator(f"#keyboard button[data-key='{letter}']").click()
            page.wait_for_timeout(400)
        took += page.evaluate("window.painted")
        bare += _bare(page, base)
    return _p95("key to painted answers among 10,000", took, bare)


def _p95(name: str, took: list[float], bare: list[float]) -> Figure:
    spread = (round(statistics.median(took)), round(max(took)))
    title = f"{name}, processor {_CPU} times slower: 95 % of {len(took)} (limit: one word)"
    return Figure(title, round(percentile(took, 0.95)), "ms", spread, limit=round(percentile(bare, 0.95)), goal=100)


def _pss(process: psutil.Process) -> float:
    total = 0
    for each in [process, *process.children(recursive=True)]:
        with suppress(psutil.Error):
            total += each.memory_full_info().pss
    return round(total / 1e6, 1)


def _keys(browser: kiosk_browser.Browser, beat: Path) -> Figure:
    """Press every shortcut; a second window, or a dead browser, is a way out."""
    deadline = time.monotonic() + _START_SECONDS
    while not beat.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(2)
    browser.click(1060, 1200)
    out = []
    for key in _KEYS:
        before = browser.windows()
        browser.key(key)
        time.sleep(0.3)
        if not browser.alive() or browser.windows() > before:
            out.append(key)
            print(f"bench: {key} leads out")
        if not browser.alive():
            break
    return Figure(f"ways out by {len(_KEYS)} keys, were a keyboard not refused", len(out), "", goal=0)


def _tickets(folder: Path) -> Figure:
    """Print tickets on a printer that is pulled out at another byte each time; count codes that came out twice."""
    source = folder / "kiosk.toml"
    source.write_text(f'[site]\nid = "x"\nname = "X"\n[device]\nid = "k"\nstate_dir = "{folder}"\n', encoding="utf-8")
    loaded = settings.load(source, {})
    database.migrate(loaded)
    sheets = paper.Sheets(b"\x1b@" + b"line\n" * 40, b"\x1d(k\x06\x001P0out\x1d(k\x03\x001Q0\x1dV\x00")
    twice = 0
    for number in range(_TICKETS):
        printer, desk = Printer(), Printing(loaded.edge_db, lambda _: sheets, lambda _: None)
        printer.pull_after = 1 + number * 6
        desk.came(printer.plug())
        with closing(database.open_edge(loaded.edge_db)) as connection:
            with database.write(connection):
                print_jobs.add(connection, str(number), _TICKET, time.time())
            for _ in range(12):
                desk.turn()
                if printer.gone:
                    desk.went(printer.node)
                    desk.came(printer.plug())
                job = print_jobs.get(connection, str(number))
                if job is not None and job.state in (print_jobs.PRINTED, print_jobs.SHOWN):
                    break
            else:
                print(f"bench: ticket {number} was neither printed nor given up")
        twice += printer.paper.codes().count("out") > 1
        desk.close()
        printer.pull()
    return Figure(f"tickets out twice, of {_TICKETS} pulled at another byte each", twice, "", goal=0)


_TICKET = {
    "id": "1", "language": "fr", "park": "X", "company": "X", "day": "1", "code": "AAAA-AAAA", "check_out": "out",
}  # fmt: skip
