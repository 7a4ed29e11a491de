# SPDX-License-Identifier: EUPL-1.2
"""`make bench NAME=front`: the front of the portal beside bare gunicorn: redirects, CPU, a page among slow guests."""

import socket
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from edge_core.settings import load
from edge_core.store import database
from lab.bench.figures import Figure, median
from lab.ports import free_port
from lab.processes import Processes

_ROOT = Path(__file__).parents[2]
_ROUNDS, _THREADS, _SECONDS = 7, 4, 1.0
_SLOW = 40
"""Guests' connections that send a byte a second; on loopback they are all of one device."""
_PATIENCE = 5.0
_PROBE = b"GET /generate_204 HTTP/1.1\r\nHost: connectivitycheck.gstatic.com\r\n\r\n"
_PAGE = b"GET /fr/ HTTP/1.1\r\nHost: portail.example.net\r\n\r\n"


@dataclass
class _Side:
    port: int
    process: psutil.Process
    rate: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    calm: list[float] = field(default_factory=list)
    slow: list[float] = field(default_factory=list)

    def seconds(self) -> float:
        """Return the CPU seconds of the process and its children."""
        family = [self.process, *self.process.children(recursive=True)]
        return sum(sum(one.cpu_times()[:2]) for one in family)


def figures() -> list[Figure]:
    """Measure both in turns."""
    with tempfile.TemporaryDirectory(prefix="parvis-front-") as name, ExitStack() as stack:
        folder = Path(name)
        front, bare = _start(folder, stack.enter_context(Processes(folder)))
        for _ in range(_ROUNDS):
            for side in (front, bare):
                _redirects(side)
                side.calm.append(_page(side.port) * 1000)
        for _ in range(_ROUNDS):
            for side in (front, bare):
                side.slow.append(_page_among_slow(side.port) * 1000)
        memory = sum(one.memory_info().rss for one in [front.process, *front.process.children(recursive=True)])
    return [
        median("redirects a second, new connections", front.rate, "1/s", peer=_middle(bare.rate), goal=2700, more=True),
        median("CPU of a redirect", front.cpu, "ms", peer=_middle(bare.cpu), goal=0.36),
        median("a page", front.calm, "ms", peer=_middle(bare.calm)),
        median(f"a page while {_SLOW} connections send a byte a second", front.slow, "ms", peer=_middle(bare.slow)),
        Figure("resident memory of the front", round(memory / 2**20, 1), "MiB"),
    ]


def _middle(values: list[float]) -> float:
    return round(sorted(values)[len(values) // 2], 2)


def _start(folder: Path, processes: Processes) -> tuple[_Side, _Side]:
    ports = [free_port(), free_port()]
    config = folder / "parvis.toml"
    config.write_text(
        f'[site]\nid = "essai"\nname = "Essai"\n[device]\nid = "g"\nstate_dir = "{folder}/state"\n'
        f'[lan]\ninterface = "lan0"\nipv4 = "10.77.0.1/20"\ndhcp_range = "10.77.0.10-10.77.3.250"\n'
        f'[portal]\nhostname = "portail.example.net"\nport = {ports[0]}\nbind = "127.0.0.1"\n',
        encoding="utf-8",
    )
    settings = load(config, {})
    database.migrate(settings)
    settings.run_dir.mkdir(parents=True)
    gunicorn = [str(_ROOT / ".venv/bin/python"), "-m", "gunicorn", "--config", "python:edge_core.web.server"]
    environment = {"PARVIS_CONFIG": str(config)}
    bind = ["--bind", f"unix:{settings.portal_socket}"]
    processes.start("portal", [*gunicorn, *bind, "captive_portal.wsgi:app"], env=environment)
    bind = ["--bind", f"127.0.0.1:{ports[1]}"]
    bare = processes.start("bare", [*gunicorn, *bind, "captive_portal.wsgi:app"], env=environment)
    words = [str(_ROOT / ".venv/bin/python"), "-m", "captive_portal", "--config", str(config)]
    front = processes.start("front", words)
    sides = (_Side(ports[0], psutil.Process(front.pid)), _Side(ports[1], psutil.Process(bare.pid)))
    for side in sides:
        _await(side.port)
    return sides


def _await(port: int) -> None:
    end = time.monotonic() + 30
    while True:
        with suppress(OSError):
            if _ask(port, _PAGE).startswith(b"HTTP/1.1 200"):
                return
        if time.monotonic() > end:
            raise TimeoutError(f"nobody answers on port {port}")
        time.sleep(0.1)


def _ask(port: int, question: bytes) -> bytes:
    answer = b""
    with socket.create_connection(("127.0.0.1", port), _PATIENCE) as connection:
        connection.sendall(question)
        while more := connection.recv(65536):
            answer += more
    return answer


def _redirects(side: _Side) -> None:
    counts = [0] * _THREADS
    end = time.monotonic() + _SECONDS

    def ask(mine: int) -> None:
        while time.monotonic() < end:
            counts[mine] += _ask(side.port, _PROBE).startswith(b"HTTP/1.1 302")

    before = side.seconds()
    threads = [threading.Thread(target=ask, args=[number]) for number in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    side.rate.append(sum(counts) / _SECONDS)
    side.cpu.append((side.seconds() - before) * 1000 / max(1, sum(counts)))


def _page(port: int) -> float:
    begun = time.monotonic()
    with suppress(TimeoutError):
        _ask(port, _PAGE)
    return time.monotonic() - begun


def _page_among_slow(port: int) -> float:
    held = [socket.create_connection(("127.0.0.1", port), _PATIENCE) for _ in range(_SLOW)]
    try:
        for connection in held:
            connection.sendall(b"GET / HT")
        time.sleep(0.2)
        return _page(port)
    finally:
        for connection in held:
            connection.close()
