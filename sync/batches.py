# SPDX-License-Identifier: EUPL-1.2
"""Packs outbox rows into messages: pure text work, the one hot path of the uplink.

A row's body is finished JSON; only `source`, `epoch` and `seq` are put in front of its first member, so that a row is
never parsed on its way out. A body that is no JSON object is recognised by `flaw` and never leaves.
"""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sync.uplink import Limits

Row = tuple[int, str, str]  # seq, class, body

_CLASS = re.compile(r"[a-z][a-z0-9]{0,31}")  # the last level of a topic: no "/", "+" or "#"
_NEEDED = ("id", "type", "time", "data")
_OURS = ("source", "epoch", "seq")
_WORTH_COMPRESSING = 1024
_LEVEL = 1  # 6 saves another 2 % of an already small message and costs twice the time
MAX_BODY = 60000  # one event must fit a message of 64 KiB


@dataclass(slots=True)
class Batch:
    """One message: events of one class, in the order of their sequence."""

    klass: str
    parts: list[str] = field(default_factory=list)
    octets: int = 2
    last: int = 0

    def payload(self) -> bytes:
        """Return the JSON array, zlib-compressed where that pays (its first byte then is 0x78, RFC 1950)."""
        plain = f"[{','.join(self.parts)}]".encode()
        return plain if len(plain) < _WORTH_COMPRESSING else zlib.compress(plain, _LEVEL)


@dataclass(frozen=True, slots=True)
class Packed:
    """Batches to send; all rows up to `upto` are in them. `poisoned`: a row that can't be sent ended the packing."""

    batches: list[Batch]
    upto: int
    poisoned: int | None = None


def pack(rows: Sequence[Row], source: str, epoch: str, slots: int, limits: Limits) -> Packed:
    """Fill up to `slots` messages from consecutive rows, one class each, without leaving any row out in between."""
    head = f'{{"source":"{source}","epoch":"{epoch}","seq":'
    overhead = len(head) + 24
    done: list[Batch] = []
    filling: dict[str, Batch] = {}
    upto = 0
    for seq, klass, body in rows:
        if not body.startswith("{") or not body.endswith("}") or len(body) > MAX_BODY:
            return Packed(done, upto, seq)
        size = len(body) + overhead
        batch = filling.get(klass)
        if batch is None or len(batch.parts) >= limits.events or batch.octets + size > limits.octets:
            if len(done) >= slots:
                break
            if not _CLASS.fullmatch(klass):
                return Packed(done, upto, seq)
            batch = filling[klass] = Batch(klass)
            done.append(batch)
        batch.parts.append(f"{head}{seq},{body[1:]}")
        batch.octets += size
        batch.last = upto = seq
    return Packed(done, upto)


def flaw(klass: bytes, body: bytes) -> str:
    """Say what makes a row impossible to send; empty where nothing does. Slow and strict: for suspects only."""
    if not _CLASS.fullmatch(klass.decode("ascii", "replace")):
        return "class"
    try:
        text = body.decode()
        event = json.loads(text, parse_constant=_no_constant)
    except (UnicodeDecodeError, ValueError, RecursionError):
        return "json"
    if len(text) > MAX_BODY:
        return "size"
    if text[:1] != "{" or text[-1:] != "}":
        return "form"
    if not isinstance(event, dict) or any(name not in event for name in _NEEDED):
        return "event"
    return "member" if any(name in event for name in _OURS) else ""


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")
