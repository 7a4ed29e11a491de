# SPDX-License-Identifier: EUPL-1.2
"""Wires the zone together, plays the story in it, and then keeps it alive for the person until Ctrl-C."""

import signal
import threading
import time
from contextlib import ExitStack
from types import FrameType

from lab.demo.console import Teller
from lab.demo.overlay import Overlay
from lab.demo.plan import SOURCE, Plan
from lab.demo.scenes import Opening
from lab.demo.scenes_later import Rest
from lab.demo.site import Site
from lab.demo.story import Outcome, failed, play
from lab.net.zone import Zone
from lab.processes import Processes
from lab.short_folder import short_folder
from lab.talk import RefusedError


class Ended(BaseException):
    """Somebody asked the demo to end."""


def _end(*_: int | FrameType | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # once is enough: what follows is the orderly end
    raise Ended


def run(plan: Plan, relays: dict[str, int], why: str, *, once: bool, crowd: int) -> int:
    """Play the story, and go on until asked to end unless `once`; 0 when every step came true."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    outcomes: list[Outcome] = []
    began = time.monotonic()
    try:
        with ExitStack() as stack:
            zone = stack.enter_context(Zone(plan.state)) if plan.enforced else None
            set_up = (time.monotonic() - began) * 1000
            tmp = stack.enter_context(short_folder(plan.state / "tmp", own_mounts=plan.ground != "none"))
            processes = stack.enter_context(Processes(plan.state, zone, tmp))
            stack.enter_context(Overlay(SOURCE, plan.state / "content"))
            site = Site(plan, processes, relays)
            teller = stack.enter_context(Teller(site.totals))
            _greet(teller, plan, why, set_up)
            _play(site, teller, outcomes, crowd)
            if not once:
                _live(site, teller, crowd)
    except Ended:
        if once:
            return 130
    return _verdict(outcomes, plan)


def _greet(teller: Teller, plan: Plan, why: str, set_up: float) -> None:
    if plan.enforced:
        how = "as root" if plan.ground == "root" else "in an unprivileged user namespace"
        teller.note(f"Three network namespaces (guests, gateway, internet), {how}, in {set_up:.0f} ms.")
    else:
        teller.note(f"No enforcement: {why}. Portal, kiosk, sync and broker run on this computer's own loopback.")


def _play(site: Site, teller: Teller, outcomes: list[Outcome], crowd: int) -> None:
    opening = Opening(site)
    later = Rest(opening, crowd)
    outcomes += play([*opening.steps(), *later.steps()], teller)
    ports = site.plan.ports
    links = {
        "portal": f"http://127.0.0.1:{ports.portal}/",
        "kiosk": f"http://127.0.0.1:{ports.kiosk}/",
        "platform": f"http://127.0.0.1:{ports.platform}/",
        "content": f"{SOURCE} (change a file and look again)",
        "logs": str(site.plan.state / "logs"),
    }
    teller.told(links)


def _live(site: Site, teller: Teller, crowd: int) -> None:
    """Let the crowd come and go until Ctrl-C; a process that ended unasked is told once."""
    latest = (0, 0)
    site.crowd_status = lambda: latest
    peer = site.peers.get("crowd")
    if peer:
        peer.ask("live", guests=crowd)
    told: set[str] = set()
    ticks = threading.Event()
    while not ticks.wait(1):
        try:
            status = peer.ask("status") if peer else {"here": 0, "online": 0}
            latest = (status["here"], status["online"])
        except RefusedError:
            peer = None
        for name in site.processes.ended():
            if name not in told:
                told.add(name)
                teller.note(f"{name} ended by itself: see {site.processes.log(name.split()[0])}")


def _verdict(outcomes: list[Outcome], plan: Plan) -> int:
    wrong = failed(outcomes)
    if wrong:
        print(f"\n{len(wrong)} of {len(outcomes)} steps did not come true:")
        for outcome in wrong:
            print(f"  {outcome.step.title}: {outcome.detail}")
            for log in outcome.logs:
                print(f"      {log}")
        print(f"All logs: {plan.state / 'logs'}")
    return 1 if wrong or not outcomes else 0
