# SPDX-License-Identifier: EUPL-1.2
"""A crowd of simulated phones that come and go: each has its radio, its lease by DHCP, its walk through the portal.

`python -m lab.phone.crowd` in the guests' namespace, with commands on stdin. Bounded: at most 250 phones at once.
"""

import random
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from lab import talk
from lab.phone import dhcp, lease
from lab.phone.lease import Lease
from lab.phone.robot import Page, Robot

MOST = 250
_AT_ONCE = 12
_PROBES = (
    "http://connectivitycheck.gstatic.com/generate_204",
    "http://captive.apple.com/hotspot-detect.html",
    "http://detectportal.firefox.com/success.txt",
)
_FIRST_METRIC = 1000
_ERRORS_KEPT = 5
_LOOPBACKS = 60_000


@dataclass
class Guest:
    """One phone: its number, and what its visit took in milliseconds."""

    number: int
    lease: Lease | None = None
    times: dict[str, float] = field(default_factory=dict)
    online: bool = False
    portal: str = ""  # where the welcome page was, such as http://host/fr

    def robot(self) -> Robot:
        """Return what it speaks through; where there is no radio, an address of 127.0.0.0/8 of its own."""
        high, low = divmod(self.number % _LOOPBACKS, 250)
        return Robot(self.lease, source="" if self.lease else f"127.1.{high}.{low + 1}")

    @property
    def interface(self) -> str:
        """Name of its radio."""
        return f"guest{self.number}"

    def timed(self, step: str, call: Callable[[], object]) -> None:
        """Do one thing and note its time."""
        began = time.monotonic()
        call()
        self.times[step] = (time.monotonic() - began) * 1000


def arrive(guest: Guest) -> None:
    """Join the WiFi and get a lease."""
    lease.join(guest.interface)

    def get() -> None:
        guest.lease = dhcp.obtain(guest.interface)

    guest.timed("lease", get)
    if guest.lease:
        lease.take(guest.lease, _FIRST_METRIC + guest.number)


def log_in(guest: Guest) -> None:
    """Be redirected, read the welcome page, accept, and see the probe's success; RuntimeError where it goes wrong."""
    robot = guest.robot()
    probe = _PROBES[guest.number % len(_PROBES)]
    first = robot.fetch(probe)
    if not first.location:
        raise RuntimeError(f"the probe was answered {first.status}, expected a redirect to the portal")
    welcome = robot.read(first.location)
    guest.portal = _root(welcome)
    guest.timed("accept", lambda: robot.submit(welcome))
    guest.timed("through", lambda: _wait_through(robot, probe))
    guest.online = True


