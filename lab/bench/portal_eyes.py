# SPDX-License-Identifier: EUPL-1.2
"""One guest on a slow phone: what the welcome page costs, when it is seen; and what axe and Lighthouse say."""

import json
import os
import shutil
import statistics
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from lab.bench.figures import Figure
from lab.bench.portal_stage import Stage

CHROMIUM = "/usr/bin/chromium"
_LIGHTHOUSE = Path(__file__).parents[2] / "build/lighthouse/node_modules/.bin"
_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
_BYTES_A_SECOND = 1.5e6 / 8
_LATENCY = 40  # ms there and back, of a WiFi with many phones on it
_CPU = 4
_ROUNDS = 7
_LANGUAGES = ("fr", "en", "es", "oc")
_READ = (
    "", "news", "news/velos", "events", "companies", "companies?q=ardoise", "companies/exemple-ardoise", "plan",
    "plan/rez-de-chaussee?place=bureau-010", "plan/etage-1?place=bureau-110", "transport", "services",
    "services/salle-galet", "services/message", "survey/accueil", "pages/terms", "pages/privacy", "pages/about",
    "pages/contacts", "voucher", "voucher?code=AAAAABBBBB", "sign-in", "mail", "mail/x", "status", "problem", "my-data",
    "nothing-here",
)  # fmt: skip
_SENT_EMPTY = ("services/salle-galet", "voucher", "problem")
_ONLINE = ("", "connected", "status", "problem", "my-data", "services/message")
_CATEGORIES = ("performance", "accessibility", "best-practices")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the system's Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def slow_phone(stage: Stage, browser: Browser) -> list[Figure]:
    """Open the welcome page with an empty cache: processor four times slower, 1.5 Mb/s."""
    sizes, counts, paints = [], [], []
    for _ in range(_ROUNDS):
        page, seen = _throttled(browser)
        page.goto(stage.front + "/fr/", wait_until="networkidle")
        # A frame counts as painted a moment after it was.
        paint = page.wait_for_function(
            "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
        ).json_value()
        sizes.append(sum(size for _, size in seen))
        counts.append(len(seen))
        paints.append(float(paint))
        page.context.close()
    spread = (round(min(paints)), round(max(paints)))
    return [
        Figure("welcome page: bytes over the wire", round(max(sizes) / 1000, 1), "kB", goal=30),
        Figure("welcome page: requests", max(counts), "", goal=3),
        Figure("welcome page: first paint on a slow phone", round(statistics.median(paints)), "ms", spread, goal=1000),
    ]


def _throttled(browser: Browser) -> tuple[Page, list[tuple[str, float]]]:
    """Return a page on a slow phone, and the list that fills with (request, bytes as they travelled)."""
    context = browser.new_context(viewport={"width": 390, "height": 760}, is_mobile=True, has_touch=True)
    page = context.new_page()
    link: Any = context.new_cdp_session(page)
    seen: list[tuple[str, float]] = []
    link.on("Network.loadingFinished", lambda told: seen.append((told["requestId"], told["encodedDataLength"])))
    link.send("Network.enable")
    link.send("Network.setCacheDisabled", {"cacheDisabled": True})
    rates = {"downloadThroughput": _BYTES_A_SECOND, "uploadThroughput": _BYTES_A_SECOND}
    link.send("Network.emulateNetworkConditions", {"offline": False, "latency": _LATENCY, **rates})
    link.send("Emulation.setCPUThrottlingRate", {"rate": _CPU})
    return page, seen


def axe(stage: Stage, browser: Browser) -> list[Figure]:
    """Count what axe-core finds on every page, in every language, light and dark, at 200 % zoom of a small screen."""
    found = seen = 0
    for scheme in ("light", "dark"):
        size = {"width": 320, "height": 400}  # a screen of 640 by 800 whose letters are twice as large
        context = browser.new_context(viewport=size, color_scheme=scheme, device_scale_factor=2)  # type: ignore[arg-type]
        for name in _opened(stage, context.new_page()):
            told = Axe().run(context.pages[0]).response["violations"]
            found += sum(len(rule["nodes"]) for rule in told)
            seen += 1
            for rule in told:
                print(f"bench: {scheme} {name}: {rule['id']} {[node['target'] for node in rule['nodes']]}")
        context.close()
    return [Figure(f"axe-core violations on {seen} pages (4 languages, light and dark, 200 %)", found, "", goal=0)]


def _opened(stage: Stage, page: Page) -> Iterator[str]:
    """Open one page after the other, in every language: offline, with a form sent empty, and online."""
    for code in _LANGUAGES:
        home = f"{stage.front}/{code}/"
        for path in _READ:
            page.goto(home + path)
            yield f"{code}/{path}"
        for path in _SENT_EMPTY:
            page.goto(home + path)
            page.locator("main form button[type=submit]").first.click()
            page.locator("[role=alert]").first.wait_for()
            yield f"{code}/{path}, sent empty"
        page.goto(home)
        page.locator("form.act button").click()
        page.locator(".outcome").wait_for()
        for path in _ONLINE:
            page.goto(home + path)
            yield f"{code}/{path}, online"
        page.goto(home + "status")
        page.locator("form[action$=logout] button").click()


def lighthouse(stage: Stage) -> list[Figure]:
    """Have Lighthouse judge three pages, where it is installed; the worst of each category counts."""
    program = shutil.which("lighthouse", path=_LIGHTHOUSE) or shutil.which("lighthouse")
    if program is None:
        print("bench: Lighthouse is not installed: `make bench NAME=portal` fetches it where npm is installed")
        return []
    scores: dict[str, list[float]] = {name: [] for name in _CATEGORIES}
    for path in ("/fr/", "/en/companies", "/fr/services/salle-galet"):
        report = stage.folder / "lighthouse.json"
        words = [
            program, stage.front + path, "--quiet", "--output=json", f"--output-path={report}",
            f"--only-categories={','.join(_CATEGORIES)}",
            "--chrome-flags=--headless=new " + " ".join(_FLAGS),
        ]  # fmt: skip
        subprocess.run(words, check=True, timeout=180, env={**os.environ, "CHROME_PATH": CHROMIUM})
        judged = json.loads(Path(report).read_text(encoding="utf-8"))["categories"]
        for name in _CATEGORIES:
            scores[name].append(judged[name]["score"] * 100)
    return [Figure(f"Lighthouse: {name}", round(min(scores[name])), "", goal=100, more=True) for name in _CATEGORIES]
