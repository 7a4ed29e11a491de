# SPDX-License-Identifier: EUPL-1.2
"""Acts as a device: says whatever a check wants said, and hears what the platform answers."""

from __future__ import annotations

import secrets
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts.conformance.link import Link
from contracts.conformance.verdict import Failed, Skipped

if TYPE_CHECKING:
    from contracts.conformance.hooks import Hooks
    from contracts.conformance.inspection import Inspection
    from contracts.conformance.link import Access
    from contracts.conformance.schemas import Schemas

ROOT = "parvis/1"
NOW = "2025-03-04T12:34:56Z"


@dataclass
class PlatformSubject:
    """A platform under test. `repository` is its content's URL or None; `patience` is in seconds."""

    access: Access
    site: str
    device: str
    hooks: Hooks
    look: Inspection
    schemas: Schemas
    repository: str | None = None
    patience: float = 10.0

    def __post_init__(self) -> None:
        """Connect; a platform's every word to this device is heard from now on."""
        self.root = f"{ROOT}/{self.site}/{self.device}"
        self.feed = f"{ROOT}/{self.site}/feed"
        below = ("ack", "reply/+", "desired", "live/+")
        self.link = Link(self.access, [*(f"{self.root}/{one}" for one in below), self.feed])
        self.boot = str(uuid.uuid4())
        self._automatic: bool | None = None

    def close(self) -> None:
        """Take the retained messages away and leave."""
        for what in ("state", "birth"):
            self.link.publish(f"{self.root}/{what}", b"", retain=True)
        self.link.__exit__()

    def life(self) -> Life:
        """Begin a new life: an epoch of its own, in which nothing was sent yet."""
        return Life(self, f"kit-{secrets.token_hex(8)}")

    def replies(self, request: str) -> list[dict[str, Any]]:
        """Return the valid replies to one request, repeats included, oldest first."""
        prefix = f"{self.root}/reply/"
        return [
            h.body for h in self.link.heard
            if h.topic.startswith(prefix) and isinstance(h.body, dict) and h.body.get("request") == request
        ]  # fmt: skip

    def last_reply(self) -> tuple[str, int] | None:
        """Return epoch and number of the highest reply heard of the present reply epoch; None before the first."""
        heard = [h.body for h in self.link.heard if h.topic.startswith(f"{self.root}/reply/") and h.body]
        if not heard:
            return None
        epoch = heard[-1]["epoch"]
        return epoch, max(body["n"] for body in heard if body["epoch"] == epoch)

    def cover(self) -> None:
        """Confirm every reply heard so far."""
        if last := self.last_reply():
            self.link.publish(f"{self.root}/replied", {"epoch": last[0], "n": last[1]})

    def need_automatic(self) -> None:
        """Skip where the platform does not answer requests by itself: then no reply is due to what we ask."""
        if self._automatic is None:
            life, order = self.life(), request()
            life.send("order", [life.event(1, "request.created", order)])
            self._automatic = bool(self.link.wait(lambda: self.replies(order["request"]), self.patience / 2))
            self.cover()
        if not self._automatic:
            raise Skipped("no reply came by itself: let the platform decide requests without a person")

    def unanswered(self, order: dict[str, Any]) -> bool:
        """Tell whether no reply comes for a second after a valid request has been answered."""
        life, valid = self.life(), request()
        life.send("order", [life.event(1, "request.created", valid)])
        self.link.wait(lambda: self.replies(valid["request"]), self.patience)
        self.link.wait(lambda: self.replies(order["request"]), 1)
        return not self.replies(order["request"])


class Life:
    """One epoch of the device."""

    def __init__(self, subject: PlatformSubject, epoch: str) -> None:
        self.subject, self.epoch = subject, epoch

    def event(self, seq: int, kind: str = "health.up", data: Any = None, **more: Any) -> dict[str, Any]:
        """Make an event of this life; `more` overrides its attributes."""
        return {
            "specversion": "1.0", "id": uuid7(), "source": f"/{self.subject.site}/{self.subject.device}",
            "type": f"eu.parvis.{kind}.v1", "time": NOW, "epoch": self.epoch, "seq": seq,
            "boot": self.subject.boot, "monotonic": float(seq), "synchronised": True,
            "datacontenttype": "application/json",
            "data": {"version": "0.0.0", "role": "conformance"} if data is None else data, **more,
        }  # fmt: skip

    def events(self, *numbers: int) -> list[dict[str, Any]]:
        """Make one plain event for each number."""
        return [self.event(seq) for seq in numbers]

    def send(self, klass: str, payload: Any) -> None:
        """Publish a batch, or bytes as they are."""
        self.subject.link.publish(f"{self.subject.root}/ev/{klass}", payload, timeout=self.subject.patience)

    def birth(self, *, oldest: int | None = None, created: int = 0, **more: Any) -> None:
        """Publish state and birth; `created` events are said to be pending."""
        root, link = self.subject.root, self.subject.link
        link.publish(f"{root}/state", {"online": True, "epoch": self.epoch}, retain=True)
        body = {
            "version": "0.0.0", "epoch": self.epoch, "boot": self.subject.boot, "schemas": [],
            "content": {"version": None}, "oldest": oldest, "at": NOW,
            "account": {"created": created, "acked": 0, "pending": created, "dropped": 0}, **more,
        }  # fmt: skip
        link.publish(f"{root}/birth", body, retain=True)

    def acks(self) -> list[tuple[float, int]]:
        """Return moment and number of each ack of this life, oldest first."""
        return [
            (h.at, h.body["seq"]) for h in self.subject.link.heard
            if h.topic == f"{self.subject.root}/ack" and isinstance(h.body, dict) and h.body.get("epoch") == self.epoch
        ]  # fmt: skip

    def acked(self) -> int | None:
        """Return the highest ack; None before the first. One that comes late, and lower, says nothing new (R-204)."""
        return max((seq for _, seq in self.acks()), default=None)

    def reach(self, seq: int, after: str) -> float:
        """Wait until the ack is `seq` exactly; return the moment. Failed where it is not, in time."""
        if not self.subject.link.wait(lambda: self.acked() == seq, self.subject.patience):
            last = self.acked()
            foreign = self._foreign()
            raise Failed(
                f"after {after} the ack should be {seq}, but {'none came' if last is None else f'it is {last}'}"
                + (f"; acks of another epoch: {foreign}" if foreign else "")
            )
        return self.acks()[-1][0]

    def stays(self, seq: int | None, after: str, seconds: float = 0.7) -> None:
        """Watch that the ack does not leave `seq`."""
        began = time.monotonic()
        self.subject.link.wait(lambda: self.acked() not in {seq, None}, seconds)
        if (now := self.acked()) not in {seq, None}:
            raise Failed(f"after {after} the ack went to {now} within {time.monotonic() - began:.1f} s")

    def _foreign(self) -> int:
        """Count acks of an epoch that is no life of ours."""
        acks = [h.body for h in self.subject.link.heard if h.topic == f"{self.subject.root}/ack"]
        return sum(not str((body or {}).get("epoch", "")).startswith("kit-") for body in acks)


def request(**more: Any) -> dict[str, Any]:
    """Make the data of a request that nobody made before."""
    return {"request": uuid7(), "kind": "room", "subject": "conformance", "data": {"people": 2}, "place": None, **more}


def uuid7() -> str:
    """Make a UUID of version 7 (RFC 9562)."""
    value = (
        (int(time.time() * 1000) << 80) | (7 << 76) | (secrets.randbits(12) << 64) | (2 << 62) | secrets.randbits(62)
    )
    return str(uuid.UUID(int=value))
