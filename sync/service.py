# SPDX-License-Identifier: EUPL-1.2
"""The uplink at work: joins the outbox, the window and the connection in one loop; decides nothing by itself.

One thread does all of it. Whatever goes wrong in the store (locked, full, damaged) is logged and tried again: the rows
wait where they are.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from edge_core import logs, notify
from edge_core.errors import StoreError
from edge_core.store import outbox
from edge_core.store.database import write
from sync import birth
from sync.batches import MAX_BODY, Packed, flaw, pack
from sync.mqtt import Connected, Disconnected, Message
from sync.replies import RefusedReplyError, Replies, Reply, parse
from sync.telling import Telling, Who
from sync.uplink import Verdict, Window, read_ack

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping, Sequence

    from edge_core.settings import Settings
    from sync.mqtt import Link, Notice
    from sync.site.exchange import Gateways
    from sync.uplink import Limits
    from sync.wishes import Wishes

_log = logs.get(__name__)
_TURN = 0.05  # seconds: an event that is appended leaves within this time; one look costs some 50 µs
_STUMBLE_SECONDS = 1.0
_TEND_SECONDS = 2.0
_FEW, _DELETE_SECONDS = 50, 2.0  # between two deletions of few rows: each is some 13 kB written to a card
_MAX_UNCONFIRMED = 100
_MAX_GAPS = 500
_MAX_REPLIES = 1000
_SUSPICIOUS = 2  # rounds without progress after which rows are looked at one by one, and sent in smaller messages


class Talk(Protocol):
    """What is told to other devices anew when a connection begins."""

    def again(self) -> None:
        """Begin anew."""


class Service:
    """The loop. `content_version` tells what is served here, `poke` wakes the download of content.

    `hear` takes what other devices of the site show on `live/{what}`, by what, with the device's name; `offer` is the
    content that this one offers them, `gateways` what it tells the other gateways. `talks` begin anew with each
    connection, `tend` is called now and then.

    `restored` turns true, and `run` ends, when the platform holds more of this epoch than this database ever gave.
    """

    def __init__(
        self,
        settings: Settings,
        connection: sqlite3.Connection,
        link: Link,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
        boot: str,
        content_version: Callable[[], int | None],
        poke: Callable[[], None],
        counts: Counter[str],
        limits: Limits | None = None,
        hear: Mapping[str, Callable[[str, bytes], object]] | None = None,
        offer: bytes = b"",
        tend: Callable[[], None] | None = None,
        talks: Sequence[Talk] = (),
        wishes: Wishes | None = None,
        gateways: Gateways | None = None,
    ) -> None:
        self.window = Window(outbox.epoch(connection), limits)
        self.counts = counts
        self._root = settings.topic_root
        self._source = f"/{settings.site.id}/{settings.device.id}"
        self._feed = f"parvis/1/{settings.site.id}/feed"
        self._connection = connection
        self._link = link
        self._clock, self._wall = clock, wall
        self._poke, self._hear_live = poke, hear or {}
        self.restored, self._heard, self._beyond, self._greeted_by = False, False, 0, 0.0
        self._tend, self._tend_due, self._delete_due = tend, 0.0, 0.0
        self._talks, self._gateways = talks, gateways
        who = Who(self._root, self.window.epoch, boot)
        self._telling = Telling(
            who, connection, self._publish, content_version=content_version, offer=offer, wishes=wishes
        )
        self._replies = Replies(connection)
        self._acked: tuple[str, int] | None = None
        self._inbox: list[Reply] = []
        self._gaps_upto = 0  # of this round
        self._resume = 0.0
        self._stumbles = 0

    def run(self, stopping: Callable[[], bool]) -> None:
        """Work until `stopping`, then say that this device is offline."""
        pulse = notify.Pulse()
        notify.ready()
        while not stopping() and not self.restored:
            self.step(_TURN)
            pulse.beat(self._clock())
        self._link.close(birth.state(self._root, self.window.epoch, online=False), 1.0, self._clock)

    def step(self, timeout: float) -> None:
        """Wait up to `timeout` for the network, then do what there is to do."""
        for notice in self._link.turn(timeout, self._clock()):
            self._try(self._take, notice)
        if self._clock() >= self._resume and self._try(self._work):
            self._stumbles = 0

    def _try(self, act: Callable[..., None], *given: Notice) -> bool:
        """Do it; where the store refuses, say so, and what is still to do is done later."""
        try:
            act(*given)
        except (sqlite3.Error, StoreError) as error:
            self._stumble(error)
            return False
        return True

    def _take(self, notice: Notice) -> None:
        if isinstance(notice, Message):
            self._receive(notice)
        elif isinstance(notice, Connected):
            _log.info("mqtt_connected", protocol=notice.protocol)
            self.window.connect(self._clock())
            self._greeted_by = self._clock() + self.window.limits.greeting
            self._gaps_upto = 0
            self._telling.connected()
            self._publish(birth.state(self._root, self.window.epoch, online=True))
            for talk in self._talks:
                talk.again()
        elif isinstance(notice, Disconnected):
            _log.warning("mqtt_disconnected")
            self.window.disconnect()

    def _receive(self, message: Message) -> None:
        if message.topic == self._feed:
            self._poke()
        elif message.topic == f"{self._root}/ack":
            self._hear(message.payload)
        elif message.topic == f"{self._root}/desired":
            self._telling.hear_wish(message.payload)
        elif "/live/" in message.topic:
            self._receive_live(message)
        elif message.topic.startswith(f"{self._root}/reply/"):
            try:
                reply = parse(message.payload)
                if len(self._inbox) < _MAX_REPLIES:  # the rest comes again: `replied` doesn't cover it
                    self._inbox.append(reply)
            except RefusedReplyError as error:
                self._refuse("reply", str(error))

    def _receive_live(self, message: Message) -> None:
        """Take what another device of the site shows."""
        device, _, what = message.topic.split("/")[3:6]
        if not message.topic.startswith(f"{self._root}/") and what in self._hear_live:
            self._hear_live[what](device, message.payload)

    def _hear(self, payload: bytes) -> None:
        """Keep the highest acknowledgement that may be believed; it is judged again when it is written down."""
        found = read_ack(payload)
        if found is None:
            self._refuse("ack", "malformed")
            return
        before = self.window.cursor
        verdict, _ = self.window.judge(*found, self._clock())
        self._heard = self._heard or verdict in (Verdict.ADVANCED, Verdict.REPEATED)
        if verdict is Verdict.ADVANCED:
            self._acked = max(self._acked, found, key=lambda ack: ack[1]) if self._acked else found
        elif verdict is Verdict.BEYOND and self._is_from_another_life(found[1]):
            self.restored = True
        elif verdict is not Verdict.REPEATED:
            self._refuse("ack", verdict.value)
        elif self.window.cursor < before:
            self._gaps_upto = 0

    def _is_from_another_life(self, seq: int) -> bool:
        """Tell whether the platform holds more of our epoch than this database ever gave: it is an old copy.

        Believed before anything else that made sense, so that it happens once at most; once we have sent, when it is
        said twice.
        """
        if seq <= outbox.last_seq(self._connection) or self._heard:
            self._heard = True
            return False
        twice, self._beyond = seq == self._beyond, seq
        return twice or self.window.ceiling == 0

    def _work(self) -> None:
        self._delete_acknowledged()
        self._apply_replies()
        if self.window.expire(self._clock()):
            _log.warning("platform_silent", tries=self.window.tries, acked=self.window.acked)
            self._gaps_upto = 0
            if self.window.tries == _SUSPICIOUS:
                self._inspect()
        self._send()
        if not self._telling.turn(self._clock, self._wall, connected=self._link.connected):
            self._refuse("desired", "malformed")
        told = self._gateways.turn(self._clock(), connected=self._link.connected) if self._gateways else ()
        for payload in told:
            self._publish(Message(f"{self._root}/live/gateways", payload))
        if self._tend is not None and self._clock() >= self._tend_due:
            self._tend_due = self._clock() + _TEND_SECONDS
            self._tend()

    def _delete_acknowledged(self) -> None:
        if self._acked is None:
            return
        few = self._acked[1] - self.window.acked < _FEW and self.window.slots  # a full window can't wait
        if few and self._clock() < self._delete_due:
            return
        self._delete_due = self._clock() + _DELETE_SECONDS
        verdict, upto = self.window.judge(*self._acked, self._clock())
        if verdict is Verdict.ADVANCED:
            with write(self._connection):
                self.counts["acked"] += outbox.acknowledge(self._connection, upto)
            self.window.advance(upto, self._clock())
        self._acked = None

    def _apply_replies(self) -> None:
        if not self._inbox:
            return
        positions = self._replies.apply(self._inbox, self._wall())
        self._inbox = []
        for epoch, n in positions.items():
            self._publish(Message(f"{self._root}/replied", _json({"epoch": epoch, "n": n})))

    def _send(self) -> None:
        if not self._heard and self._clock() < self._greeted_by:
            return  # an old copy of the database must not use numbers again before the platform told how far it is
        slots = min(self.window.slots, _MAX_UNCONFIRMED - self._link.unconfirmed)
        if slots <= 0:
            return
        limits = self._limits()
        try:
            rows = outbox.read_after(self._connection, self.window.cursor, slots * limits.events)
        except sqlite3.OperationalError as error:
            if "decode" not in str(error):
                raise
            self._inspect()
            return
        if not rows:
            return
        if rows[-1][0] - self.window.cursor != len(rows):
            self._tell_gaps()
        packed = pack(rows, self._source, self.window.epoch, slots, limits)
        self._hand_over(packed)
        if packed.poisoned is not None:
            self._inspect()

    def _hand_over(self, packed: Packed) -> None:
        for batch in packed.batches:
            if not self._publish(Message(f"{self._root}/ev/{batch.klass}", batch.payload())):
                return  # the connection is gone: the next one starts from the lowest unacknowledged row
            self.counts["sent"] += len(batch.parts)
        if packed.batches:
            self.window.sent([batch.last for batch in packed.batches], packed.upto, self._clock())

    def _limits(self) -> Limits:
        """Shrink messages step by step where the acknowledgement doesn't move: one bad event can't hold the rest."""
        usual = self.window.limits
        if self.window.tries < _SUSPICIOUS:
            return usual
        events = max(1, usual.events // 10 ** min(self.window.tries - 1, 3))
        return replace(usual, events=events)

    def _tell_gaps(self) -> None:
        """Send declared gaps ahead of their turn, once in each round."""
        rows = outbox.gaps(self._connection, self._gaps_upto, _MAX_GAPS)
        limits = self.window.limits
        for batch in pack(rows, self._source, self.window.epoch, _MAX_GAPS, limits).batches:
            if self._publish(Message(f"{self._root}/ev/{batch.klass}", batch.payload())):
                self.window.sent_ahead(batch.last)
                self._gaps_upto = batch.last

    def _inspect(self) -> None:
        """Look at the next rows one by one and set aside those that can't be sent."""
        rows = outbox.read_raw(self._connection, self.window.cursor, self.window.limits.events * 10)
        for seq, klass, body in rows:
            reason = flaw(klass, body)
            if reason:
                name = klass.decode("ascii", "replace") if reason != "class" else "health"
                with write(self._connection):
                    outbox.set_aside(self._connection, seq, name, reason, self._wall())
                self.counts["set_aside"] += 1
                _log.error("row_set_aside", seq=seq, flaw=reason, limit=MAX_BODY)

    def _publish(self, message: Message) -> bool:
        return self._link.publish(message.topic, message.payload, retain=message.retain)

    def _refuse(self, what: str, reason: str) -> None:
        self.counts[f"refused_{what}"] += 1
        if logs.worth_telling(self.counts[f"refused_{what}"]):
            _log.warning("refused", what=what, reason=reason, times=self.counts[f"refused_{what}"])

    def _stumble(self, error: Exception) -> None:
        """Say why the store refuses, let go of it for a second, and try again. Nothing was deleted."""
        self.counts["stumbled"] += 1
        self._stumbles += 1
        self._resume = self._clock() + _STUMBLE_SECONDS
        if logs.worth_telling(self._stumbles):
            again = "It is tried again each second."
            _log.error("store_refused", reason=str(error), times=self._stumbles, remedy=again)


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
