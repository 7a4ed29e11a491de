# SPDX-License-Identifier: EUPL-1.2
"""The one writer: takes what has come, commits it in one transaction, and only then publishes what follows from it."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from lab.platform import deciding, intake, leasing, replies, retention, store, wishes
from lab.platform.deciding import Ways
from lab.platform.inbox import Decision, Inbox, Message
from lab.platform.intake import Intake, Work, settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.platform.contract import Contract
    from lab.platform.store import Connection

log = logging.getLogger(__name__)
MOST = 200
RESEND_INTERVAL = 5.0
TRIES = 4
PAUSE_AFTER_FAILURE = 0.5


class Writer(threading.Thread):
    """Owns the writing connection. `failure` is the store's present error, None when it works."""

    def __init__(
        self,
        connection: Connection,
        contract: Contract,
        inbox: Inbox,
        publish: Callable[[str, bytes], None],
        *,
        accept: bool,
        term: float = leasing.TERM,
        keep_days: int = 0,
    ) -> None:
        super().__init__(name="writer", daemon=True)
        self._connection = connection
        self._intake = Intake(contract)
        self._inbox = inbox
        self._publish = publish
        self._ways, self._keep_days = Ways(accept, term), keep_days
        self._ending = threading.Event()
        self._resend_at = 0.0
        self._greeting = threading.Event()
        self.failure: str | None = None

    def greet(self) -> None:
        """Ask for the acknowledgement of every device that is online: at the start, and with each new connection.

        A broker tells us retained births by itself; a shared group of consumers (R-203) it tells nothing.
        """
        self._greeting.set()

    def run(self) -> None:
        """Work until `end`; an error costs the batch, which its devices send again, never the thread."""
        while not self._ending.is_set():
            items = self._inbox.take(MOST, 0.5)
            try:
                self._try(items)
                self.failure = None
            except Exception as error:  # noqa: BLE001  the loop's edge: the next batch may pass
                self._fail(items, error)

    def end(self) -> None:
        """Stop after the batch at hand."""
        self._ending.set()
        self.join(10)
        self._connection.close()

    def _try(self, items: list[Message | Decision]) -> None:
        """Work; where another consumer was in the way, once more at once: nothing of the first try has stayed."""
        for _ in range(TRIES):
            with suppress(store.AgainError):
                self._work(items)
                return
        self._work(items)

    def _work(self, items: list[Message | Decision]) -> None:
        if items:
            self._commit(items)
        if self._greeting.is_set():
            self._greeting.clear()
            for topic, payload in intake.standing(self._connection):
                self._publish(topic, payload)
        if time.monotonic() >= self._resend_at:
            self._resend_at = time.monotonic() + RESEND_INTERVAL
            with suppress(store.AgainError):  # what is due stays due; the batch is committed, and must not come again
                deciding.in_time(self._connection, self._ways, time.time())
                if self._keep_days:
                    retention.prune(self._connection, time.time(), self._keep_days)
                    retention.forget(self._connection, time.time(), self._keep_days)
            for device in replies.waiting_devices(self._connection):
                self._send_replies(device)

    def _commit(self, items: list[Message | Decision]) -> None:
        """Commit, then acknowledge: the order is the promise (R-201)."""
        work = Work(self._connection, time.time())
        decided: list[tuple[Decision, int | None]] = []
        with store.transaction(self._connection):
            self._intake.take(work, ((message.topic, message.payload) for message in _by_device(items)))
            decided += [(one, one.change(self._connection)) for one in items if isinstance(one, Decision)]
            only = work.devices | {row for _, row in decided if row is not None}
            work.devices |= deciding.at_once(self._connection, self._ways, work.now, only)
            messages = settle(work)
        for item in items:
            if isinstance(item, Message) and item.settle:
                item.settle()
        for topic, payload in messages:
            self._publish(topic, payload)
        work.devices |= {device for _, device in decided if device is not None}
        for waiting in sorted(work.devices):
            self._send_replies(waiting)
        for decision, device in decided:
            decision.done.set_result(device)

    def _send_replies(self, device: int) -> None:
        for topic, payload in replies.uncovered(self._connection, device) + wishes.waiting(self._connection, device):
            self._publish(topic, payload)

    def _fail(self, items: list[Message | Decision], error: Exception) -> None:
        """Nothing of the batch was committed or acknowledged; say so, wait, go on (R-206)."""
        self.failure = f"{type(error).__name__}: {error}" if isinstance(error, sqlite3.Error) else type(error).__name__
        log.error("The store took nothing of %d messages: %s. They will be sent again.", len(items), self.failure)
        for item in items:
            if isinstance(item, Decision) and not item.done.done():
                item.done.set_exception(error)
        self._ending.wait(PAUSE_AFTER_FAILURE)


def _by_device(items: list[Message | Decision]) -> list[Message]:
    """Put messages in order of devices, so that two consumers of one database lock its rows in the same order.

    Those of one device stay in their order.
    """
    return sorted((one for one in items if isinstance(one, Message)), key=lambda one: one.topic.split("/")[2:4])
