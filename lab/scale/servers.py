# SPDX-License-Identifier: EUPL-1.2
"""PostgreSQL and a three-node NATS cluster with MQTT, from Debian's packages, in a folder, on loopback."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from lab.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
NODES = 3


def postgres_programs() -> Path | None:
    """Return the folder of the newest PostgreSQL that is installed; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return found[-1].parent if found else None


def nats_program() -> str | None:
    """Return the NATS server; None where it is not installed."""
    return shutil.which("nats-server", path=_PATH)


def until(true: Callable[[], object], seconds: float, what: str) -> None:
    """Wait until `true()`; TimeoutError names what never came."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def listening(port: int) -> bool:
    """Tell whether somebody listens on that port of loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Server:
    """One process, in a group of its own, that ends with us."""

    def __init__(
        self,
        name: str,
        folder: Path,
        words: Sequence[str],
        port: int,
        *,
        user: str | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name, self.folder, self.port = name, folder, port
        self._words, self._user, self._cwd = list(words), user, cwd or folder
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process, while it runs."""
        assert self._child is not None
        return self._child.pid

    def start(self) -> None:
        """Start it and wait until it listens."""
        with (self.folder / f"{self.name}.log").open("ab") as log:
            words = ["setpriv", "--pdeathsig", "KILL", "--", *self._words]
            self._child = subprocess.Popen(
                words, stdout=log, stderr=log, user=self._user, cwd=self._cwd, start_new_session=True
            )
        until(lambda: listening(self.port), 60, f"{self.name} on port {self.port}")

    def kill(self) -> None:
        """End it, with its children, as a power cut would."""
        if self._child is not None:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait(10)
            self._child = None


class Postgres(Server):
    """An empty cluster with one database; `url` is what a platform's --store takes."""

    def __init__(self, folder: Path) -> None:
        programs = postgres_programs()
        if programs is None:
            raise FileNotFoundError("PostgreSQL is not installed: apt-get install postgresql")
        folder.mkdir(parents=True)
        port, user = free_port(), "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        shutil.chown(folder, user)
        if os.geteuid() == 0:
            _open_way(folder)
        data = folder / "data"
        subprocess.run(
            [programs / "initdb", "-D", data, "--username=parvis", "--auth=trust", "--no-sync", "--encoding=UTF8"],
            user=user, check=True, stdout=subprocess.DEVNULL, cwd=folder,
        )  # fmt: skip
        settings = {
            "port": str(port), "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_wal_size": "2GB",
            "shared_buffers": "256MB", "fsync": "on", "synchronous_commit": "on",
        }  # fmt: skip
        words = [str(programs / "postgres"), "-D", str(data)]
        super().__init__("postgres", folder, [*words, *(f"--{k}={v}" for k, v in settings.items())], port, user=user)
        self.url = f"postgresql://parvis@127.0.0.1:{port}/postgres"
        self._ready = [str(programs / "pg_isready"), "--quiet", "--host=127.0.0.1", f"--port={port}"]

    def start(self) -> None:
        """Start it and wait until it takes connections: while it starts or recovers it listens and refuses."""
        super().start()
        until(lambda: subprocess.run(self._ready, check=False).returncode == 0, 60, "PostgreSQL takes connections")


def _open_way(folder: Path) -> None:
    """Let another user pass through the folders above, which a test's temporary folder forbids."""
    for parent in folder.parents:
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o011)


class Nats:
    """Three nodes with JetStream and MQTT; `urls` for the platform, `mqtt` has each node's port for devices."""

    def __init__(self, folder: Path, nodes: int = NODES) -> None:
        program = nats_program()
        if program is None:
            raise FileNotFoundError("NATS is not installed: apt-get install nats-server")
        routes = [free_port() for _ in range(nodes)]
        self.nodes: list[Server] = []
        self.mqtt: list[int] = []
        for number in range(nodes):
            place = folder / f"node{number}"
            place.mkdir(parents=True)
            client, mqtt = free_port(), free_port()
            file = place / "nats.conf"
            file.write_text(_configuration(place, number, (client, mqtt), routes))
            self.nodes.append(Server(f"nats{number}", place, [program, "--config", str(file)], client))
            self.mqtt.append(mqtt)
        self.urls = ",".join(f"nats://127.0.0.1:{node.port}" for node in self.nodes)

    def start(self) -> None:
        """Start all nodes; MQTT answers once they have chosen a leader."""
        for node in self.nodes:
            node.start()
        for port in self.mqtt:
            until(lambda port=port: listening(port), 40, f"MQTT of NATS on port {port}")  # type: ignore[misc]

    def kill(self) -> None:
        """End all nodes."""
        for node in self.nodes:
            node.kill()


def _configuration(place: Path, number: int, ports: tuple[int, int], routes: list[int]) -> str:
    (client, mqtt), route = ports, routes[number]
    others = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes if port != route)
    replicas = min(NODES, len(routes))
    cluster = (
        f'cluster {{ name: parvis, listen: "127.0.0.1:{route}", routes: [{others}] }}\n' if len(routes) > 1 else ""
    )
    return (
        f'server_name: n{number}\nlisten: "127.0.0.1:{client}"\nmax_payload: 2MB\n'
        f'jetstream {{ store_dir: "{place}/jetstream", max_file: 4GB, max_mem: 512MB }}\n{cluster}'
        f'mqtt {{ listen: "127.0.0.1:{mqtt}", stream_replicas: {replicas}, ack_wait: "10s", max_ack_pending: 1000 }}\n'
    )
