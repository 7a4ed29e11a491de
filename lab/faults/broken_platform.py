# SPDX-License-Identifier: EUPL-1.2
"""The reference platform with one rule of the contract broken: `python -m lab.faults.broken_platform R-202 OPTIONS…`.

It shows that the conformance kit finds what it looks for. Each breakage is a mistake that a platform could well have.
"""

from __future__ import annotations

import json
import os
import sys
import time
import zlib
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lab.platform import __main__, ingest, intake, leasing, ledger, link, quotas, replies, store, web, wire, writer

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

_FORGOTTEN = "CASE WHEN t.returned IS NULL THEN t.units ELSE 0 END"  # what a lease had spent when it came back
_link_publish = link.Link.publish
_birth, _state = intake.Intake._birth, intake.Intake._state  # noqa: SLF001
_count = ingest._count  # noqa: SLF001
_redact, _accept_new, _uncovered = wire.redact, replies.accept_new, replies.uncovered


def _put(target: Any, name: str, value: Any) -> None:
    setattr(target, name, value)


def _commit_now_and_then() -> None:
    """R-201: acknowledge at once, commit every few seconds for speed."""
    committed = [time.monotonic()]

    @contextmanager
    def transaction(connection: sqlite3.Connection) -> Iterator[None]:
        if not connection.in_transaction:
            connection.execute("BEGIN IMMEDIATE")
        yield
        if time.monotonic() - committed[0] > 5:
            connection.execute("COMMIT")
            committed[0] = time.monotonic()

    _put(store, "transaction", transaction)


def _forget_duplicates() -> None:
    """R-103: take each arrival for a new event."""

    def count(connection: sqlite3.Connection, streams: Any, placed: Any, _new: Any) -> None:
        _count(connection, streams, placed, Counter((stream, event.type) for stream, event in placed))

    _put(ingest, "_count", count)


def _change_ack(change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    def publish(self: link.Link, topic: str, payload: bytes) -> None:
        _link_publish(
            self, topic, json.dumps(change(json.loads(payload))).encode() if topic.endswith("/ack") else payload
        )

    _put(link.Link, "publish", publish)


def _highest() -> None:
    """R-202: acknowledge the highest number, holes or not."""

    def advance_all(connection: sqlite3.Connection, streams: list[int]) -> list[Any]:
        told = (
            "SELECT d.site, d.name, s.epoch, (SELECT coalesce(max(seq), 0) FROM events e WHERE e.stream = s.id)"
            " FROM streams s JOIN devices d ON d.id = s.device WHERE s.id = ?"
        )
        return [connection.execute(told, [stream]).fetchone() for stream in streams]

    _put(ledger, "advance_all", advance_all)


def _deaf_to_births() -> None:
    """R-203: note a birth and say nothing."""

    def birth(self: intake.Intake, work: intake.Work, *rest: Any) -> None:
        _birth(self, work, *rest)
        work.streams.clear()

    _put(intake.Intake, "_birth", birth)


def _believe_every_will() -> None:
    """R-502: take the latest state for true, whatever its epoch."""

    def state(self: intake.Intake, work: intake.Work, device: int, where: Any, payload: bytes) -> None:
        _state(self, work, device, where, payload)
        if payload:
            online = json.loads(payload)["online"]
            work.connection.execute("UPDATE streams SET online = ? WHERE device = ?", [online, device])

    _put(intake.Intake, "_state", state)


def _acknowledge_failures() -> None:
    """R-206: acknowledge what the store refused."""

    def fail(self: writer.Writer, items: list[Any], _error: Exception) -> None:
        for item in items:
            if "/ev/" in item.topic:
                event = json.loads(item.payload)[-1]
                ack = {"epoch": event["epoch"], "seq": event["seq"]}
                self._publish(item.topic.partition("/ev/")[0] + "/ack", json.dumps(ack).encode())

    _put(writer.Writer, "_fail", fail)


def _answer_each_arrival() -> None:
    """R-401: answer a request each time that it arrives."""

    def uncovered(connection: sqlite3.Connection, device: int) -> list[tuple[str, bytes]]:
        connection.execute(
            "INSERT INTO replies (device, n, request, state, reason, reference, at)"
            " SELECT device, n + 1, request, state, reason, reference, at FROM replies r "
            " WHERE device = ? AND n = (SELECT max(n) FROM replies WHERE device = r.device) AND n % 2 = 1", [device],
        )  # fmt: skip
        return _uncovered(connection, device)

    _put(replies, "uncovered", uncovered)


def _confirm_all(connection: sqlite3.Connection, device: int, _epoch: str, _n: int) -> None:
    top = "(SELECT coalesce(max(n), 0) FROM replies WHERE device = ?)"
    connection.execute(f"UPDATE devices SET replied = {top} WHERE id = ?", [device, device])


def _retain() -> None:
    def publish(self: link.Link, topic: str, payload: bytes) -> None:
        if self.up:
            self._client.publish(topic, payload, qos=1, retain=True)

    _put(link.Link, "publish", publish)


def _speak_for_the_site() -> None:
    def publish(self: link.Link, topic: str, payload: bytes) -> None:
        _link_publish(self, topic, payload)
        if topic.endswith("/ack"):
            _link_publish(self, topic.removesuffix("ack") + "live/content", b"{}")

    _put(link.Link, "publish", publish)


def _set(module: Any, name: str, value: Any) -> Callable[[], None]:
    return lambda: setattr(module, name, value)


def _raw_page() -> None:
    create_app = web.create_app

    def create(surroundings: web.Surroundings) -> Any:
        app = create_app(surroundings)
        app.jinja_env.autoescape = False
        return app

    _put(__main__, "create_app", create)


BREAKAGES: dict[str, Callable[[], None]] = {
    "R-002": _retain,
    "R-005": _set(wire, "unpack", lambda payload: zlib.decompress(payload) if payload[:1] == b"\x78" else payload),
    "R-103": _forget_duplicates,
    "R-106": _set(intake, "_set_aside", lambda *_: None),
    "R-108": _set(intake, "_count_refusals", lambda work: work.refusals and os._exit(1)),
    "R-201": _commit_now_and_then,
    "R-202": _highest,
    "R-203": _deaf_to_births,
    "R-206": _acknowledge_failures,
    "R-303": _set(ledger, "_gone", lambda *_: (0, False)),
    "R-307": lambda: _change_ack(lambda ack: {**ack, "epoch": "epoch-of-the-platform"}),
    "R-401": _answer_each_arrival,
    "R-402": _set(writer, "RESEND_INTERVAL", 1e9),
    "R-404": _set(replies, "confirm", _confirm_all),
    "R-407": _set(quotas, "TAKEN", quotas.TAKEN.replace("coalesce(t.returned, t.units)", _FORGOTTEN)),
    "R-408": _set(quotas, "is_held", lambda *_: False),
    "R-409": _set(quotas, "is_held", lambda *_: True),
    "R-413": _set(leasing, "RETURNED", "eu.parvis.health.up.v1"),
    "R-502": _believe_every_will,
    "R-702": _set(wire, "redact", lambda text: text),
    "R-703": _raw_page,
    "R-803": _speak_for_the_site,
}


def main() -> int:
    """Break one rule, then be the reference platform."""
    BREAKAGES[sys.argv[1]]()
    return __main__.main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
