# SPDX-License-Identifier: EUPL-1.2
"""What this device says about itself: `state` and `birth`, as contracts/schemas has them. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from edge_core import __version__, events
from sync.mqtt import Message

if TYPE_CHECKING:
    from edge_core.store.outbox import Account


def state(root: str, epoch: str, *, online: bool) -> Message:
    """Return the retained `state`; with online False it is also the last will."""
    return Message(f"{root}/state", _json({"online": online, "epoch": epoch}), retain=True)


def birth(
    root: str, *, epoch: str, boot: str, account: Account, oldest: int | None, content: int | None, now: float
) -> Message:
    """Return the retained `birth`: where this device stands at `now` (seconds since 1970)."""
    body = {
        "version": __version__,
        "epoch": epoch,
        "boot": boot,
        "schemas": [event.type for event in events.ALL],
        "content": {"version": content},
        "account": asdict(account),
        "oldest": oldest,
        "at": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    return Message(f"{root}/birth", _json(body), retain=True)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
