# SPDX-License-Identifier: EUPL-1.2
"""Acts as a platform for one device: commits in memory, acknowledges when the check at hand allows it."""

from __future__ import annotations

import secrets
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from contracts.conformance.link import Heard, Link
from contracts.conformance.schemas import read_batch
from contracts.conformance.verdict import Failed, Skipped

if TYPE_CHECKING:
    from contracts.conformance.hooks import Hooks
    from contracts.conformance.link import Access
    from contracts.conformance.relay import Relay
    from contracts.conformance.schemas import Schemas


@dataclass
class DeviceSubject:
    """A device under test. `patience`: seconds for an answer; what a device sends again may take six times as long."""

    access: Access
    site: str
    device: str
    hooks: Hooks
    schemas: Schemas
    relay: Relay | None = None
    patience: float = 10.0
    arrivals: dict[tuple[str, int], list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    batches: list[tuple[Heard, list[Any] | str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Listen to all that the device says, and acknowledge it as it comes."""
        self.root = f"parvis/1/{self.site}/{self.device}"
        self.reply_epoch = f"kit-{secrets.token_hex(8)}"
        self.most: int | None = None
        self.silent = False
        self._settled: dict[str, int] = defaultdict(int)
        self._gone: dict[str, list[tuple[int, int]]] = defaultdict(list)
        whats = ("state", "birth", "ev/+", "replied", "reported", "live/+")
        self.link = Link(self.access, [f"{self.root}/{what}" for what in whats])
        for heard in list(self.link.heard):
            self._take(heard)
        self.link.on_heard(self._take)

    def close(self) -> None:
        """Leave; the device keeps what was not acknowledged."""
        self.link.__exit__()

    def births(self) -> list[dict[str, Any]]:
        """Return every birth heard, oldest first."""
        return [h.body for h in list(self.link.heard) if h.topic == f"{self.root}/birth" and h.body]

    def need_birth(self) -> dict[str, Any]:
        """Return the latest birth; Failed where the device never said one."""
        if not self.link.wait(self.births, 3 * self.patience):
            raise Failed("no birth was heard: is the device running, and on this broker?")
        return self.births()[-1]

    def acknowledge(self, epoch: str | None = None, seq: int | None = None, **more: Any) -> None:
        """Send an ack: the true one of the current epoch, or whatever is asked for."""
        epoch = epoch or self.need_birth()["epoch"]
        body = {"epoch": epoch, "seq": self.complete(epoch) if seq is None else seq, **more}
        self.link.post(f"{self.root}/ack", body)

    def complete(self, epoch: str) -> int:
        """Return up to where nothing of the epoch is missing."""
        seq, moved = self._settled[epoch], True
        while moved:
            moved = False
            while (epoch, seq + 1) in self.arrivals:
                seq, moved = seq + 1, True
            for first, last in self._gone[epoch]:
                if first <= seq + 1 <= last:
                    seq, moved = last, True
        self._settled[epoch] = seq
        return seq

    def restart(self) -> None:
        """End the device with kill -9, start it, and wait until it has said its birth."""
        known = len(self.births())
        self.hooks.run("kill")
        self.hooks.run("start")
        self.link.wait(lambda: len(self.births()) > known, 3 * self.patience)

    def withheld(self) -> list[int]:
        """Make the device record events while no ack is sent; return their numbers. Ends by `release`.

        It begins with nothing waiting: a device that is told nothing may send its lowest number only, again and again.
        """
        self.link.wait(lambda: self.need_birth()["account"]["pending"] == 0, 3 * self.patience)
        epoch, self.silent = self.need_birth()["epoch"], True
        before = {key for key in self.arrivals if key[0] == epoch}
        self.hooks.run("act")

        def new() -> list[int]:
            return sorted(key[1] for key in list(self.arrivals) if key[0] == epoch and key not in before)

        if not self.link.wait(new, self.patience):
            raise Failed("the hook act was run, and no new event came")
        self.link.wait(lambda: False, 0.5)
        return new()

    def release(self) -> None:
        """Acknowledge again, from now on and what has come."""
        self.silent = False
        self.acknowledge()

    def again(self, seq: int, seconds: float) -> bool:
        """Tell whether an event of the current epoch is sent once more within that time."""
        key = (self.need_birth()["epoch"], seq)
        times = len(self.arrivals[key])
        return bool(self.link.wait(lambda: len(self.arrivals[key]) > times, seconds))

    def reply(self, n: int, epoch: str | None = None, **more: Any) -> None:
        """Send a reply to a request that nobody made."""
        body = {
            "n": n, "epoch": epoch or self.reply_epoch, "request": f"0191d2c1-0b10-7d02-8f11-{n:012x}",
            "state": "accepted", "reason": None, "reference": f"KIT-{n}", "at": "2025-03-04T12:34:58Z", **more,
        }  # fmt: skip
        self.link.publish(f"{self.root}/reply/{n}", body)

    def replied(self, epoch: str | None = None) -> list[int]:
        """Return what the device said that it has of a reply epoch, oldest first."""
        wanted = epoch or self.reply_epoch
        heard = [h.body for h in list(self.link.heard) if h.topic == f"{self.root}/replied"]
        return [body["n"] for body in heard if isinstance(body, dict) and body.get("epoch") == wanted]

    def need_relay(self) -> Relay:
        """Return the relay that the device connects through; skip where there is none."""
        if self.relay is None:
            raise Skipped("needs --relay PORT, with the device's broker set to that port of this machine")
        if not self.relay.came:
            raise Skipped(f"the device does not connect through the relay on port {self.relay.port}")
        return self.relay

    def pause(self, seconds: float) -> None:
        """Let the device go on for a while."""
        end = time.monotonic() + seconds
        self.link.wait(lambda: time.monotonic() >= end, seconds)

    def _take(self, heard: Heard) -> None:
        """Note what came; a batch is acknowledged at once unless the check keeps silent or refuses large ones."""
        what = heard.topic.removeprefix(self.root + "/")
        if what == "birth" and isinstance(heard.body, dict):
            if heard.body.get("oldest"):
                self._gone[heard.body["epoch"]].append((1, heard.body["oldest"] - 1))
            if not self.silent:
                self.acknowledge(heard.body.get("epoch"))
        elif what.startswith("ev/"):
            self._take_batch(heard)

    def _take_batch(self, heard: Heard) -> None:
        try:
            events = read_batch(heard.payload)
        except ValueError as error:
            self.batches.append((heard, str(error)))
            return
        if self.most is not None and len(events) > self.most:
            return
        self.batches.append((heard, events))
        for event in events:
            self.arrivals[event["epoch"], event["seq"]].append(event)
            if event["type"] == "eu.parvis.health.gap.v1":
                self._gone[event["epoch"]].append((event["data"]["first"], event["data"]["last"]))
        if not self.silent:
            self.acknowledge(events[0]["epoch"])
