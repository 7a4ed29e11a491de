# SPDX-License-Identifier: EUPL-1.2
"""The gateway at full strength, beside openNDS as peer and plain NAT without a portal as limit.

Rounds are interleaved and ratios taken within a round, since other work on the machine shows in every single figure.
The peer's own figures were measured on a machine like this one with its default click-through; what of it can be
measured in the same run is (its throughput, its redirects).
"""

import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from lab.bench import cpu, hitless, parts, plot
from lab.bench.figures import Figure, median, percentile
from lab.bench.forwarding import Lane, opened, reachable
from lab.bench.peer import Peer
from lab.net.allowed import allowed

_ROUNDS = int(os.environ.get("BENCH_ROUNDS", "9"))
_COUNTS = (1, 1_000, 15_000)
_PEER_COUNTS = (1, 1_000)
_GUESTS = 1_000
_STORM = 1_000
_RATES = (5_000, 20_000, 200_000)  # kbit/s
_PYTHON = (sys.executable, "-m")
_IMAGES = Path(__file__).parents[2] / "docs" / "images"


def figures() -> list[Figure]:
    """Measure everything; needs root, since a thousand guests need room in the machine's neighbour table."""
    ground = allowed()
    if ground.ground != "root":
        print(
            f"bench: the gateway is measured as root only: {ground.why or 'this is a user namespace'}", file=sys.stderr
        )
        return []
    if not shutil.which("iperf3"):
        print("bench: apt install iperf3, and for the peer opennds and iptables", file=sys.stderr)
        return []
    return parts.measured("lab.bench.gateway", _PARTS)


def _kernel(folder: Path) -> list[Figure]:
    """Set elements and read counters, beside bare netlink."""
    with opened("kernel", folder, 2) as lane:
        lane.run("ip", "link", "set", "lan0", "up")
        told = json.loads(lane.run(*_PYTHON, "lab.bench.kernel", str(lane.settings().source)))
    bare, ours = (round(percentile(told[name], 0.99), 4) for name in ("bare_one", "one"))
    full = {name: round(statistics.median(told[name]), 1) for name in ("bare_full", "full", "compare")}
    resident, growth = told["resident"]
    middle = _p(told["bare_one"], 0.5)
    return [
        Figure("one grant into the kernel, p50 (limit: bare)", _p(told["one"], 0.5), "ms", limit=middle, goal=0.036),
        Figure("one grant into the kernel, p99 (limit: bare)", ours, "ms", limit=bare, goal=round(3 * bare, 4)),
        Figure("one grant, from the store to the kernel, p50", _p(told["reconcile_one"], 0.5), "ms"),
        median(
            "15,000 grants compared with the kernel", told["compare"], "ms", limit=full["bare_full"],
            goal=round(3 * full["bare_full"], 1),
        ),
        median("15,000 grants put into an empty kernel", told["full"], "ms", limit=full["bare_full"], goal=198),
        Figure("agent's resident memory with 15,000 grants", round(resident, 1), "MiB"),
        Figure("of which per 1,000 grants", round(growth / 15, 2), "MiB"),
        *_counters(folder),
    ]  # fmt: skip


def _counters(folder: Path) -> list[Figure]:
    """15,000 flows of one guest with a grant, read and added up."""
    with opened("counters", folder, 2) as lane:
        lane.as_parvis(2)
        lane.zone.run("guests", *_PYTHON, "lab.bench.flows", "g0", "15000")
        lane.processes.stop("agent")
        told = json.loads(lane.run(*_PYTHON, "lab.bench.kernel", "counters"))
    bare = round(statistics.median(told["bare_counters"]), 1)
    name = f"{told['flows'][0]:.0f} counters read (limit: a bare dump)"
    return [median(name, told["counters"], "ms", limit=bare, goal=round(3 * bare, 1))]


def _forwarding(folder: Path) -> list[Figure]:
    """Small packets and TCP through each gateway, in turn."""
    lanes: dict[str, Lane] = {}
    try:
        _plain(lanes, folder)
        for count in _COUNTS:
            lane = lanes[f"ours {count}"] = Lane(f"ours {count}", folder / f"ours{count}")
            lane.open(min(count, _GUESTS) + 1)
            lane.introduce(min(count, _GUESTS))
            lane.as_parvis(count)
        for count in _PEER_COUNTS:
            _add_peer(lanes, folder, count)
        for name, lane in lanes.items():
            if not reachable(lane, 0):
                raise RuntimeError(f"nothing gets through {name}")
        return _compare(lanes)
    finally:
        for lane in lanes.values():
            with suppress(OSError):
                lane.close()


def _plain(lanes: dict[str, Lane], folder: Path) -> None:
    lanes["nat"] = Lane("nat", folder / "nat")
    lanes["nat"].open(_GUESTS + 1)
    lanes["nat"].as_plain_nat()
    lanes["nat"].introduce(_GUESTS)


def _add_peer(lanes: dict[str, Lane], folder: Path, count: int) -> None:
    """Add the peer with so many logins, or say why not and go on without."""
    lane = Lane(f"peer {count}", folder / f"peer{count}")
    lane.open(count + 1)
    try:
        peer = Peer(lane)
        peer.start(count)
        peer.let_in(count)
    except (OSError, RuntimeError) as error:
        print(f"bench: the peer with {count} guests is not measured: {error}", file=sys.stderr)
        lane.close()
        return
    lanes[lane.name] = lane


