# SPDX-License-Identifier: EUPL-1.2
"""Drives the system's Firefox by Marionette, its own remote protocol: Playwright drives only a Firefox of its own.

One message is `length:[0, id, command, parameters]`, the answer `length:[1, id, error, result]` (Firefox source docs,
Marionette).
"""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.ports import free_port

PROGRAM = "/usr/bin/firefox-esr"
_PREFERENCES = {
    "app.update.disabledForTesting": True,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "browser.zoom.siteSpecific": False,
    "captivedetect.canonicalURL": "",
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "remote.prefs.recommended": False,
    "toolkit.telemetry.enabled": False,
}
_WRONG = "one => one.id + ' ' + one.nodes.map(node => node.target).join(', '))));"
_START_SECONDS = 60.0


class FirefoxError(Exception):
    """Firefox refused a command, or didn't start."""


class Firefox:
    """One browser window. Commands are those of WebDriver (W3C), under Marionette's names."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._number = 0
        self._buffer = b""
        self._receive()  # the greeting
        self.ask("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {"pageLoadStrategy": "normal"}}})

    def ask(self, command: str, parameters: dict[str, Any] | None = None) -> Any:
        """Send one command and return its result. Raises FirefoxError."""
        self._number += 1
        message = json.dumps([0, self._number, command, parameters or {}]).encode()
        self._link.sendall(b"%d:%s" % (len(message), message))
        _, _, error, result = self._receive()
        if error:
            raise FirefoxError(f"{command}: {error.get('message')}")
        return result.get("value", result) if isinstance(result, dict) else result

    def open(self, address: str) -> None:
        """Load a page and wait for it."""
        self.ask("WebDriver:Navigate", {"url": address})

    def run(self, script: str, *arguments: object) -> Any:
        """Return what `script` returns in the page, apart from the page's own scripts and their policy."""
        return self.ask("WebDriver:ExecuteScript", {"script": script, "args": arguments, "newSandbox": False})

    def judged(self, rules: str) -> list[str]:
        """Return what axe-core, given as its source `rules`, finds wrong with the page."""
        script = (
            rules + "; const done = arguments[0]; axe.run(document).then(told => done(told.violations.map(" + _WRONG
        )
        return list(self.ask("WebDriver:ExecuteAsyncScript", {"script": script, "args": [], "newSandbox": True}))

    def zoom(self, factor: float) -> None:
        """Make the pixels of all pages `factor` times as large: a window is 500 wide at least."""
        self.ask("Marionette:SetContext", {"value": "chrome"})
        self.run("gBrowser.selectedBrowser.fullZoom = arguments[0]", factor)
        self.ask("Marionette:SetContext", {"value": "content"})

    def click(self, selector: str) -> None:
        """Click the first element that matches."""
        self.ask("WebDriver:ElementClick", {"id": self._element(selector)})

    def type(self, selector: str, text: str) -> None:
        """Type into the first element that matches."""
        self.ask("WebDriver:ElementSendKeys", {"id": self._element(selector), "text": text})

    def source(self) -> str:
        """Return the page as it stands."""
        return str(self.ask("WebDriver:GetPageSource"))

    def wait_for(self, text: str, seconds: float = 60.0) -> None:
        """Wait until the page says `text`. Raises FirefoxError."""
        deadline = time.monotonic() + seconds
        while text not in self.source():
            if time.monotonic() > deadline:
                raise FirefoxError(f"{self.address()} does not say {text!r}.")
            time.sleep(0.05)

    def address(self) -> str:
        """Return the address of the page."""
        return str(self.ask("WebDriver:GetCurrentURL"))

    def _element(self, selector: str) -> str:
        found = self.ask("WebDriver:FindElement", {"using": "css selector", "value": selector})
        return str(next(iter(found.values())))

    def _receive(self) -> Any:
        while b":" not in self._buffer:
            self._more()
        length, _, self._buffer = self._buffer.partition(b":")
        while len(self._buffer) < int(length):
            self._more()
        message, self._buffer = self._buffer[: int(length)], self._buffer[int(length) :]
        return json.loads(message)

    def _more(self) -> None:
        data = self._link.recv(1 << 16)
        if not data:
            raise FirefoxError("Firefox has gone.")
        self._buffer += data


@contextmanager
def firefox(
    folder: Path, *, program: str = PROGRAM, width: int = 1280, height: int = 900, scripts: bool = True
) -> Iterator[Firefox]:
    """Start Firefox with a fresh profile in `folder`; with `scripts` False pages can run none."""
    port = free_port()
    profile = folder / "profile"
    profile.mkdir(parents=True)
    wanted = {"marionette.port": port, "javascript.enabled": scripts}
    lines = (
        f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in (_PREFERENCES | wanted).items()
    )
    (profile / "user.js").write_text("".join(lines), encoding="utf-8")
    words = [
        program,
        "--headless",
        "--marionette",
        "--remote-allow-system-access",
        "--no-remote",
        "--profile",
        str(profile),
    ]
    size = {"MOZ_HEADLESS_WIDTH": str(width), "MOZ_HEADLESS_HEIGHT": str(height), "HOME": str(folder)}
    with (folder / "firefox.log").open("wb") as log:
        process = subprocess.Popen(words, env={**os.environ, **size}, stdout=log, stderr=log, start_new_session=True)
    try:
        with _connect(port, process) as link:
            yield Firefox(link)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _connect(port: int, process: "subprocess.Popen[bytes]") -> socket.socket:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=60)
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise FirefoxError("Firefox did not open its port.") from error
            time.sleep(0.1)
