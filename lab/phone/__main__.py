# SPDX-License-Identifier: EUPL-1.2
"""The one real phone, as a process that does what the story asks on stdin: join, probe, read, accept.

`python -m lab.phone FOLDER [CA]`, inside the guests' namespace, or anywhere when it never has to join.
"""

import sys
import time
from dataclasses import asdict
from pathlib import Path

from lab import talk
from lab.phone import browser, lease, real_dhcp
from lab.phone.robot import Robot, UnresolvedError
from lab.phone.through import Through

_INTERFACE = "phone0"
_FIRST_METRIC = 10  # before every phone of the crowd: Chromium's own traffic goes by this one


class Phone:
    """State between commands: its lease and its browser."""

    def __init__(self, folder: Path, trust: str | None) -> None:
        """Begin outside the WiFi."""
        self._folder = folder
        self._trust = trust
        self._robot = Robot(None, trust)
        self._browser: browser.Browser | None = None

    def _screen(self) -> browser.Browser:
        if self._browser is None:
            self._browser = browser.start(self._robot)
        return self._browser

    def warm(self) -> talk.Answer:
        """Start the browser before it is needed, so that steps time pages and not the start of a program."""
        return {"browser": self._screen().name}

    def join(self) -> talk.Answer:
        """Associate and get a lease."""
        lease.join(_INTERFACE, ipv6=True)
        given = real_dhcp.obtain(_INTERFACE, self._folder / "dhcp")
        lease.take(given, _FIRST_METRIC)
        self._robot = Robot(given, self._trust)
        return {
            "client": real_dhcp.available(), "address": str(given.address), "seconds": given.seconds,
            "portal": given.portal, "dns": str(given.dns),
        }  # fmt: skip

    def fetch(self, url: str, patience: float = 20) -> talk.Answer:
        """Ask for one address and follow nothing."""
        page = self._robot.fetch(url, patience=patience)
        return {"status": page.status, "location": page.location, "text": page.text[:4000], "headers": page.headers}

    def connect(self, host: str, port: int) -> talk.Answer:
        """Try a TCP connection; how it ended and after how many milliseconds."""
        began = time.monotonic()
        result = "open"
        try:
            self._robot.connect(host, port, 5).close()
        except ConnectionRefusedError:
            result = "refused"
        except (OSError, UnresolvedError) as error:
            result = str(error) or type(error).__name__
        return {"result": result, "ms": (time.monotonic() - began) * 1000}

    def _show(self, seen: browser.Seen, picture: str) -> talk.Answer:
        kept = bool(picture) and self._screen().picture(self._folder.parent / picture)
        return {**asdict(seen), "picture": picture if kept else ""}

    def open(self, url: str, picture: str = "") -> talk.Answer:
        """Read a page in the browser."""
        return self._show(self._screen().open(url), picture)

    def accept(self, host: str, picture: str = "") -> talk.Answer:
        """Press the button of the page that is open; when the first connection to `host`, if any, came through."""
        # Resolved before: a name asked at each knock would meet the gateway's limit of questions before a grant.
        through = Through(self._robot, self._robot.resolve(host) if host else "")
        screen = self._screen()
        pressed = time.monotonic()
        if host:
            through.start()
        seen = screen.accept()
        page_ms = (time.monotonic() - pressed) * 1000
        if host:
            through.join(10)
        first = (through.at - pressed) * 1000 if through.at else None
        return {**self._show(seen, picture), "page_ms": page_ms, "first_packet_ms": first}

    def fill(self, picture: str = "", to: str = "", **fields: str) -> talk.Answer:
        """Fill in and send the form of the page that is open, the first whose address begins with `to`."""
        return self._show(self._screen().fill(to, **fields), picture)

    def until(self, url: str, text: str, seconds: float, picture: str = "") -> talk.Answer:
        """Read a page until it says something."""
        seen, took = browser.until(self._screen(), url, text, seconds)
        return {**self._show(seen, picture), "found": text in seen.text, "ms": took * 1000}

    def leave(self) -> talk.Answer:
        """Walk away."""
        lease.leave(_INTERFACE)
        return {}

    def close(self) -> talk.Answer:
        """End the browser."""
        if self._browser:
            self._browser.close()
            self._browser = None
        return {}


def main() -> None:
    """Serve commands until stdin closes."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    phone = Phone(folder, sys.argv[2] if len(sys.argv) > 2 else None)
    commands = ("warm", "join", "fetch", "connect", "open", "accept", "fill", "until", "leave", "close")
    talk.serve({name: getattr(phone, name) for name in commands})
    phone.close()


if __name__ == "__main__":
    main()
