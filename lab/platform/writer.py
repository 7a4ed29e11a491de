# SPDX-License-Identifier: EUPL-1.2
"""The one writer: takes what has come, commits it in one transaction, and only then publishes what follows from it."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from typing import TYPE_CHECKING

from lab.platform import replies, store
from lab.platform.inbox import Decision, Inbox, Message
from lab.platform.intake import Intake, Work, settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.platform.contract import Contract

log = logging.getLogger(__name__)
MOST = 200
RESEND_INTERVAL = 5.0
PAUSE_AFTER_FAILURE = 0.5


class Writer(threading.Thread):
    """Owns the writing connection. `failure` is the store's present error, None when it works."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        contract: Contract,
        inbox: Inbox,
        publish: Callable[[str, bytes], None],
        *,
        accept: bool,
    ) -> None:
        super().__init__(name="writer", daemon=True)
        self._connection = connection
        self._intake = Intake(contract)
        self._inbox = inbox
        self._publish = publish
        self._accept = accept
        self._ending = threading.Event()
        self._resend_at = 0.0
        self.failure: str | None = None

    def run(self) -> None:
        """Work until `end`; an error costs the batch, which its devices send again, never the thread."""
        while not self._ending.is_set():
            items = self._inbox.take(MOST, 0.5)
            try:
                self._work(items)
                self.failure = None
            except Exception as error:  # noqa: BLE001  the loop's edge: the next batch may pass
                self._fail(items, error)

    def end(self) -> None:
        """Stop after the batch at hand."""
        self._ending.set()
        self.join(10)
        self._connection.close()

    def _work(self, items: list[Message | Decision]) -> None:
        if items:
            self._commit(items)
        if time.monotonic() >= self._resend_at:
            self._resend_at = time.monotonic() + RESEND_INTERVAL
            for device in replies.waiting_devices(self._connection):
                self._send_replies(device)

    def _commit(self, items: list[Message | Decision]) -> None:
        """Commit, then acknowledge: the order is the promise (R-201)."""
        work = Work(self._connection, time.time())
        decided: list[tuple[Decision, int | None]] = []
        with store.transaction(self._connection):
            for item in items:
                if isinstance(item, Message):
                    self._intake.take(work, item.topic, item.payload)
                else:
                    decided.append((item, item.change(self._connection)))
            if self._accept:
                work.devices |= replies.accept_new(self._connection, work.now)
            messages = settle(work)
        for topic, payload in messages:
            self._publish(topic, payload)
        work.devices |= {device for _, device in decided if device is not None}
        for waiting in sorted(work.devices):
            self._send_replies(waiting)
        for decision, device in decided:
            decision.done.set_result(device)

    def _send_replies(self, device: int) -> None:
        for topic, payload in replies.uncovered(self._connection, device):
            self._publish(topic, payload)

    def _fail(self, items: list[Message | Decision], error: Exception) -> None:
        """Nothing of the batch was committed or acknowledged; say so, wait, go on (R-206)."""
        self.failure = f"{type(error).__name__}: {error}" if isinstance(error, sqlite3.Error) else type(error).__name__
        log.error("The store took nothing of %d messages: %s. They will be sent again.", len(items), self.failure)
        for item in items:
            if isinstance(item, Decision) and not item.done.done():
                item.done.set_exception(error)
        self._ending.wait(PAUSE_AFTER_FAILURE)
