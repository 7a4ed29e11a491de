# SPDX-License-Identifier: EUPL-1.2
"""The stream down: the platform's numbered replies to requests, its news of visits and leases, applied in order, once.

A reply and the cursor behind it are one transaction, so repeating a reply changes nothing. A reply that makes no sense
is counted and passed over: it never becomes sensible, and it must not hold back the others.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_core import logs
from edge_core.store import requests, visits
from edge_core.store.database import write
from sync import quota_news, visit_news

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from sync.quota_news import LeaseNews
    from sync.visit_news import VisitNews

_log = logs.get(__name__)
_EPOCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{7,63}")
_STATES = ("accepted", "rejected", "waitlisted", "done")
_MAX_N = 2**53 - 1
_MAX_REASON, _MAX_REFERENCE = 500, 64
_SEEN_TWICE = 2


class RefusedReplyError(ValueError):
    """A message on reply/{n} of which not even the place in its stream can be read."""


@dataclass(frozen=True)
class Reply:
    """Number `n` of stream `epoch`; `request` is empty where the rest of it makes no sense."""

    epoch: str
    n: int
    request: str = ""
    state: str = ""
    reason: str | None = None
    reference: str | None = None
    visit: VisitNews | None = None
    lease: LeaseNews | None = None


def parse(payload: bytes) -> Reply:
    """Read a reply; raises RefusedReplyError where its stream or number can't be read."""
    try:
        raw = json.loads(payload)
    except (ValueError, RecursionError):
        raise RefusedReplyError("not JSON") from None
    if not isinstance(raw, dict):
        raise RefusedReplyError("not an object")
    epoch, n = raw.get("epoch"), raw.get("n")
    if not isinstance(epoch, str) or not _EPOCH.fullmatch(epoch):
        raise RefusedReplyError("epoch")
    if type(n) is not int or not 1 <= n <= _MAX_N:
        raise RefusedReplyError("n")
    request, state = raw.get("request"), raw.get("state")
    texts = _text(raw.get("reason"), _MAX_REASON) and _text(raw.get("reference"), _MAX_REFERENCE)
    if not isinstance(request, str) or state not in _STATES or not texts:
        return Reply(epoch, n)
    visit = visit_news.parse(request, raw["visit"]) if "visit" in raw else None
    lease = quota_news.parse(request, raw["lease"]) if "lease" in raw else None
    if ("visit" in raw and visit is None) or ("lease" in raw and lease is None):
        return Reply(epoch, n)
    return Reply(epoch, n, request, state, raw.get("reason"), raw.get("reference"), visit, lease)


class Replies:
    """Applies replies. `unknown` counts those that named no request of ours or made no sense."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lowest: tuple[str, int, int] = ("", 0, 0)
        self.unknown = 0

    def apply(self, replies: Iterable[Reply], now: float) -> dict[str, int]:
        """Apply what is in turn, in one transaction; return, for each stream named, how far it is applied.

        Raises StoreError where it can't be written: the platform sends again what `replied` doesn't cover.
        """
        positions: dict[str, int] = {}
        before: dict[str, int] = {}
        unknown = 0
        with write(self._connection):
            for reply in sorted(replies, key=lambda each: (each.epoch, each.n)):
                if reply.epoch not in positions:
                    before[reply.epoch] = positions[reply.epoch] = requests.cursor(self._connection, reply.epoch)
                if reply.n == positions[reply.epoch] + 1 or self._begins_here(reply, positions[reply.epoch]):
                    unknown += not self._apply(reply, now)
                    positions[reply.epoch] = reply.n
            for epoch, n in positions.items() - before.items():
                requests.set_cursor(self._connection, epoch, n)
        self.unknown += unknown
        return positions

    def _apply(self, reply: Reply, now: float) -> bool:
        known = bool(reply.request) and self._apply_known(reply, now)
        if not known:
            _log.warning("reply_passed_over", n=reply.n, legible=bool(reply.request))
        return known

    def _apply_known(self, reply: Reply, now: float) -> bool:
        if reply.visit is not None:
            return self._apply_visit(reply.request, reply.visit, now)
        if reply.lease is not None:
            return quota_news.apply(self._connection, reply.lease, now)
        return requests.apply_reply(
            self._connection,
            request=reply.request,
            state=reply.state,
            reason=reply.reason,
            reference=reply.reference,
            now=now,
        )

    def _apply_visit(self, key: str, news: VisitNews, now: float) -> bool:
        if news.announced is not None:
            return visits.announce(self._connection, key, news.announced, now)
        return visits.answer(self._connection, key, news.answer, now)

    def _begins_here(self, reply: Reply, position: int) -> bool:
        """Tell whether a stream that is new to this database begins in its middle.

        A device whose database was lost meets a platform that goes on counting. When the lowest number that is sent
        comes a second time without anything below it, nothing below it will come.
        """
        if position:
            return False
        epoch, lowest, times = self._lowest
        if epoch != reply.epoch or reply.n < lowest:
            self._lowest = (reply.epoch, reply.n, 1)
            return False
        if reply.n == lowest:
            self._lowest = (epoch, lowest, times + 1)
        return reply.n == lowest and times + 1 >= _SEEN_TWICE


def _text(value: Any, limit: int) -> bool:
    return value is None or (isinstance(value, str) and len(value) <= limit)
