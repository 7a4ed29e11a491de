# SPDX-License-Identifier: EUPL-1.2
"""A platform of several machines on loopback: PostgreSQL, an ingress (NATS or Mosquitto), consumers; its checker."""

from __future__ import annotations

import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import psycopg

from lab.ports import free_port
from lab.scale.servers import Nats, Postgres, Server, until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.scale.device import SimDevice

Ingress = Literal["nats", "mosquitto"]
_ROOT = Path(__file__).parents[2]


class Cluster:
    """Everything but the devices. `ports` are where they connect."""

    def __init__(self, folder: Path, ingress: Ingress, consumers: int = 2) -> None:
        self.folder, self.ingress = folder, ingress
        self.postgres = Postgres(folder / "postgres")
        self.nats = Nats(folder / "nats") if ingress == "nats" else None
        self.mosquitto = None if self.nats else mosquitto(folder)
        self.ports = self.nats.mqtt if self.nats else [self.mosquitto.port] if self.mosquitto else []
        self.consumers = [self._consumer(number) for number in range(consumers)]

    def start(self) -> None:
        """Start all, the consumers last; return when each of them works."""
        self.postgres.start()
        for one in (self.nats, self.mosquitto):
            if one:
                one.start()
        for consumer in self.consumers:
            consumer.start()
        for consumer in self.consumers:
            until(lambda port=consumer.port: _healthy(port), 90, f"{consumer.name}")  # type: ignore[misc]

    def kill(self) -> None:
        """End all."""
        for one in (*self.consumers, self.nats, self.mosquitto, self.postgres):
            if one:
                one.kill()

    def _consumer(self, number: int) -> Server:
        place = self.folder / f"consumer{number}"
        (place / "repository").mkdir(parents=True)
        port = free_port()
        words = [
            sys.executable, "-m", "lab.platform", "--store", self.postgres.url, "--port", str(port),
            "--repository", str(place / "repository"),
        ]  # fmt: skip
        if self.nats:
            words += ["--stream", self.nats.urls, "--broker", f"mqtt://127.0.0.1:{self.nats.mqtt[number % 3]}"]
        elif self.mosquitto:
            words += ["--group", "platform", "--broker", f"mqtt://127.0.0.1:{self.mosquitto.port}"]
        return Server(f"consumer{number}", place, words, port, cwd=_ROOT)

    def ask(self, sql: str) -> list[Any]:
        """Ask the database."""
        with psycopg.connect(self.postgres.url, connect_timeout=5) as link:
            return link.execute(sql.encode()).fetchall()


def mosquitto(folder: Path) -> Server:
    """Return a Mosquitto that keeps nothing on its disk: the promise must not rest on it."""
    place = folder / "mosquitto"
    place.mkdir()
    port = free_port()
    file = place / "mosquitto.conf"
    file.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\npersistence false\nlog_type error\n"
        "max_queued_messages 200000\nmax_inflight_messages 200\n"
    )
    return Server("mosquitto", place, ["mosquitto", "-c", str(file)], port)


def _healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def check(cluster: Cluster, devices: Sequence[SimDevice]) -> dict[str, int]:
    """Compare what was told with what is held; every figure but the first two must be 0."""
    held: dict[tuple[str, str], dict[int, str]] = {}
    rows = cluster.ask(
        "SELECT d.name, s.epoch, e.seq, e.id FROM events e JOIN streams s ON s.id = e.stream"
        " JOIN devices d ON d.id = s.device"
    )
    twice = 0
    for name, epoch, seq, key in rows:
        stream = held.setdefault((name, epoch), {})
        twice += seq in stream
        stream[seq] = key
    told = sum(len(device.ids) for device in devices)
    lost = wrong = 0
    for device in devices:
        stream = held.get((device.name, device.epoch), {})
        lost += sum(seq not in stream for seq in range(1, len(device.ids) + 1))
        wrong += sum(stream.get(seq) not in {None, key} for seq, key in enumerate(device.ids, 1))
    requests = cluster.ask("SELECT count(*), count(DISTINCT request) FROM requests")[0]
    return {
        "told": told, "held": len(rows), "lost": lost, "twice": twice, "wrong": wrong,
        "extra": len(rows) - told + lost, "requests_off": requests[0] - sum(device.orders for device in devices),
        "conflicts": int(cluster.ask("SELECT coalesce(sum(conflicts), 0) FROM streams")[0][0]),
        "set_aside": cluster.ask("SELECT count(*) FROM dead_letters")[0][0],
        "holes": cluster.ask("SELECT count(*) FROM holes")[0][0],
        "unacked": sum(device.pending for device in devices),
        "unreplied": sum(device.orders - device.replied for device in devices),
    }  # fmt: skip


def settled(devices: Sequence[SimDevice]) -> bool:
    """Tell whether every event is acknowledged and every request answered; the devices' loop runs elsewhere."""
    return all(device.pending == 0 and device.replied == device.orders for device in devices)
