# SPDX-License-Identifier: EUPL-1.2
"""The queue between network, pages and the one writer: bounded in bytes, so that a flood slows its sender, not us."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from lab.platform.store import Connection

ROOM = 32 << 20


@dataclass(frozen=True)
class Message:
    """What came from a device; `settle` tells a stream that keeps messages that this one is committed."""

    topic: str
    payload: bytes
    settle: Callable[[], None] | None = None


@dataclass(frozen=True)
class Decision:
    """What a person decided: `change`, in the writer's transaction, returns the device to reply to, for `done`."""

    change: Callable[[Connection], int | None]
    done: Future[Any]


@dataclass
class Inbox:
    """First in, first out; `put` waits for room, `take` waits for the first item and then takes what is there."""

    _items: deque[Message | Decision] = field(default_factory=deque)
    _bytes: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def waiting(self) -> int:
        """How many items wait."""
        return len(self._items)

    def put(self, item: Message | Decision, timeout: float = 5.0) -> bool:
        """Append; False when there was no room in time: the device will send it again."""
        size = _size(item)
        with self._changed:
            if not self._changed.wait_for(lambda: self._bytes + size <= ROOM, timeout):
                return False
            self._items.append(item)
            self._bytes += size
            self._changed.notify_all()
            return True

    def take(self, most: int, timeout: float) -> list[Message | Decision]:
        """Return up to `most` items, oldest first; an empty list after `timeout` seconds of silence."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._items), timeout)
            taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
            self._bytes -= sum(_size(item) for item in taken)
            self._changed.notify_all()
            return taken


def _size(item: Message | Decision) -> int:
    return len(item.payload) + len(item.topic) if isinstance(item, Message) else 0
