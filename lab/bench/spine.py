# SPDX-License-Identifier: EUPL-1.2
"""The spine of the product, measured whole: getting online, what that costs the gateway, and being counted.

Peers are measured in the same run: openNDS from Debian with its default click-through, where it is installed and we are
root; a Mosquitto bridge with persistence; and as limit a platform that only counts. Other work on the machine shows in
every figure: compare on a quiet one.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil

from lab.bench import cpu, uplink
from lab.bench.figures import Figure, median, percentile
from lab.bench.peers import mosquitto_bridge
from lab.demo.plan import Plan, Ports
from lab.demo.scenes import Opening
from lab.demo.site import Site
from lab.net.allowed import Ground, allowed
from lab.net.isolate import run_isolated
from lab.net.zone import Zone
from lab.processes import Processes

GUESTS = int(os.environ.get("BENCH_GUESTS", "200"))
_WARM_UP = 10
_EVENTS = 50_000
_ROUNDS = 3
_BRIDGED = 20_000


def figures() -> list[Figure]:
    """Measure everything; what can't be measured here is said and left out."""
    found = _events()
    ground = allowed()
    if ground.ground == "none":
        print(f"bench: getting online is not measured: {ground.why}", file=sys.stderr)
        return found
    with tempfile.TemporaryDirectory(prefix="parvis-bench-", dir="/var/tmp") as name:
        folder = Path(name)
        peer = _peer(folder, ground.ground)  # before: who has made a process namespace starts nothing more
        code = _getting_online(folder, ground.ground)
        if code:
            print(f"bench: getting online could not be measured (code {code})", file=sys.stderr)
            return found
        measured = json.loads((folder / "measured.json").read_text(encoding="utf-8"))
        return [*_online_figures(measured, peer), *found]


def _peer(folder: Path, ground: Ground) -> dict[str, Any]:
    """Measure openNDS in a process of its own; {} and a word where it can't be."""
    if ground != "root" or not shutil.which("opennds"):
        print(
            "bench: the peer is measured as root where it is installed: apt install opennds iptables", file=sys.stderr
        )
        return {}
    code = subprocess.run([sys.executable, "-m", "lab.bench.spine_peer", str(folder)], check=False).returncode
    told = folder / "peer.json"
    if code or not told.exists():
        print(f"bench: the peer could not be measured (code {code})", file=sys.stderr)
        return {}
    return dict(json.loads(told.read_text(encoding="utf-8")))


def _events() -> list[Figure]:
    rates: list[float] = []
    bare: list[float] = []
    lost = 0
    for _ in range(_ROUNDS):
        for kept, platform in ((rates, "reference"), (bare, "bare")):
            done = uplink.measure(_EVENTS, platform=platform)  # type: ignore[arg-type]
            kept.append(float(done["rate"]))
            lost += int(done["lost"])
    bridge, gone = mosquitto_bridge(_BRIDGED)
    title = "events/s, outbox to platform's ack, "
    limit = _middle(bare)
    return [
        Figure(
            title + "reference platform", _middle(rates), "/s", _ends(rates), peer=round(bridge), limit=limit,
            goal=10_000, more=True,
        ),
        Figure(title + "bare platform", limit, "/s", _ends(bare), peer=round(bridge), goal=20_000, more=True),
        Figure("of 20,000 events lost when the broker is killed, peer's side", gone, "events"),
        Figure("loss account: created minus held minus declared dropped", lost, "events", goal=0),
    ]  # fmt: skip


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _ends(values: list[float]) -> tuple[float, float]:
    return min(values), max(values)


def _getting_online(folder: Path, ground: Ground) -> int:
    plan = Plan(ground, enforced=True, state=folder, ports=Ports(0, 0, 0))

    def inside() -> int:
        with Zone(folder) as zone, Processes(folder, zone) as processes:
            site = Site(plan, processes)
            opening = Opening(site)
            for step in (opening.internet, opening.platform, opening.gateway):
                step()
            _measure(site, folder / "measured.json")
        return 0

    return run_isolated(inside, ground, network=True)


def _measure(site: Site, file: Path) -> None:
    guests = site.start_peer("guests", "guests", "lab.bench.guests")
    guests.ask("visits", guests=_WARM_UP, first=100_000)
    gateway = psutil.Process(site.processes.running["gateway"].pid)
    before = cpu.seconds(gateway)
    times = guests.ask("visits", guests=GUESTS, first=0)
    spent = (cpu.seconds(gateway) - before) * 1000 / GUESTS
    parts = {_name(process): process.memory_full_info().pss / 1e6 for process in cpu.family(gateway)}
    file.write_text(json.dumps({**times, "cpu": spent, "pss": sum(parts.values())}), encoding="utf-8")


def _name(process: psutil.Process) -> str:
    return f"{process.pid} {process.name()}"


def _online_figures(measured: dict[str, Any], peer: dict[str, Any]) -> list[Figure]:
    def beside(step: str, part: float) -> float | None:
        return round(percentile(peer[step], part), 2) if peer else None

    through = measured["through"]
    return [
        median(
            "first probe → welcome page read, p50", measured["welcome"], "ms", peer=beside("welcome", 0.5), goal=100
        ),
        Figure(
            "first probe → welcome page read, p95",
            _p95(measured["welcome"]),
            "ms",
            peer=beside("welcome", 0.95),
            goal=200,
        ),
        median("click → first packet through, p50", through, "ms", peer=beside("through", 0.5), goal=50),
        Figure("click → first packet through, p95", _p95(through), "ms", peer=beside("through", 0.95), goal=100),
        median("DHCP lease, p50", measured["lease"], "ms"),
        Figure(
            "gateway CPU per login",
            _number(measured["cpu"]),
            "ms",
            peer=_number(peer["cpu"]) if peer else None,
            goal=50,
        ),
        Figure("PSS of all processes of a gateway", _number(measured["pss"]), "MB", goal=250),
    ]


def _p95(values: list[float]) -> float:
    return round(percentile(values, 0.95), 2)


def _number(value: object) -> float:
    return round(float(str(value)), 2)
