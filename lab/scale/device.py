# SPDX-License-Identifier: EUPL-1.2
"""A device that follows the contract and is as light as can be: an outbox in memory, a window, full jitter.

It stands in for `sync` where hundreds or thousands are wanted at once. It remembers every event that it ever made, so
that a history checker can compare.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import time
import zlib
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab.platform.testing import uuid7
from lab.scale.wire import Client

if TYPE_CHECKING:
    from collections.abc import Sequence

BATCH = 100
IN_FLIGHT = 10
PATIENCE = 5.0
LONGEST_WAIT = 60.0
ORDER_EACH = 10  # one event in ten is somebody's request


@dataclass
class Counts:
    """What a whole swarm counts: connections made and lost, messages and pokes."""

    connects: list[float] = field(default_factory=list)
    failures: int = 0
    messages: int = 0
    resent: int = 0
    pokes: list[float] = field(default_factory=list)


class SimDevice:
    """`ids` has the id of each event made, by its number less one; `acked` is what the platform confirmed."""

    def __init__(
        self, name: str, ports: Sequence[int], counts: Counts, site: str = "cite", *, keepalive: int = 60
    ) -> None:
        self.name, self.site, self.epoch = name, site, secrets.token_hex(8)
        self.root = f"parvis/1/{site}/{name}"
        self.ids: list[str] = []
        self.orders = 0
        self.acked = 0
        self.replied = 0
        self.counts = counts
        self._ports, self._keepalive = list(ports), keepalive
        self._bodies: dict[int, tuple[str, str]] = {}
        self._cursor = 0
        self._since = 0.0
        self._client: Client | None = None
        self._up = False
        self._failures = 0
        self._flight: deque[int] = deque()
        self._room, self._tries = IN_FLIGHT, 0
        self._ending = False
        self._replies: dict[str, int] = {}

    @property
    def pending(self) -> int:
        """How many events no acknowledgement covers."""
        return len(self.ids) - self.acked

    @property
    def connected(self) -> bool:
        """Whether the broker has taken our subscriptions."""
        return self._up

    async def connect(self, wait: float = 0.0) -> None:
        """Try until the broker answers, each time a random moment later (R-503)."""
        await asyncio.sleep(wait)
        while not self._ending:
            try:
                await asyncio.wait_for(self._dial(), 20)
            except (OSError, TimeoutError):
                self._failures += 1
                self.counts.failures += 1
                await asyncio.sleep(self._jitter())
            else:
                return

    def tell(self, count: int) -> None:
        """Make events and send what the window lets through."""
        for _ in range(count):
            seq = len(self.ids) + 1
            self.ids.append(uuid7())
            self._bodies[seq] = self._event(seq)
        self.push()

    def push(self) -> None:
        """Send what the window lets through; where no acknowledgement came for too long, begin again with one message.

        Waiting doubles with each try, and each acknowledgement doubles the room: a platform that is slow is not buried.
        """
        if not self._up or self._client is None:
            return
        now = time.monotonic()
        if self._flight and now - self._since > min(LONGEST_WAIT, PATIENCE * 2.0**self._tries):
            self._cursor, self._room, self._tries = self.acked, 1, self._tries + 1
            self._flight.clear()
            self.counts.resent += 1
        if not self._flight:
            self._since = now
        while self._cursor < len(self.ids) and len(self._flight) < self._room:
            self._send(self._client)
            self._flight.append(self._cursor)

    def close(self, *, politely: bool = True) -> None:
        """End for good."""
        self._ending = True
        if self._client is not None:
            self._client.close(politely=politely)

    def cut(self) -> None:
        """Lose the connection."""
        if self._client is not None:
            self._client.close(politely=False)

    async def _dial(self) -> None:
        port = random.choice(self._ports)
        will = (f"{self.root}/state", json.dumps({"online": False, "epoch": self.epoch}).encode())
        topics = (f"{self.root}/ack", f"{self.root}/reply/+", f"parvis/1/{self.site}/feed")
        ready: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def settled() -> None:
            if not ready.done():
                ready.set_result(True)

        self._client = Client(
            f"{self.site}-{self.name}-{secrets.token_hex(3)}", will, topics, keepalive=self._keepalive,
            received=self._receive, ready=settled, gone=lambda: self._lost(ready),
        )  # fmt: skip
        client = self._client
        await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", port)
        try:
            taken = await ready
        except asyncio.CancelledError:
            client.close(politely=False)
            raise
        if not taken:
            raise ConnectionResetError
        self._greet(client)

    def _greet(self, client: Client) -> None:
        self._up, self._failures, self._cursor = True, 0, self.acked
        self._flight.clear()
        self._room, self._tries = IN_FLIGHT, 0
        self.counts.connects.append(time.monotonic())
        client.publish(f"{self.root}/state", json.dumps({"online": True, "epoch": self.epoch}).encode(), retain=True)
        client.publish(f"{self.root}/birth", json.dumps(self._birth()).encode(), retain=True)
        self.push()

    def _birth(self) -> dict[str, Any]:
        account = {"created": len(self.ids), "acked": self.acked, "pending": self.pending, "dropped": 0}
        return {
            "version": "0.1.0", "epoch": self.epoch, "boot": "b1", "schemas": [], "content": {"version": None},
            "account": account, "oldest": self.acked + 1 if self.pending else None, "at": "2025-03-04T12:00:00Z",
        }  # fmt: skip

    def _lost(self, ready: asyncio.Future[bool]) -> None:
        was_up, self._up = self._up, False
        if not ready.done():
            ready.set_result(False)
        elif was_up and not self._ending:
            self._again = asyncio.get_running_loop().create_task(self.connect(self._jitter()))

    def _jitter(self) -> float:
        return random.uniform(0, min(LONGEST_WAIT, 1.0 * 2.0 ** min(self._failures, 10)))

    def _send(self, client: Client) -> None:
        klass = self._bodies[self._cursor + 1][0]
        bodies: list[str] = []
        while self._cursor < len(self.ids) and len(bodies) < BATCH and self._bodies[self._cursor + 1][0] == klass:
            self._cursor += 1
            bodies.append(self._bodies[self._cursor][1])
        plain = f"[{','.join(bodies)}]".encode()
        client.publish(f"{self.root}/ev/{klass}", zlib.compress(plain, 1) if len(plain) > 1024 else plain)
        self.counts.messages += 1

    def _event(self, seq: int) -> tuple[str, str]:
        order = seq % ORDER_EACH == 0
        self.orders += order
        kind, klass, data = ("session.started", "usage", {"session": uuid7(), "plan": "guest", "seconds": 14400})
        if order:
            kind, klass = "request.created", "order"
            data = {"request": uuid7(), "kind": "room", "subject": "salle", "data": {"people": 2}, "place": None}
        event = {
            "specversion": "1.0", "id": self.ids[seq - 1], "source": f"/{self.site}/{self.name}",
            "type": f"eu.parvis.{kind}.v1", "time": "2025-03-04T12:34:56.789Z", "epoch": self.epoch, "seq": seq,
            "boot": "b1", "monotonic": float(seq), "synchronised": True, "datacontenttype": "application/json",
            "data": data,
        }  # fmt: skip
        return klass, json.dumps(event, separators=(",", ":"))

    def _receive(self, topic: str, payload: bytes) -> None:
        what = topic.removeprefix(self.root + "/")
        if topic.endswith("/feed"):
            self.counts.pokes.append(time.monotonic())
            return
        body = json.loads(payload)
        if what == "ack" and body["epoch"] == self.epoch and self.acked < body["seq"] <= len(self.ids):
            for seq in range(self.acked + 1, body["seq"] + 1):
                del self._bodies[seq]
            self.acked, self._since = body["seq"], time.monotonic()
            self._cursor = max(self._cursor, self.acked)
            while self._flight and self._flight[0] <= self.acked:
                self._flight.popleft()
            self._room, self._tries = min(IN_FLIGHT, self._room * 2), 0
            self.push()
        elif what.startswith("reply/"):
            self._reply(body)

    def _reply(self, body: dict[str, Any]) -> None:
        """Apply replies in their order, once each, and say how far we are (R-403)."""
        if body["n"] == self.replied + 1:
            self.replied = body["n"]
        if self._client is not None:
            told = json.dumps({"epoch": body["epoch"], "n": self.replied}).encode()
            self._client.publish(f"{self.root}/replied", told)
