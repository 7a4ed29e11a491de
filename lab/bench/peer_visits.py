# SPDX-License-Identifier: EUPL-1.2
"""A guest of the peer, timed: `python -m lab.bench.peer_visits NUMBER`.

It runs in the guests' namespace of its lane and does what a person does with its default click-through: probe, read the
splash page, press the button of each page until a packet gets through. Prints JSON: milliseconds.
"""

import json
import sys
import time
from ipaddress import IPv4Address
from urllib.parse import urlencode, urljoin

from lab.bench.forwarding import GATEWAY, address_of
from lab.bench.storm import PORT
from lab.net.zone import PROVIDER
from lab.phone.lease import Lease
from lab.phone.robot import Page, Robot, forms
from lab.phone.through import Through

_MOST_PAGES = 4
_PATIENCE = 25.0


def _press(robot: Robot, page: Page) -> Page:
    """Send the page's first form, as its method says."""
    form = next(iter(forms(page.text)), None)
    if form is None:
        raise RuntimeError(f"{page.url} has no button (status {page.status})")
    target = urljoin(page.url, form.action)
    if form.method == "post":
        return robot.fetch(target, form.fields)
    return robot.read(f"{target}?{urlencode(form.fields)}")


def visit(number: int) -> dict[str, float]:
    """Let one guest log in; milliseconds until the splash page was read, and from its click to the first packet."""
    gateway = IPv4Address(GATEWAY)
    robot = Robot(Lease(f"g{number}", address_of(number), gateway, gateway, 0))
    began = time.monotonic()
    page = robot.read(f"http://{PROVIDER.ip}/generate_204")
    read = time.monotonic()
    through = Through(robot, str(PROVIDER.ip), PORT, _PATIENCE)
    through.start()
    pressed = time.monotonic()
    for _ in range(_MOST_PAGES):
        if through.at is not None or not forms(page.text):
            break
        page = _press(robot, page)
    through.join()
    if through.at is None:
        raise RuntimeError(f"guest {number} accepted and never came through")
    return {"welcome": (read - began) * 1000, "through": (through.at - pressed) * 1000}


def main() -> None:
    """Let one guest log in."""
    print(json.dumps(visit(int(sys.argv[1]))))


if __name__ == "__main__":
    main()
