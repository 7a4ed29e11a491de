# SPDX-License-Identifier: EUPL-1.2
"""15,000 devices with a session each: processor time of the agent, and whether each process stays within its unit.

The real programs: the agent in its namespace over the kernel's own neighbours and nftables, dnsmasq with as many
leases, two `sync` of one site that tell each other their sessions, the device page while people sign in. Each runs
under its unit's MemoryMax.
"""

import http.client
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from urllib.parse import urlencode

import psutil

from edge_core import clock, control, settings
from edge_core.events import SessionStarted
from edge_core.store import database, outbox
from lab.bench import legal, parts
from lab.bench.cells import cell, unit_environment
from lab.bench.figures import Figure, median
from lab.bench.forwarding import Lane, address_of, mac_of, opened
from lab.bench.portal_eyes import chromium
from lab.faults.site import Broker, Device, until
from lab.net.allowed import allowed
from lab.ports import free_port
from management import keeper

_DEVICES = int(os.environ.get("PARVIS_BENCH_DEVICES", "15000"))
_CHURN, _SECONDS, _SETTLE = 50, 30, 30.0
_PYTHON = (sys.executable, "-m")
_AT_ONCE = 12
_LAN = '[lan]\ninterface = "lan0"\nipv4 = "10.77.0.1/16"\ndhcp_range = "10.77.16.1-10.77.200.250"\n'
_LOADS, _PAINT = 7, "performance.getEntriesByName('first-contentful-paint')"
_WORDS = "une phrase d'essai"


def figures() -> list[Figure]:
    """Measure each part in a process of its own; needs root."""
    ground = allowed()
    if ground.ground != "root":
        print(f"bench: a crowd is measured as root only: {ground.why}", file=sys.stderr)
        return []
    names = os.environ.get("PARVIS_BENCH_PARTS", " ".join(_PARTS)).split()
    return parts.measured("lab.bench.crowd", names)


def _agent(folder: Path) -> list[Figure]:
    with opened("agent", folder, 2) as lane, cell("agent") as box:
        lane.run("ip", "link", "set", "lan0", "up")
        found = lane.as_parvis(_DEVICES)
        lane.processes.stop("agent")
        lane.lease(found, _DEVICES + _CHURN * _SECONDS)
        words = box.around(lane.zone.command("gateway", [*_PYTHON, "gateway_agent", "--config", str(found.source)]))
        process = lane.processes.start("crowd", words, descriptors=lane.zone.descriptors())
        until(lambda: control.ask(found.agent_socket, {"op": "nudge"}), 120, "the agent")
        _neighbours(lane, range(_DEVICES), "replace")
        box.watch(_SETTLE)
        agent = psutil.Process(process.pid)
        still = _ticks(agent, lambda _second: box.watch(1.0))
        moving = _ticks(agent, lambda second: _come_and_go(lane, second, box.look))
        alive = bool(control.ask(found.agent_socket, {"op": "alive"}))
        lane.processes.stop("crowd")
        return [
            median(f"agent, {_DEVICES} online: processor time a second", still, "ms", limit=1000.0),
            median(f"agent, {_CHURN} a second come and go: processor time a second", moving, "ms", limit=1000.0),
            Figure("agent, answers in the end", float(alive), "", goal=1, more=True),
            *box.figures(f"{_DEVICES} online"),
        ]


def _ticks(agent: psutil.Process, second: Callable[[int], None]) -> list[float]:
    """Return the processor time of each second, in ms."""
    took = []
    for number in range(_SECONDS):
        before = sum(agent.cpu_times()[:2])
        began = time.monotonic()
        second(number)
        took.append((sum(agent.cpu_times()[:2]) - before) * 1000 / max(1.0, time.monotonic() - began))
    return took


