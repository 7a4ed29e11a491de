# SPDX-License-Identifier: EUPL-1.2
"""Messages from devices, checked and applied inside the caller's transaction; says what must be sent after it."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab.platform import ingest, ledger, replies, store, wire, wishes
from lab.platform.contract import Contract, Event, Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lab.platform.store import Connection
    from lab.platform.wire import Topic


@dataclass
class Work:
    """One transaction: its connection and time, and what to tell once it is committed.

    `events` are valid, each with its device; `streams` are to be acknowledged, `devices` to be sent their replies.
    `refusals` counts by reason what could not be read.
    """

    connection: Connection
    now: float
    events: list[tuple[int, Event]] = field(default_factory=list)
    streams: set[int] = field(default_factory=set)
    devices: set[int] = field(default_factory=set)
    refusals: Counter[str] = field(default_factory=Counter)


class Intake:
    """Applies messages; holds no state but the compiled contract."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    def take(self, work: Work, messages: Iterable[tuple[str, bytes]]) -> None:
        """Apply messages (topic, payload); an unreadable one is counted and changes nothing else (R-108)."""
        readable = []
        for topic, payload in messages:
            try:
                readable.append((wire.parse_topic(topic), payload))
            except wire.RefusedError as refusal:
                work.refusals[str(refusal)] += 1
        devices = ingest.device_ids(work.connection, {(one.site, one.device) for one, _ in readable}, work.now)
        for where, payload in readable:
            self._take_one(work, devices[where.site, where.device], where, payload)
        if work.events:
            _apply(work, work.events)
        _count_refusals(work)

    def _take_one(self, work: Work, device: int, where: Topic, payload: bytes) -> None:
        ways = {"events": self._events, "state": self._state, "birth": self._birth,
                "replied": self._replied, "reported": self._reported}  # fmt: skip
        try:
            ways[where.what](work, device, where, payload)
        except wire.RefusedError as refusal:
            work.refusals[str(refusal)] += 1
            work.connection.execute("UPDATE devices SET refused = refused + 1 WHERE id = ?", [device])

    def _events(self, work: Work, device: int, where: Topic, payload: bytes) -> None:
        for raw in wire.parse_batch(payload):
            checked = self._contract.event(raw, where)
            if isinstance(checked, Event):
                work.events.append((device, checked))
            else:
                _set_aside(work, device, where.klass, checked)

    def _state(self, work: Work, device: int, _where: Topic, payload: bytes) -> None:
        """Note it with its own epoch; only the one of the latest birth is believed (R-502)."""
        if payload:
            state = self._contract.message("state", payload)
            stream = ingest.stream_id(work.connection, device, state["epoch"])
            work.connection.execute("UPDATE streams SET online = ? WHERE id = ?", [int(state["online"]), stream])

    def _birth(self, work: Work, device: int, _where: Topic, payload: bytes) -> None:
        """Note where the device stands; it gets the current acknowledgement and its replies (R-203, R-402)."""
        if not payload:
            return
        birth = self._contract.message("birth", payload)
        stream = ingest.stream_id(work.connection, device, birth["epoch"])
        work.connection.execute(
            "UPDATE devices SET birth = ?, epoch = ? WHERE id = ?", [json.dumps(_shown(birth)), birth["epoch"], device]
        )
        if birth.get("oldest"):
            oldest = int(birth["oldest"])
            work.connection.execute(
                "UPDATE streams SET oldest = ? WHERE id = ? AND oldest < ?", [oldest, stream, oldest]
            )
        work.streams.add(stream)
        work.devices.add(device)

    def _replied(self, work: Work, device: int, _where: Topic, payload: bytes) -> None:
        replied = self._contract.message("replied", payload)
        replies.confirm(work.connection, device, replied["epoch"], int(replied["n"]))

    def _reported(self, work: Work, device: int, _where: Topic, payload: bytes) -> None:
        if payload:
            wishes.note(work.connection, device, self._contract.message("reported", payload), work.now)


def settle(work: Work) -> list[tuple[str, bytes]]:
    """Move the acknowledgements of the touched streams, inside the transaction; return what to publish after it."""
    return [
        (f"{wire.ROOT}/{site}/{name}/ack", json.dumps({"epoch": epoch, "seq": seq}).encode())
        for site, name, epoch, seq in ledger.advance_all(work.connection, sorted(work.streams))
    ]


def standing(connection: Connection) -> list[tuple[str, bytes]]:
    """Return where every online device stands, in its present epoch: what a platform says when it starts (R-203)."""
    rows = connection.execute(
        "SELECT d.site, d.name, s.epoch, s.acked FROM devices d JOIN streams s ON s.device = d.id AND s.epoch = d.epoch"
        " WHERE s.online = 1"
    ).fetchall()
    return [
        (f"{wire.ROOT}/{site}/{name}/ack", json.dumps({"epoch": epoch, "seq": seq}).encode())
        for site, name, epoch, seq in rows
    ]


def _apply(work: Work, told: Sequence[tuple[int, Event]]) -> None:
    """Apply all at once; where one of them can't be, find it by halves and set it aside (R-106)."""
    work.connection.execute("SAVEPOINT batch")
    try:
        work.streams |= ingest.apply(work.connection, told, work.now)
    except (OverflowError, ValueError, TypeError, KeyError, sqlite3.IntegrityError) as error:
        work.connection.execute("ROLLBACK TO batch")
        if len(told) == 1:
            ((device, event),) = told
            reason = f"can't be applied: {type(error).__name__}"
            _set_aside(work, device, event.klass, Invalid(event.epoch, event.seq, reason, wire.kept(event.data)))
        else:
            middle = len(told) // 2
            for half in (told[:middle], told[middle:]):
                _apply(work, half)
    work.connection.execute("RELEASE batch")


def _set_aside(work: Work, device: int, klass: str, invalid: Invalid) -> None:
    stream = None
    if invalid.epoch is not None:
        stream = ingest.stream_id(work.connection, device, invalid.epoch)
        work.streams.add(stream)
    letter = ingest.Letter(device, stream, invalid.seq, klass, work.now, invalid.reason, invalid.body)
    ingest.set_aside(work.connection, letter)


def _shown(birth: dict[str, Any]) -> dict[str, Any]:
    return {key: birth.get(key) for key in ("version", "boot", "schemas", "content", "account", "oldest", "at")}


def _count_refusals(work: Work) -> None:
    """Count at the end and in order: these rows are every consumer's."""
    rows = [(reason, n, work.now) for reason, n in sorted(work.refusals.items())]
    tail = "ON CONFLICT (reason) DO UPDATE SET n = refusals.n + excluded.n, last_at = excluded.last_at"
    store.write_rows(work.connection, "refusals", "reason, n, last_at", rows, tail)