def _compare(lanes: dict[str, Lane]) -> list[Figure]:
    """Measure all lanes in rounds, each round beginning with another; return ratios to plain NAT of the same round."""
    packets: dict[str, list[float]] = {name: [] for name in lanes}
    streams: dict[str, list[float]] = {name: [] for name in lanes}
    names = list(lanes)
    for turn in range(_ROUNDS):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            guest = _somebody(name, turn)
            packets[name].append(lanes[name].packets(guest, 0.4))
            streams[name].append(lanes[name].tcp(guest, 1)["mbps"])
    found = []
    for kind, measured in (("small packets", packets), ("TCP", streams)):
        nat = measured["nat"]
        noise = 100 * (percentile(nat, 0.75) - percentile(nat, 0.25)) / statistics.median(nat)
        unit = "packets/s" if kind == "small packets" else "Mb/s"
        found.append(median(f"{kind}, plain NAT (quartiles ±{noise / 2:.0f} %)", nat, unit, more=True))
        ratios = {name: [one / other for one, other in zip(measured[name], nat, strict=True)] for name in names}
        for count in _COUNTS:
            peer = ratios.get(f"peer {count}")
            told = round(statistics.median(peer), 3) if peer else None
            title = f"{kind}, {count:,} grants, ratio to plain NAT"
            found.append(median(title, ratios[f"ours {count}"], "", peer=told, limit=1.0, goal=0.95, more=True))
    plot.draw(_IMAGES, packets, _COUNTS, _PEER_COUNTS)
    return found


def _somebody(name: str, turn: int) -> int:
    """Return a guest of a lane, another in each round: where somebody stands in a list may matter to a gateway."""
    count = int(name.split(" ")[1]) if " " in name else _GUESTS
    return turn * 397 % min(count, _GUESTS)


def _rates(folder: Path) -> list[Figure]:
    """Goodput of plans with a rate, at the receiver, beside the rate; and segments sent again."""
    found = []
    with opened("rates", folder, len(_RATES) + 1) as lane:
        lane.introduce(len(_RATES))
        lane.as_parvis(len(_RATES), [(rate, rate) for rate in _RATES])
        for guest, rate in enumerate(_RATES):
            for down in (False, True):
                told = lane.tcp(guest, 6, down=down)
                way = f"{rate // 1000} Mb/s {'down' if down else 'up'}"
                found += [
                    Figure(f"goodput over rate, {way}", round(told["mbps"] * 1000 / rate, 3), "", goal=0.94, more=True),
                    Figure(f"segments sent again, {way}", told["retransmits"], "", goal=0),
                ]
    return found


def _logins(folder: Path) -> list[Figure]:
    """Let guests log in to the whole product in turn and all at once, and probe as fast as they are answered."""
    with opened("whole", folder, _STORM + 400) as lane:
        lane.as_whole(_STORM + 400, behind_nginx=True)
        lane.introduce(_STORM + 400)
        lane.processes.start("answer", [*_PYTHON, "lab.bench.storm", "answer"], place="internet")
        time.sleep(1)
        gateway = [psutil.Process(lane.processes.running[name].pid) for name in ("whole", "front")]
        probes, probing = _storm(lane, gateway, "redirects", 0, 300, 4, 64)
        turn, turning = _storm(lane, gateway, "logins", 0, 100, 1)
        storm, storming = _storm(lane, gateway, "logins", 400, _STORM, _STORM)
    answered = probes["answers"].get("redirects", 0)
    slow, fast = ([one["through"] for one in told["times"]] for told in (storm, turn))
    return [
        Figure("probe redirects on new connections", _rate(answered, probes), "/s", peer=27, goal=2700, more=True),
        Figure("gateway CPU per redirect", _each(probing, answered), "ms", peer=36),
        median("click to first packet through, in turn, p50", fast, "ms", peer=697, goal=10),
        Figure("click to first packet through, in turn, p95", _p(fast, 0.95), "ms", peer=988),
        Figure("gateway CPU per login, in turn", _each(turning, len(fast)), "ms", peer=146, goal=5),
        Figure(f"logins, {_STORM:,} at once", _rate(len(slow), storm), "/s", peer=4, goal=200, more=True),
        Figure("failures in that storm", float(_STORM - len(slow)), "", peer=3200, goal=0),
        median("click to first packet through, in the storm, p50", slow, "ms"),
        Figure("click to first packet through, in the storm, p95", _p(slow, 0.95), "ms"),
        Figure("gateway CPU per login, in the storm", _each(storming, len(slow)), "ms", peer=1093, goal=5),
    ]


def _rate(count: int, told: dict[str, Any]) -> float:
    return round(count / float(told["seconds"]), 1)


def _each(seconds: float, count: int) -> float:
    """Return milliseconds each."""
    return round(1000 * seconds / max(1, count), 2)


def _storm(lane: Lane, gateway: list[psutil.Process], *words: object) -> tuple[dict[str, Any], float]:
    """Have guests do something; return what they tell, and the processor seconds that the gateway's programs took."""
    before = sum(map(cpu.seconds, gateway))
    return lane.storm(*words), sum(map(cpu.seconds, gateway)) - before


def _p(values: Sequence[float], part: float) -> float:
    return round(percentile(values, part), 4 if statistics.median(values) < 1 else 1)


_PARTS: dict[str, Callable[[Path], list[Figure]]] = {
    "kernel": _kernel,
    "forwarding": _forwarding,
    "rates": _rates,
    "logins": _logins,
    "hitless": hitless.measure,
}

if __name__ == "__main__":
    sys.exit(parts.run(_PARTS))
