# SPDX-License-Identifier: EUPL-1.2
"""What a device tells of itself as time passes: its birth, what it offers its neighbours, which settings it follows."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from edge_core.store import outbox
from sync import birth
from sync.mqtt import Message

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from sync.wishes import Told, Wishes

_BIRTH_SECONDS = 3.0
_BIRTH_SHARE = 20  # counting a long outbox takes a while: at most a twentieth of the time goes into it
_OFFER_SECONDS = 300.0
_WISH_SECONDS = 1.0


@dataclass(frozen=True)
class Who:
    """The device: the root of its topics, the epoch of its database, the boot."""

    root: str
    epoch: str
    boot: str


class Telling:
    """Publishes through `publish`, which says whether there is a connection; each thing once, until it changes."""

    def __init__(
        self,
        who: Who,
        connection: sqlite3.Connection,
        publish: Callable[[Message], bool],
        *,
        content_version: Callable[[], int | None],
        offer: bytes = b"",
        wishes: Wishes | None = None,
    ) -> None:
        self._who, self._connection, self._publish = who, connection, publish
        self._content_version, self._offer, self._wishes = content_version, offer, wishes
        self._wish = b""
        self._wishes_due = 0.0
        self.connected()

    def connected(self) -> None:
        """Tell everything again: a broker may have forgotten it."""
        self._birth_due, self._offer_due = 0.0, 0.0
        self._birth_told: Any = None
        self._reported: Told | None = None

    def hear_wish(self, payload: bytes) -> None:
        """Keep what the platform wishes of settings until the next turn; the last one counts."""
        self._wish = payload

    def turn(self, clock: Callable[[], float], wall: Callable[[], float], *, connected: bool) -> bool:
        """Tell what has changed and is due; False where a wish for settings made no sense. Raises StoreError.

        Settings on trial are judged without a connection, too.
        """
        if connected:
            self._tell_birth(clock, wall)
            self._tell_offer(clock())
        return self._follow_wishes(clock())

    def _tell_birth(self, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        now = clock()
        if now < self._birth_due:
            return
        account, oldest, content = (
            outbox.account(self._connection), outbox.oldest(self._connection), self._content_version()
        )  # fmt: skip
        self._birth_due = now + max(_BIRTH_SECONDS, _BIRTH_SHARE * (clock() - now))
        if (account, oldest, content) == self._birth_told:
            return
        who = self._who
        message = birth.birth(
            who.root, epoch=who.epoch, boot=who.boot, account=account, oldest=oldest, content=content, now=wall()
        )
        if self._publish(message):
            self._birth_told = (account, oldest, content)

    def _tell_offer(self, now: float) -> None:
        """Tell the site's devices, and nobody beyond, where content can be taken from."""
        if self._offer and now >= self._offer_due:
            self._offer_due = now + _OFFER_SECONDS
            self._publish(Message(f"{self._who.root}/live/content", self._offer))

    def _follow_wishes(self, now: float) -> bool:
        """Take the last wish, judge the one on trial, and report (contracts, R-901)."""
        if self._wishes is None or now < self._wishes_due:
            return True
        self._wishes_due = now + _WISH_SECONDS
        legible = self._wishes.hear(self._wish)
        self._wish = b""  # only now: where it couldn't be written down, the next turn tries again
        self._wishes.turn()
        told = self._wishes.told
        if told is not None and told != self._reported:
            body = json.dumps(asdict(told)).encode()
            if self._publish(Message(f"{self._who.root}/reported", body, retain=True)):
                self._reported = told
        return legible