def _come_and_go(lane: Lane, second: int, look: Callable[[], object]) -> None:
    began = time.monotonic()
    with suppress(OSError):  # those that the agent has found gone itself
        _neighbours(lane, range(second * _CHURN, (second + 1) * _CHURN), "del")
    _neighbours(lane, range(_DEVICES + second * _CHURN, _DEVICES + (second + 1) * _CHURN), "replace")
    look()
    time.sleep(max(0.0, 1.0 - (time.monotonic() - began)))


def _neighbours(lane: Lane, numbers: range, what: str) -> None:
    tail = "lladdr {} dev lan0 nud stale" if what == "replace" else "dev lan0"
    lines = [f"neigh {what} {address_of(one)} {tail.format(mac_of(one))}" for one in numbers]
    lane.run("ip", "-force", "-batch", "-", stdin="\n".join(lines) + "\n")


def _dnsmasq(folder: Path) -> list[Figure]:
    with opened("dnsmasq", folder, 2) as lane, cell("dnsmasq") as box:
        lane.run("ip", "link", "set", "lan0", "up")
        found = lane.as_parvis(1)
        lane.lease(found, _DEVICES)
        file = found.generated_dir / "dnsmasq.conf"
        words = box.around(lane.zone.command("gateway", ["dnsmasq", "--keep-in-foreground", f"--conf-file={file}"]))
        process = lane.processes.start("dnsmasq", words, descriptors=lane.zone.descriptors())
        box.watch(10.0)
        alive = process.poll() is None
        lane.processes.stop("dnsmasq")
        return [
            Figure("dnsmasq, runs in the end", float(alive), "", goal=1, more=True),
            *box.figures(f"{_DEVICES} leases"),
        ]


def _sync(folder: Path) -> list[Figure]:
    """Two gateways of one site, each with so many sessions told to the other, and an event of each to send."""
    folder.mkdir(parents=True)
    key = folder / "key"
    key.write_text("k" * 40, encoding="ascii")
    key.chmod(0o600)
    with ExitStack() as stack:
        broker = Broker(folder / "broker", more="max_inflight_messages 200\nmax_queued_messages 10000\n")
        devices = [Device(folder / name, broker.port, name=name) for name in ("g1", "g2")]
        boxes = [stack.enter_context(cell("sync")) for _ in devices]
        for device, box, first in zip(devices, boxes, (0, _DEVICES), strict=True):
            text = device.config.read_text(encoding="utf-8")
            text = text.replace('name = "Le parc"\n', f'name = "Le parc"\ngateway_key = "{key}"\n')
            device.config.write_text(f"{text}{_LAN}", encoding="utf-8")
            _sessions(device, first)
            device.sync.command = box.around(device.sync.command)
        broker.start()
        stack.callback(broker.kill)
        for device in devices:
            stack.callback(device.sync.kill)
            device.sync.start()
        end = time.monotonic() + 120
        while time.monotonic() < end and not all(_heard(device) for device in devices):
            for box in boxes:
                box.watch(0.5)
        for box in boxes:
            box.watch(15.0)
        heard = min(device.store.execute("SELECT count(*) FROM site_sessions").fetchone()[0] for device in devices)
        alive = all(device.sync.popen and device.sync.popen.poll() is None for device in devices)
        for device in devices:
            device.sync.kill()
        worse = max(boxes, key=lambda box: box.most)
        return [
            Figure("sync, sessions heard of the other gateway", heard, "", goal=_DEVICES, more=True),
            Figure("sync, runs in the end", float(alive), "", goal=1, more=True),
            *worse.figures(f"{_DEVICES} sessions here and there"),
        ]


def _heard(device: Device) -> bool:
    return bool(device.store.execute("SELECT count(*) FROM site_sessions").fetchone()[0] >= _DEVICES)


def _sessions(device: Device, first: int) -> None:
    now = clock.now()
    with database.write(device.store):
        for number in range(first, first + _DEVICES):
            session = f"0191d2c1-0b10-7d02-8f11-{number:012x}"
            device.store.execute(
                "INSERT INTO grants (session, mac, plan, created_at, expires_at) VALUES (?, ?, 'free', ?, ?)",
                [session, mac_of(number), now, now + 36_000],
            )
            outbox.append(device.store, SessionStarted(session=session, plan="free", seconds=36_000), now)


