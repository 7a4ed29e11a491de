# SPDX-License-Identifier: EUPL-1.2
"""Somebody on the machine's WiFi: `python -m lab.machine.guest FOLDER CA` in the guest's namespace, asked over stdin.

What is beyond the uplink is one small web server and one resolver, `Internet`; every name leads to it.
"""

import http.server
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lab import talk
from lab.machine.cables import Cables
from lab.phone import lease, real_dhcp
from lab.phone.robot import Page, Robot, UnresolvedError

ROOT = Path(__file__).parents[2]
HELLO = "The Internet says hello."
_INTERFACE = "phone0"


class Guest:
    """A phone without a screen."""

    def __init__(self, folder: Path, trust: str | None) -> None:
        """Begin outside the WiFi; `trust` is the file of an authority."""
        self._folder = folder
        self._trust = trust
        self._robot = Robot(None, trust)
        self._joined = False

    def join(self) -> talk.Answer:
        """Associate, get a lease, and take it; joining again is coming back with the same phone."""
        if self._joined:
            lease.ip_batch(f"addr flush dev {_INTERFACE}\n")
        else:
            lease.join(_INTERFACE)
            self._joined = True
        given = real_dhcp.obtain(_INTERFACE, self._folder)
        lease.take(given, 10)
        self._robot = Robot(given, self._trust)
        return {"address": str(given.address), "router": str(given.router), "portal": given.portal}

    def fetch(self, url: str, headers: dict[str, str] | None = None) -> talk.Answer:
        """Ask for one address and follow nothing."""
        return _told(self._robot.fetch(url, headers=headers))

    def accept(self, url: str) -> talk.Answer:
        """Follow a probe's redirect to the page, and send its form."""
        return _told(self._robot.submit(self._robot.read(url)))

    def online(self, url: str, seconds: float) -> talk.Answer:
        """Tell whether the Internet itself answers within so many seconds, and after how many."""
        began = time.monotonic()
        while True:
            with suppress(OSError, UnresolvedError):
                if HELLO in self._robot.fetch(url).text:
                    return {"online": True, "seconds": time.monotonic() - began}
            if time.monotonic() - began > seconds:
                return {"online": False, "seconds": time.monotonic() - began}
            time.sleep(0.1)

    def hammer(self, url: str, seconds: float) -> talk.Answer:
        """Ask again and again, each time on a new connection; how many answers of which status, and refusals."""
        end = time.monotonic() + seconds
        found: dict[str, int] = {}
        while time.monotonic() < end:
            try:
                outcome = str(self._robot.fetch(url).status)
            except (OSError, UnresolvedError) as error:
                outcome = type(error).__name__
            found[outcome] = found.get(outcome, 0) + 1
            time.sleep(0.06)  # below what the front allows one guest
        return {"outcomes": found}


def _told(page: Page) -> talk.Answer:
    return {"status": page.status, "location": page.location, "text": page.text[:2000]}


@contextmanager
def here(cables: Cables, folder: Path, trust: Path) -> Iterator[talk.Peer]:
    """Bring a guest to the machine's WiFi; gives the one to ask."""
    words = cables.as_guest([sys.executable, "-m", "lab.machine.guest", str(folder), str(trust)])
    with (folder / "guest.log").open("w") as log:
        process = subprocess.Popen(
            words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
        try:
            yield talk.Peer(process)
        finally:
            process.terminate()
            process.wait(10)
            for end in (process.stdin, process.stdout):
                if end:
                    end.close()


class _Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = HELLO.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name of the class above
        """Say nothing."""


@contextmanager
def internet(cables: Cables) -> Iterator[None]:
    """Answer names and web pages at our end of the uplink."""
    address = str(cables.here)
    web = http.server.ThreadingHTTPServer((address, 80), _Web)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        names = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"]
        names += [
            "--bind-interfaces",
            f"--listen-address={address}",
            f"--address=/#/{address}",
            f"--pid-file={folder}/pid",
            "--user=root",
        ]
        resolver = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *names], stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            resolver.terminate()
            resolver.wait(5)
            web.shutdown()
            web.server_close()


def main() -> None:
    """Serve commands until stdin closes."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    guest = Guest(folder, sys.argv[2])
    talk.serve({name: getattr(guest, name) for name in ("join", "fetch", "accept", "online", "hammer")})


if __name__ == "__main__":
    main()