def _wait_through(robot: Robot, probe: str, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while (page := robot.fetch(probe)).location:
        if time.monotonic() > deadline:
            raise RuntimeError(f"accepted, yet {probe} is still redirected after {seconds:.0f} s ({page.status})")
        time.sleep(0.01)


def log_in_without_radio(guest: Guest, portal: str) -> None:
    """Read the welcome page and accept."""
    robot = guest.robot()
    welcome = robot.read(f"{portal}/")
    guest.portal = _root(welcome)
    guest.timed("accept", lambda: robot.submit(welcome))
    guest.online = True


def log_out(guest: Guest) -> bool:
    """Leave by the portal's own button; whether it was there."""
    robot = guest.robot()
    page = robot.read(f"{guest.portal}/status")
    try:
        robot.submit(page)
    except ValueError:
        return False
    return True


def browse(guest: Guest, pages: int) -> None:
    """Read pages of the internet: bytes that the gateway must count."""
    robot = guest.robot()
    for _ in range(pages):
        robot.fetch("http://www.une-page.example/")


class Crowd:
    """The phones that are here. Commands come from one thread; visits run beside it."""

    def __init__(self, portal: str = "") -> None:
        """Nobody is here. With a portal's address there is no radio: phones only visit it."""
        self._portal = portal
        self._here: dict[int, Guest] = {}
        self._next = 0
        self._lock = threading.Lock()
        self._errors: list[str] = []
        self._live: threading.Thread | None = None
        self._stop = threading.Event()

    def come(self, guests: int) -> talk.Answer:
        """Let that many phones arrive and go online, a few at once; what their visits took."""
        with self._lock:
            new = [Guest(self._next + i) for i in range(min(guests, MOST - len(self._here)))]
            self._next += len(new)
            self._here.update({guest.number: guest for guest in new})
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._visit, new))
        return {**self.status(), "came": len(new), "went_online": sum(guest.online for guest in new), **_figures(new)}

    def _visit(self, guest: Guest) -> None:
        try:
            if self._portal:
                log_in_without_radio(guest, self._portal)
            else:
                arrive(guest)
                log_in(guest)
                browse(guest, 2)
        except Exception as error:  # noqa: BLE001 - one phone's bad luck is counted, the others go on
            self._note(guest, error)

    def go(self, guests: int) -> talk.Answer:
        """Let that many phones leave, those that came first before the others; every second one logs out before."""
        with self._lock:
            gone = [self._here.pop(number) for number in list(self._here)[:guests]]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            out = sum(pool.map(self._leave, gone))
        return {**self.status(), "left": len(gone), "logged_out": out}

    def _leave(self, guest: Guest) -> bool:
        out = False
        try:
            out = guest.online and guest.number % 2 == 0 and log_out(guest)
            if guest.lease:
                lease.leave(guest.interface)
        except Exception as error:  # noqa: BLE001 - one phone's bad luck is counted, the others go on
            self._note(guest, error)
        return out

    def _note(self, guest: Guest, error: Exception) -> None:
        with self._lock:
            self._errors.append(f"guest {guest.number}: {type(error).__name__}: {error}")

    def live(self, guests: int) -> talk.Answer:
        """Come and go without end around a number of guests, until told to rest."""
        self._stop.clear()
        self._live = threading.Thread(target=self._come_and_go, args=(guests,), daemon=True)
        self._live.start()
        return self.status()

    def _come_and_go(self, guests: int) -> None:
        while not self._stop.wait(random.uniform(0.5, 1.5)):
            wave = random.randint(1, 3)
            if len(self._here) < guests * random.uniform(0.7, 1.3):
                self.come(wave)
            else:
                self.go(wave)
            with self._lock:
                online = [guest for guest in self._here.values() if guest.online]
            for guest in random.sample(online, min(3, len(online))):
                self._browse_quietly(guest)

    def _browse_quietly(self, guest: Guest) -> None:
        try:
            if not self._portal:
                browse(guest, 1)
        except (OSError, RuntimeError):
            guest.online = False  # its session ended, or the uplink is down

    def rest(self) -> talk.Answer:
        """End the coming and going; those here stay."""
        self._stop.set()
        if self._live:
            self._live.join(30)
        return self.status()

    def status(self) -> talk.Answer:
        """How many are here and online, and the last things that went wrong."""
        with self._lock:
            here = list(self._here.values())
            errors = self._errors[-_ERRORS_KEPT:]
            count = len(self._errors)
        return {"here": len(here), "online": sum(guest.online for guest in here), "errors": count, "last": errors}


def _root(page: Page) -> str:
    parts = urlsplit(page.url)
    return f"{parts.scheme}://{parts.netloc}/fr"


def _figures(guests: Sequence[Guest]) -> dict[str, float]:
    steps = ("lease", "accept", "through")
    times = {step: [guest.times[step] for guest in guests if step in guest.times] for step in steps}
    return {f"{step}_ms": round(statistics.median(values), 1) for step, values in times.items() if values}


def main() -> None:
    """Serve commands until stdin closes."""
    crowd = Crowd(sys.argv[1] if len(sys.argv) > 1 else "")
    talk.serve({name: getattr(crowd, name) for name in ("come", "go", "live", "rest", "status")})


if __name__ == "__main__":
    main()