def _page(folder: Path) -> list[Figure]:
    """People sign in at the device page at once, rightly and wrongly, and look at it."""
    folder.mkdir(parents=True)
    port = free_port()
    file = folder / "parvis.toml"
    file.write_text(
        f'[site]\nid = "parc"\nname = "Parc"\n[device]\nid = "g1"\nstate_dir = "{folder}/state"\n'
        f'[management]\nlisten = "127.0.0.1:{port}"\n',
        encoding="utf-8",
    )
    found = settings.load(file, {})
    database.migrate(found)
    keeper.set_password(found, _WORDS)
    with closing(database.open_edge(found.edge_db)) as store, database.write(store):
        now = clock.now()
        for number in range(_DEVICES):
            store.execute(
                "INSERT INTO grants (session, mac, plan, created_at, expires_at) VALUES (?, ?, 'free', ?, ?)",
                [f"{number:036d}", mac_of(number), now, now + 36_000],
            )
    with cell("management") as box, (folder / "log").open("wb") as log:
        words = box.around([*_PYTHON, "management", "--config", str(file)])
        environment = os.environ | unit_environment("management")
        process = subprocess.Popen(words, stdout=log, stderr=log, env=environment)
        try:
            until(lambda: _ask(port, "GET", "/health")[0], 60, "the device page")
            box.watch(2.0)
            idle = box.most
            statuses: list[int] = []
            people = [threading.Thread(target=_sign_in, args=[port, n, statuses]) for n in range(_AT_ONCE)]
            for each in people:
                each.start()
            while any(each.is_alive() for each in people):
                box.watch(0.2)
            alive = process.poll() is None
            paints = _paints(port)
        finally:
            process.terminate()
            process.wait(20)
        entered = statuses.count(303)
        return [
            Figure("management, memory before anybody signs in", round(idle / 2**20, 1), "MiB"),
            Figure(f"management, of {_AT_ONCE} sign-ins at once let in", entered, "", goal=_AT_ONCE, more=True),
            Figure("management, runs in the end", float(alive), "", goal=1, more=True),
            *box.figures(f"{_AT_ONCE} sign-ins at once, {_DEVICES} sessions shown"),
            median("management, first paint of the page in Chromium", paints, "ms"),
        ]


def _paints(port: int) -> list[float]:
    """Return when the page was first painted, in ms from the start of its loading, for somebody who is signed in."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.goto(f"http://127.0.0.1:{port}/door")
        page.fill("input[type=password]", _WORDS)
        page.press("input[type=password]", "Enter")
        page.wait_for_selector("#sessions")
        paints = []
        for _ in range(_LOADS):
            page.goto(f"http://127.0.0.1:{port}/", wait_until="load")
            page.wait_for_function(f"() => {_PAINT}.length > 0")
            paints.append(float(page.evaluate(f"{_PAINT}[0].startTime")))
        return paints


def _sign_in(port: int, _number: int, statuses: list[int]) -> None:
    body = urlencode({"password": _WORDS})
    status, cookie = _ask(port, "POST", "/door", body, {"Content-Type": "application/x-www-form-urlencoded"})
    statuses.append(status)
    _ask(port, "GET", "/", headers={"Cookie": cookie.partition(";")[0]})


def _ask(
    port: int, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None
) -> tuple[int, str]:
    """Return status and cookie; 0 where nobody answers."""
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.headers.get("Set-Cookie", "")
    except (OSError, http.client.HTTPException):
        return 0, ""


_PARTS: dict[str, Callable[[Path], list[Figure]]] = {
    "agent": _agent, "dnsmasq": _dnsmasq, "sync": _sync, "page": _page, "legal": legal.measure,
}  # fmt: skip

if __name__ == "__main__":
    sys.exit(parts.run(_PARTS, loopback=True))
