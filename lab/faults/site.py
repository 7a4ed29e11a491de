# SPDX-License-Identifier: EUPL-1.2
"""A device and its broker as processes on loopback, started and killed at will, each in a folder of its own."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from edge_core import events, settings
from edge_core.store import database, outbox
from lab.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge_core.event import Event

_ROOT = Path(__file__).resolve().parents[2]


def _python_path() -> str:
    return os.pathsep.join(part for part in (str(_ROOT), os.environ.get("PYTHONPATH", "")) if part)


def until(true: Callable[[], object], seconds: float, what: str) -> None:
    """Wait until `true()`, or fail naming what never came."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


def listening(port: int) -> bool:
    """Tell whether somebody listens on that port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Process:
    """One process that is kept by its pid, with its output in a file."""

    def __init__(self, command: Sequence[str], log: Path, environment: dict[str, str] | None = None) -> None:
        self.command = list(command)
        self.log = log
        self.environment = {**os.environ, "PYTHONPATH": _python_path(), **(environment or {})}
        self.popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        with self.log.open("ab") as file:
            self.popen = subprocess.Popen(
                self.command, stdout=file, stderr=file, env=self.environment, cwd=_ROOT, start_new_session=True
            )

    def kill(self) -> None:
        """End it as a power switch would: SIGKILL."""
        if self.popen:
            self.popen.kill()
            self.popen.wait(10)
            self.popen = None

    def terminate(self) -> tuple[int, float]:
        """Ask it to end (SIGTERM); return its exit code and the seconds that it took."""
        if self.popen is None:
            return 0, 0.0
        start = time.monotonic()
        self.popen.terminate()
        code = self.popen.wait(60)
        self.popen = None
        return code, time.monotonic() - start


class Broker(Process):
    """Mosquitto with a configuration of one line more than nothing."""

    def __init__(self, folder: Path, *, port: int | None = None, more: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.folder = folder
        file = folder / "mosquitto.conf"
        file.write_text(f"user root\nlistener {self.port} 127.0.0.1\nallow_anonymous true\n{more}", encoding="utf-8")
        program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        super().__init__([program or "mosquitto", "-c", str(file)], folder / "log")

    def start(self) -> None:
        """Start it and wait until it listens."""
        super().start()
        until(lambda: listening(self.port), 60, f"mosquitto on {self.port}")


class Device:
    """A device's state folder, its outbox, and its `sync` process."""

    def __init__(self, folder: Path, port: int, *, more: str = "", name: str = "gateway-1") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.config = folder / "parvis.toml"
        self.name = f"parc/{name}"
        self.config.write_text(
            f'[site]\nid = "parc"\nname = "Le parc"\n[device]\nid = "{name}"\nstate_dir = "{folder}/state"\n'
            f'[enforcement]\nmode = "none"\n[broker]\nport = {port}\n{more}',
            encoding="utf-8",
        )
        self.settings = settings.load(self.config, {})
        database.migrate(self.settings)
        self.store = database.open_edge(self.settings.edge_db)
        self.sync = Process([sys.executable, "-m", "sync", "--config", str(self.config)], folder / "sync.log")

    @property
    def epoch(self) -> str:
        """The epoch of its database."""
        return outbox.epoch(self.store)

    def tell(self, count: int, *, order_each: int = 0) -> None:
        """Append that many events in one transaction."""
        with database.write(self.store):
            for number in range(count):
                order = bool(order_each and number % order_each == 0)
                outbox.append(self.store, _event(number, order=order), time.time())

    def account(self) -> outbox.Account:
        """Return its loss account."""
        return outbox.account(self.store)

    def empty(self) -> bool:
        """Tell whether something was recorded, and all of it acknowledged."""
        account = self.account()
        return account.created > 0 and account.pending == 0

    def damage(self, statement: str, values: Sequence[object] = ()) -> None:
        """Change a row behind the store's back, as a bad disk would."""
        with sqlite3.connect(self.settings.edge_db) as raw:
            raw.execute(statement, values)
        raw.close()


def _event(number: int, *, order: bool) -> Event:
    if order:
        return events.RequestCreated(
            request=f"0191d2c1-0b10-7d02-8f11-{number:012x}", kind="room", subject="room-1", place="kiosk",
            answers={"people": str(number % 9 + 1)},
        )  # fmt: skip
    return events.SessionStarted(session=f"0191d2bd-3160-7c31-9a55-{number:012x}", plan="guest", seconds=14400)
