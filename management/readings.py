# SPDX-License-Identifier: EUPL-1.2
"""What a device can say of itself in numbers, gathered at most once every few seconds, however often it is asked."""

from __future__ import annotations

import shutil
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_core import clock, uplink
from edge_core.certificate import judge
from edge_core.cli import status
from edge_core.doctor import wear
from edge_core.errors import ParvisError
from edge_core.store import database, outbox
from edge_core.store.replica import Replica
from edge_core.support import hardware

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_core.settings import Settings

_KEPT_SECONDS = 2.0


@dataclass(frozen=True)
class Reading:
    """One moment of a device: `facts` as `parvis status --json`, ages in seconds; None is what nobody can tell."""

    facts: dict[str, Any]
    streams: dict[str, tuple[outbox.Account, float | None]]
    content_version: int | None
    content_age: float | None
    uplink: uplink.Uplink | None
    certificate: bool | None
    disk_free: int | None
    disk_total: int | None
    taken: float
    health: hardware.Health
    uplink_bytes: tuple[int, int] | None
    """Received and sent by the interface to the Internet."""
    wear: wear.Wear | None


def take(settings: Settings, now: float) -> Reading:
    """Read everything. Raises ParvisError where the database can't be read."""
    with closing(database.open_edge(settings.edge_db)) as connection:
        streams = {
            name: (account, outbox.oldest_age(connection, name, now) if account.pending else 0.0)
            for name, account in outbox.accounts(connection).items()
        }
    with closing(Replica(settings.content_db)) as replica:
        state = replica.state()
    free, total = _disk(settings)
    return Reading(
        facts=status.gather(settings),
        streams=streams,
        content_version=state.version,
        content_age=None if state.checked_at is None else max(0.0, now - state.checked_at),
        uplink=uplink.read(settings.run_dir),
        certificate=_certificate(settings, now),
        disk_free=free,
        disk_total=total,
        taken=now,
        health=hardware.read(),
        uplink_bytes=_counted(settings.wan.interface),
        wear=wear.of(settings.device.state_dir, clock.monotonic()),
    )


class Gauge:
    """Takes a reading when the last one is older than two seconds: a flood of questions costs no more than a few."""

    def __init__(
        self,
        settings: Settings,
        tick: Callable[[], float] = time.monotonic,
        kept: float = _KEPT_SECONDS,
        told: Callable[[Reading], None] = lambda _reading: None,
    ) -> None:
        """Take what to read, and who is told of each reading; nothing is read yet."""
        self._settings, self._tick, self._kept, self._told = settings, tick, kept, told
        self._lock = threading.Lock()
        self._last: Reading | None = None
        self._at = 0.0

    def read(self) -> Reading | None:
        """Return the last reading; None while the database can't be read."""
        with self._lock:
            if not self._at or self._tick() - self._at >= self._kept:
                try:
                    self._last = take(self._settings, clock.now())
                    self._told(self._last)
                except ParvisError:
                    self._last = None
                self._at = self._tick() or self._kept
            return self._last


def _counted(interface: str, folder: Path = Path("/sys/class/net")) -> tuple[int, int] | None:
    try:
        counts = [
            int((folder / interface / "statistics" / name).read_text(encoding="ascii"))
            for name in ("rx_bytes", "tx_bytes")
        ]
    except (OSError, ValueError):
        return None
    return counts[0], counts[1]


def _certificate(settings: Settings, now: float) -> bool | None:
    if settings.portal.tls_certificate is None:
        return None
    return judge(settings.portal.tls_certificate, settings.portal.hostname, now).usable


def _disk(settings: Settings) -> tuple[int | None, int | None]:
    try:
        usage = shutil.disk_usage(settings.device.state_dir)
    except OSError:
        return None, None
    return usage.free, usage.total
