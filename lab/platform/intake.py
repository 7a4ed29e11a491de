# SPDX-License-Identifier: EUPL-1.2
"""One message from a device: checked and applied inside the caller's transaction. Decides what must be sent after it."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab.platform import ingest, ledger, replies, wire
from lab.platform.contract import Contract, Event, Invalid

if TYPE_CHECKING:
    import sqlite3

    from lab.platform.wire import Topic


@dataclass
class Outcome:
    """What to tell once the transaction is committed: streams to acknowledge, devices to send replies to."""

    streams: set[int] = field(default_factory=set)
    devices: set[int] = field(default_factory=set)


class Intake:
    """Applies messages; holds no state but the compiled contract."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    def take(self, connection: sqlite3.Connection, topic: str, payload: bytes, outcome: Outcome, now: float) -> None:
        """Apply one message; an unreadable one is counted and changes nothing else (R-108)."""
        try:
            where = wire.parse_topic(topic)
        except wire.Refused as refusal:
            _count_refusal(connection, str(refusal), now)
            return
        device = ingest.device_id(connection, where.site, where.device, now)
        try:
            getattr(self, "_" + where.what)(connection, device, where, payload, outcome, now)
        except wire.Refused as refusal:
            _count_refusal(connection, str(refusal), now)
            connection.execute("UPDATE devices SET refused = refused + 1 WHERE id = ?", [device])

    def _events(
        self, connection: sqlite3.Connection, device: int, where: Topic, payload: bytes, outcome: Outcome, now: float
    ) -> None:
        good: dict[str, list[Event]] = defaultdict(list)
        for raw in wire.parse_batch(payload):
            checked = self._contract.event(raw, where)
            if isinstance(checked, Event):
                good[checked.epoch].append(checked)
            else:
                _aside(connection, device, where.klass, checked, outcome, now)
        for epoch, events in good.items():
            stream = ingest.stream_id(connection, device, epoch)
            outcome.streams.add(stream)
            self._apply(connection, device, stream, events, outcome, now)

    @staticmethod
    def _apply(
        connection: sqlite3.Connection, device: int, stream: int, events: list[Event], outcome: Outcome, now: float
    ) -> None:
        """Apply all at once; where one of them can't be, find it and set it aside (R-106)."""
        connection.execute("SAVEPOINT batch")
        try:
            ingest.apply(connection, device, stream, events, now)
        except (OverflowError, ValueError, TypeError, KeyError) as error:
            connection.execute("ROLLBACK TO batch")
            if len(events) == 1:
                event = events[0]
                epoch = connection.execute("SELECT epoch FROM streams WHERE id = ?", [stream]).fetchone()[0]
                body = wire.redact(json.dumps(event.data))[:2000]
                _aside(
                    connection, device, event.klass, Invalid(epoch, event.seq, type(error).__name__, body), outcome, now
                )
            else:
                for event in events:
                    Intake._apply(connection, device, stream, [event], outcome, now)
        connection.execute("RELEASE batch")

    def _state(
        self, connection: sqlite3.Connection, device: int, _where: Topic, payload: bytes, _outcome: Outcome, _now: float
    ) -> None:
        """Note it with its own epoch; only the one of the latest birth is believed (R-502)."""
        if payload:
            state = self._contract.message("state", payload)
            stream = ingest.stream_id(connection, device, state["epoch"])
            connection.execute("UPDATE streams SET online = ? WHERE id = ?", [state["online"], stream])

    def _birth(
        self, connection: sqlite3.Connection, device: int, _where: Topic, payload: bytes, outcome: Outcome, _now: float
    ) -> None:
        """Note where the device stands; it gets the current acknowledgement and its replies (R-203, R-402)."""
        if not payload:
            return
        birth = self._contract.message("birth", payload)
        stream = ingest.stream_id(connection, device, birth["epoch"])
        connection.execute(
            "UPDATE devices SET birth = ?, epoch = ? WHERE id = ?", [json.dumps(_shown(birth)), birth["epoch"], device]
        )
        if birth.get("oldest"):
            connection.execute("UPDATE streams SET oldest = max(oldest, ?) WHERE id = ?", [birth["oldest"], stream])
        outcome.streams.add(stream)
        outcome.devices.add(device)

    def _replied(
        self, connection: sqlite3.Connection, device: int, _where: Topic, payload: bytes, _outcome: Outcome, _now: float
    ) -> None:
        replied = self._contract.message("replied", payload)
        replies.confirm(connection, device, replied["epoch"], replied["n"])


def settle(connection: sqlite3.Connection, outcome: Outcome) -> list[tuple[str, bytes]]:
    """Move the acknowledgements of the touched streams, inside the transaction; return what to publish after it."""
    messages = []
    for stream in sorted(outcome.streams):
        seq = ledger.advance(connection, stream)
        site, name, epoch = connection.execute(
            "SELECT d.site, d.name, s.epoch FROM streams s JOIN devices d ON d.id = s.device WHERE s.id = ?", [stream]
        ).fetchone()
        messages.append((f"{wire.ROOT}/{site}/{name}/ack", json.dumps({"epoch": epoch, "seq": seq}).encode()))
    return messages


def _shown(birth: dict[str, Any]) -> dict[str, Any]:
    return {key: birth.get(key) for key in ("version", "boot", "schemas", "content", "account", "oldest", "at")}


def _aside(
    connection: sqlite3.Connection, device: int, klass: str, invalid: Invalid, outcome: Outcome, now: float
) -> None:
    stream = None
    if invalid.epoch is not None:
        stream = ingest.stream_id(connection, device, invalid.epoch)
        outcome.streams.add(stream)
    ingest.set_aside(connection, device, stream, klass, invalid, now)


def _count_refusal(connection: sqlite3.Connection, reason: str, now: float) -> None:
    connection.execute(
        "INSERT INTO refusals VALUES (?, 1, ?) ON CONFLICT (reason) DO UPDATE SET n = n + 1, last_at = excluded.last_at",
        [reason, now],
    )
