# SPDX-License-Identifier: EUPL-1.2
"""Guests one after the other in the guests' namespace, each timed: `python -m lab.bench.guests`, commands on stdin."""

import statistics
import time

from lab import talk
from lab.demo.plan import WEB_NAME
from lab.phone import lease
from lab.phone.crowd import Guest, arrive
from lab.phone.through import Through

_PROBE = "http://connectivitycheck.gstatic.com/generate_204"
_METRIC_STEP = 1


def visit(number: int) -> dict[str, float]:
    """Let one guest come, log in and leave; milliseconds of its lease, first page and first packet."""
    guest = Guest(number)
    arrive(guest)
    robot = guest.robot()
    address = robot.resolve(WEB_NAME)  # the name is known before: what is timed is the gateway, not the resolver
    began = time.monotonic()
    welcome = robot.read(_PROBE)
    read = time.monotonic()
    through = Through(robot, address)
    through.start()
    pressed = time.monotonic()
    robot.submit(welcome)
    answered = time.monotonic()
    through.join()
    lease.leave(guest.interface)
    if through.at is None:
        raise RuntimeError(f"guest {number} accepted and never came through")
    return {
        "lease": guest.times["lease"],
        "welcome": (read - began) * 1000,
        "accept": (answered - pressed) * 1000,
        "through": (through.at - pressed) * 1000,
    }


def visits(guests: int, first: int) -> talk.Answer:
    """Let guests come in turn; each step's times in milliseconds."""
    times = [visit(first + number) for number in range(guests)]
    return {step: [one[step] for one in times] for step in times[0]} | {
        "mean": statistics.mean(one["through"] for one in times)
    }


def main() -> None:
    """Serve commands until stdin closes."""
    talk.serve({"visits": visits})


if __name__ == "__main__":
    main()
