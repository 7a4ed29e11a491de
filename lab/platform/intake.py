# SPDX-License-Identifier: EUPL-1.2
"""One message from a device, checked and applied inside the caller's transaction; says what must be sent after it."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab.platform import ingest, ledger, replies, wire, wishes
from lab.platform.contract import Contract, Event, Invalid

if TYPE_CHECKING:
    from lab.platform.store import Connection
    from lab.platform.wire import Topic


@dataclass
class Work:
    """One transaction: its connection and time, and what to tell once it is committed.

    `streams` are to be acknowledged, `devices` to be sent their replies.
    """

    connection: Connection
    now: float
    streams: set[int] = field(default_factory=set)
    devices: set[int] = field(default_factory=set)


class Intake:
    """Applies messages; holds no state but the compiled contract."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    def take(self, work: Work, topic: str, payload: bytes) -> None:
        """Apply one message; an unreadable one is counted and changes nothing else (R-108)."""
        try:
            where = wire.parse_topic(topic)
        except wire.RefusedError as refusal:
            _count_refusal(work, str(refusal))
            return
        device = ingest.device_id(work.connection, where.site, where.device, work.now)
        ways = {"events": self._events, "state": self._state, "birth": self._birth,
                "replied": self._replied, "reported": self._reported}  # fmt: skip
        try:
            ways[where.what](work, device, where, payload)
        except wire.RefusedError as refusal:
            _count_refusal(work, str(refusal))
            work.connection.execute("UPDATE devices SET refused = refused + 1 WHERE id = ?", [device])

    def _events(self, work: Work, device: int, where: Topic, payload: bytes) -> None:
        good: dict[str, list[Event]] = defaultdict(list)
        for raw in wire.parse_batch(payload):
            checked = self._contract.event(raw, where)
            if isinstance(checked, Event):
                good[checked.epoch].append(checked)
            else:
                _set_aside(work, device, where.klass, checked)
        for epoch, events in good.items():
            stream = ingest.stream_id(work.connection, device, epoch)
            work.streams.add(stream)
            _apply(work, device, stream, events)

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
    messages = []
    for stream in sorted(work.streams):
        seq = ledger.advance(work.connection, stream)
        site, name, epoch = work.connection.execute(
            "SELECT d.site, d.name, s.epoch FROM streams s JOIN devices d ON d.id = s.device WHERE s.id = ?", [stream]
        ).fetchone()
        messages.append((f"{wire.ROOT}/{site}/{name}/ack", json.dumps({"epoch": epoch, "seq": seq}).encode()))
    return messages


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


def _apply(work: Work, device: int, stream: int, events: list[Event]) -> None:
    """Apply all at once; where one of them can't be, find it and set it aside (R-106)."""
    work.connection.execute("SAVEPOINT batch")
    try:
        ingest.apply(work.connection, device, stream, events)
    except (OverflowError, ValueError, TypeError, KeyError, sqlite3.IntegrityError) as error:
        work.connection.execute("ROLLBACK TO batch")
        if len(events) == 1:
            invalid = Invalid(
                events[0].epoch, events[0].seq, f"can't be applied: {type(error).__name__}", wire.kept(events[0].data)
            )
            _set_aside(work, device, events[0].klass, invalid)
        else:
            for event in events:
                _apply(work, device, stream, [event])
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


def _count_refusal(work: Work, reason: str) -> None:
    work.connection.execute(
        "INSERT INTO refusals VALUES (?, 1, ?)"
        " ON CONFLICT (reason) DO UPDATE SET n = refusals.n + 1, last_at = excluded.last_at",
        [reason, work.now],
    )
