# SPDX-License-Identifier: EUPL-1.2
"""The phone's browser: the machine's Chromium under Playwright, or the robot where there is none."""

import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lab.phone.robot import Page, Robot

_CHROMIUM = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
# A phone that does what it is told and nothing else: no updates, no telemetry, no upgrade of http to https.
_QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--disable-features=HttpsUpgrades",
    "--disable-auto-reload",
]  # fmt: skip
_PHONE = {"width": 390, "height": 844}
_CHANGES = 5
_MILLISECONDS = 60_000  # a computer with other work is slow, not wrong


@dataclass(frozen=True)
class Seen:
    """What the person sees: address, title and words of the page, and the status that it came with."""

    url: str
    title: str
    text: str
    status: int


class Browser(Protocol):
    """What a person does on the phone."""

    name: str

    def open(self, url: str) -> Seen:
        """Go to an address."""

    def accept(self) -> Seen:
        """Tick the boxes of the form and press its button; the page that follows."""

    def fill(self, to: str = "", **fields: str) -> Seen:
        """Fill in the page's form, the first whose address begins with `to`, and send it; the page that follows."""

    def picture(self, path: Path) -> bool:
        """Keep what is on the screen; False where there is none."""

    def close(self) -> None:
        """End the browser."""


def find_chromium() -> str | None:
    """Path of the machine's Chromium."""
    return next((path for name in _CHROMIUM if (path := shutil.which(name))), None)


def start(robot: Robot, language: str = "fr-FR") -> Browser:
    """Start Chromium where it and Playwright are installed; the robot otherwise."""
    program = find_chromium()
    if program is None:
        return RobotBrowser(robot, "Chromium is not installed")
    try:
        from playwright.sync_api import Error  # noqa: PLC0415 - optional: the demo works without a browser
    except ImportError:
        return RobotBrowser(robot, "Playwright is not installed")
    try:
        return Chromium(program, language)
    except Error as error:
        sys.stderr.write(f"{error}\n")
        return RobotBrowser(robot, f"{program} does not start, see the phone's log")


class Chromium:
    """A headless Chromium with a phone's screen."""

    name = "Chromium"

    def __init__(self, program: str, language: str) -> None:
        """Start it; a new profile each time."""
        from playwright.sync_api import Error, sync_playwright  # noqa: PLC0415 - optional: the demo works without it

        self._error = Error
        self._playwright = sync_playwright().start()
        try:
            self._browser = self._playwright.chromium.launch(executable_path=program, args=_QUIET)
        except BaseException:
            self._playwright.stop()
            raise
        context: Any = self._browser.new_context(
            viewport=_PHONE, device_scale_factor=2, is_mobile=True, has_touch=True, locale=language,  # type: ignore[arg-type]
            ignore_https_errors=True,
            # What the kiosk's worker keeps for bad moments has its own tests; driven from outside, a worker that is
            # replaced in the middle of a visit (the story changes content) may hold up a page for good.
            service_workers="block",
        )  # fmt: skip
        self._page = context.new_page()
        self._page.set_default_timeout(_MILLISECONDS)

    def _seen(self, status: int) -> Seen:
        return Seen(self._page.url, self._page.title(), self._page.inner_text("body"), status)

    def open(self, url: str) -> Seen:
        """Go to an address and wait for the document."""
        answer = self._go(url)
        return self._seen(answer.status if answer else 0)

    def _go(self, url: str) -> Any:
        """Go there again where an address that came or went meanwhile ended it, as a browser with a window does.

        The page that says so, or what it was to be, may itself come so late that it ends the next attempt.
        """
        for _ in range(_CHANGES):
            try:
                return self._page.goto(url, wait_until="load")
            except self._error as error:
                if not any(word in str(error) for word in ("ERR_NETWORK_CHANGED", "interrupted by another navigation")):
                    raise
        return self._page.goto(url, wait_until="load")

    def accept(self) -> Seen:
        """Tick what must be ticked, press the button, wait for the navigation."""
        return self.fill()

    def fill(self, to: str = "", **fields: str) -> Seen:
        """Fill in the form that posts, tick its required boxes, send it; a field may be the button to press."""
        form = self._page.locator(f"form[method=post i][action^='{to}']" if to else "form[method=post i]").first
        press = form.locator("button:not([type=button]), input[type=submit]").first
        for name, value in fields.items():
            field = form.locator(f"[name='{name}']").first
            kind = field.evaluate("e => e.tagName")
            if kind == "SELECT":
                field.select_option(value)
            elif kind == "BUTTON":
                press = form.locator(f"button[name='{name}'][value='{value}']")
            else:
                field.fill(value)
        for box in form.locator("input[type=checkbox][required]").all():
            box.check()
        with self._page.expect_navigation(wait_until="load") as navigation:
            press.click()
        answer = navigation.value
        return self._seen(answer.status if answer else 0)

    def picture(self, path: Path) -> bool:
        """Keep a picture of the whole page."""
        self._page.screenshot(path=path, full_page=True)
        return True

    def close(self) -> None:
        """End Chromium and Playwright's driver."""
        self._browser.close()
        self._playwright.stop()


class RobotBrowser:
    """Reads pages and sends forms without a screen."""

    def __init__(self, robot: Robot, why: str) -> None:
        """Speak through this robot; why there is no real browser."""
        self.name = f"HTTP robot ({why})"
        self._robot = robot
        self._page: Page | None = None

    def _arrive(self, page: Page) -> Seen:
        for _ in range(6):
            if not page.location:
                break
            page = self._robot.fetch(page.location)
        self._page = page
        title = page.text.partition("<title>")[2].partition("</title>")[0]
        return Seen(page.url, title.strip(), page.text, page.status)

    def open(self, url: str) -> Seen:
        """Fetch, and follow redirects."""
        return self._arrive(self._robot.fetch(url))

    def accept(self) -> Seen:
        """Send the form with every box ticked."""
        return self.fill()

    def fill(self, to: str = "", **fields: str) -> Seen:
        """Send the form with these fields."""
        if self._page is None:
            raise ValueError("no page is open")
        return self._arrive(self._robot.submit(self._page, to, **fields))

    def picture(self, path: Path) -> bool:
        """There is no screen."""
        path.unlink(missing_ok=True)
        return False

    def close(self) -> None:
        """Nothing to end."""


def until(browser: Browser, url: str, text: str, seconds: float) -> tuple[Seen, float]:
    """Open the page again and again until it says `text`; what was seen and the seconds that it took."""
    began = time.monotonic()
    while True:
        seen = browser.open(url)
        took = time.monotonic() - began
        if text in seen.text or took > seconds:
            return seen, took
        time.sleep(0.2)
