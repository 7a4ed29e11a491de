# SPDX-License-Identifier: EUPL-1.2
"""Notices that edge.db was put back from an old copy, or copied to another machine, and begins a new epoch then.

Numbers that were given once must never mean other events (contracts/README.md, Epochs). A *witness* beside the database
holds the epoch, a number that the outbox has passed, and a keyed hash of the machine. A platform that acknowledges more
than this database ever gave is a witness too.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from edge_core import durable, events
from edge_core.store import outbox, quotas

if TYPE_CHECKING:
    import sqlite3

Reason = Literal["restored", "cloned", "replaced"]

STEP = 500  # events after which the witness is written again: it must not wear out the card
_SERIALS = (
    Path("/sys/firmware/devicetree/base/serial-number"),  # Raspberry Pi
    Path("/sys/class/dmi/id/product_uuid"),
    Path("/sys/class/dmi/id/board_serial"),
)


def machine(places: tuple[Path, ...] = _SERIALS) -> str:
    """Return the serial number of this machine's hardware, which a copied card doesn't carry along; "" if unknown."""
    for place in places:
        try:
            found = place.read_bytes().strip(b"\0\n ").decode("ascii", "replace")
        except OSError:
            continue
        if found:
            return found
    return ""


def witness_of(path: Path) -> Path:
    """Return where the witness of a database is."""
    return path.with_name("edge.witness")


class Witness:
    """The file beside the database; only `sync` writes it."""

    def __init__(self, path: Path, hardware: str) -> None:
        """Take the file and the machine's serial number; nothing is read yet."""
        self._path = path
        self._hardware = hardware
        self._due = -1

    def judge(self, epoch: str, last_seq: int) -> Reason | None:
        """Tell whether the database is not the one that was here last, and why; None where all is well.

        `last_seq` is the highest number that the outbox ever gave. A first start, or a lost witness, is well.
        """
        told = self._read()
        if told is None:
            return None
        if told["machine"] and self._hardware and told["machine"] != _digest(told["salt"], self._hardware):
            return "cloned"
        if told["epoch"] != epoch:
            return None if epoch not in told["past"] else "replaced"
        return "restored" if last_seq < told["seen"] else None

    def keep(self, epoch: str, last_seq: int, *, exact: bool = False) -> None:
        """Note how far the outbox is: once in STEP events, and `exact`ly at an end."""
        if not exact and last_seq < self._due:
            return
        told = self._read() or {"past": [], "epoch": epoch}
        past = told["past"] if told["epoch"] == epoch else [*told["past"], told["epoch"]][-20:]
        salt = uuid4().hex
        self._due = last_seq + STEP
        secret = _digest(salt, self._hardware) if self._hardware else ""
        whole = {"epoch": epoch, "past": past, "seen": last_seq, "salt": salt, "machine": secret}
        durable.replace(self._path, json.dumps(whole).encode())

    def _read(self) -> dict[str, Any] | None:
        try:
            told = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return None
        kinds = {"epoch": str, "past": list, "seen": int, "salt": str, "machine": str}
        good = isinstance(told, dict) and all(type(told.get(name)) is kind for name, kind in kinds.items())
        return told if good else None


def begin_anew(connection: sqlite3.Connection) -> str:
    """Draw a new epoch inside the caller's transaction and number what waits from 1; return the epoch.

    What waits keeps its ids, so that a platform knows an event that it has under an earlier number. Gaps that wait
    speak of numbers of the epoch that is over: they go. So do leases, for the life that is over may have spent them.
    """
    quotas.forget_all(connection)
    connection.execute("DELETE FROM outbox WHERE type = ?", [events.Gap.type])
    waiting = connection.execute("SELECT seq FROM outbox ORDER BY seq").fetchall()
    for number, (seq,) in enumerate(waiting, 1):  # rising, so that a new number is free when its turn comes
        if number != seq:
            connection.execute("UPDATE outbox SET seq = ? WHERE seq = ?", [number, seq])
            connection.execute("UPDATE requests SET seq = ? WHERE seq = ?", [-number, seq])
    connection.execute("UPDATE requests SET seq = CASE WHEN seq < 0 THEN -seq ELSE NULL END WHERE seq IS NOT NULL"
                       " AND (seq < 0 OR seq NOT IN (SELECT seq FROM outbox))")  # fmt: skip
    connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'outbox'", [len(waiting)])
    connection.execute("DELETE FROM account")
    connection.execute(
        "INSERT INTO account (class, created, pending) SELECT class, count(*), count(*) FROM outbox GROUP BY class"
    )
    epoch = uuid4().hex
    connection.execute("UPDATE meta SET value = ? WHERE key = 'epoch'", [epoch])
    return epoch


def settle(connection: sqlite3.Connection, witness: Witness) -> Reason | None:
    """Begin a new epoch where the witness says so, inside the caller's transaction; return why."""
    reason = witness.judge(outbox.epoch(connection), outbox.last_seq(connection))
    if reason is not None:
        begin_anew(connection)
    return reason


def _digest(salt: object, hardware: str) -> str:
    return hashlib.sha256(f"{salt}:{hardware}".encode()).hexdigest()
