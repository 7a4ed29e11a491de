# SPDX-License-Identifier: EUPL-1.2
"""Two gateways that stand in for each other: how long until packets flow again when the active one is lost.

Both run the whole product. Sessions begin at the active one and reach the other over the site's broker. A cut of power
is dark wires and `kill -9` of everything. What VRRP alone allows (three signs of life missed, RFC 9568) is the limit.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from lab import talk
from lab.bench.figures import Figure, median
from lab.bench.pair import Gateway, Pair, opened, until
from lab.net.allowed import allowed
from lab.net.isolate import run_isolated
from lab.net.zone import PROVIDER

_ROUNDS = int(os.environ.get("BENCH_ROUNDS", "7"))
_STOPS = 3
_GUESTS = 100
_PYTHON = (sys.executable, "-m")
_PRIORITY, _INTERVAL = 100, 200.0
_MISSED = 3 * _INTERVAL + (256 - _PRIORITY) / 256 * _INTERVAL
"""Milliseconds without a word after which a router takes over (Active_Down_Interval, RFC 9568 section 6.1)."""


def figures() -> list[Figure]:
    """Measure cuts of power and orderly stops, in turn at both gateways; needs root."""
    if allowed().ground != "root" or not shutil.which("keepalived"):
        print("bench: a pair is measured as root only, with keepalived installed", file=sys.stderr)
        return []
    with tempfile.TemporaryDirectory(prefix="parvis-bench-", dir="/var/tmp") as name:
        file = Path(name) / "figures.json"
        code = run_isolated(partial(_measure, Path(name), file), "root", network=True)
        return [] if code else [Figure(**row) for row in json.loads(file.read_text(encoding="utf-8"))]


def _measure(folder: Path, file: Path) -> int:
    with opened(folder, _GUESTS) as pair:
        processes, target = pair.gateways[0].processes, str(PROVIDER.ip)
        processes.start("echo", [*_PYTHON, "lab.bench.gap", "internet", target], place="internet")
        words = [*_PYTHON, "lab.bench.gap", "guests", target, "g0", f"g{_GUESTS}"]
        crowd = talk.Peer(processes.start("crowd", words, place="guests", pipes=True))
        until(lambda: crowd.ask("census", guests=_GUESTS)["online"] == _GUESTS, 60, "the way of all guests")
        cuts, lost = _rounds(pair, crowd, Gateway.cut, _ROUNDS)
        stops, lost_at_stops = _rounds(pair, crowd, Gateway.stop, min(_ROUNDS, _STOPS))
        found = [
            median("power of the active one cut: until packets flow again", cuts, "ms", limit=round(_MISSED)),
            Figure("… the longest of these", round(max(cuts)), "ms"),
            median(
                "the active one stopped: until packets flow again", stops, "ms", limit=round(_MISSED - 3 * _INTERVAL)
            ),
            Figure(f"takeovers, each with {_GUESTS} sessions", len(cuts) + len(stops), ""),
            Figure("sessions lost at these", lost + lost_at_stops, "", goal=0),
            Figure(
                "packets of a guest without a session that got through", crowd.ask("stranger")["answers"], "", goal=0
            ),
        ]
    file.write_text(json.dumps([asdict(one) for one in found]), encoding="utf-8")
    return 0


def _rounds(pair: Pair, crowd: talk.Peer, lose: Callable[[Gateway], None], rounds: int) -> tuple[list[float], int]:
    """Lose the active one again and again; return the silences in milliseconds, and how many sessions were lost."""
    silences, lost = [], 0
    for _ in range(rounds):
        active = pair.active()
        (other,) = (each for each in pair.gateways if each is not active)
        crowd.ask("begin")
        lose(active)
        until(other.is_active, 60, "the other's taking over")
        enough = crowd.ask("longest")["answers"] + 100
        until(lambda: crowd.ask("longest")["answers"] > enough, 60, "packets of the guest")  # noqa: B023  asked here
        silences.append(float(crowd.ask("longest")["ms"]))
        lost += _GUESTS - int(crowd.ask("census", guests=_GUESTS)["online"])
        active.start()
        pair.settle()
    return silences, lost
