# SPDX-License-Identifier: EUPL-1.2
"""What gateways of one site tell each other, as bytes: sealed under the site's key; pure.

Times in a message are by its sender's clock, and it carries that clock's `now`: the receiver moves them by the
difference, so that neither clock has to be right. Whatever isn't exactly as it should be is left out and counted.
"""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any, TypeVar

from edge_core.checked import LARGEST, limit, matching, whole
from edge_core.leases import MAC, Lease
from edge_core.store.grants import VOUCHER
from edge_core.store.site import SiteBlock, SiteSession, SiteVoucher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from edge_core.gateway_key import GatewayKey

Row = TypeVar("Row")
_LONGEST_BODY = 4 << 20  # bytes once unpacked
_LONGEST_TIME = 400 * 86400.0
_MOST_ROWS = 5000
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_HOLDER = re.compile(r"|voucher:[0-9a-f]{32}|person:[A-Za-z0-9_-]{1,64}")
_HEX16, _HEX32 = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{64}")


@dataclass
class Told:
    """One message, its times by the receiver's clock. `life` and `number` say which of its sender's it is."""

    life: str = ""
    number: int = 0
    hello: bool = False
    """The sender knows nothing yet and asks for everything."""
    sessions: list[SiteSession] = field(default_factory=list)
    usage: list[tuple[str, int]] = field(default_factory=list)
    vouchers: list[SiteVoucher] = field(default_factory=list)
    blocks: list[SiteBlock] = field(default_factory=list)
    pair: int = 0
    """Number of the pair (`[ha] router_id`) whose other gateway the leases are for; 0: there is none."""
    leases: list[Lease] = field(default_factory=list)
    refused: int = 0
    """Rows that made no sense."""


def pack(key: GatewayKey, sender: str, told: Told, now: float) -> bytes:
    """Return a message of `sender` (the device's name on this site) at `now`."""
    body = {
        "life": told.life,
        "number": told.number,
        "now": now,
        "hello": told.hello,
        "sessions": [[each.session, each.device.hex(), *each[2:]] for each in told.sessions],
        "usage": told.usage,
        "vouchers": [[each.digest.hex(), *each[1:]] for each in told.vouchers],
        "blocks": [[each.device.hex(), *each[1:]] for each in told.blocks],
        "pair": told.pair,
        "leases": [[each.mac, str(each.address), each.ends_at] for each in told.leases],
    }
    return key.seal(zlib.compress(json.dumps(body, separators=(",", ":")).encode(), 1), sender)


def unpack(key: GatewayKey, sender: str, payload: bytes, now: float) -> Told:
    """Return what `sender` told, its times moved to a clock that shows `now`.

    Raises OtherKeyError where it was sealed with another key, ValueError where it is none of ours.
    """
    body = json.loads(_inflate(key.open(payload, sender)))
    if not isinstance(body, dict):
        raise ValueError("not an object")  # noqa: TRY004  every flaw of a message is this one error
    moved = now - _moment(body.get("now"))
    told = Told(matching(_HEX16, body.get("life")), whole(body.get("number")), body.get("hello") is True)
    told.sessions = _rows(told, body.get("sessions"), lambda row: _session(row, moved, now))
    told.usage = _rows(told, body.get("usage"), lambda row: (_subject(row[0]), whole(row[1])))
    told.vouchers = _rows(told, body.get("vouchers"), lambda row: _voucher(row, moved))
    told.blocks = _rows(told, body.get("blocks"), _block)
    # A release that knows no pairs says nothing of them.
    told.pair = whole(body.get("pair", 0), 0, 255)
    told.leases = _rows(told, body.get("leases", []), lambda row: _lease(row, moved, now))
    return told


def _inflate(data: bytes) -> bytes:
    machine = zlib.decompressobj()
    try:
        body = machine.decompress(data, _LONGEST_BODY)
    except zlib.error as error:
        raise ValueError("can't be unpacked") from error
    if machine.unconsumed_tail:
        raise ValueError("too long")
    return body


def _rows(told: Told, raw: Any, read: Callable[[list[Any]], Row]) -> list[Row]:
    found = []
    for row in _listed(raw)[:_MOST_ROWS]:
        try:
            found.append(read(_listed(row)))
        except (ValueError, IndexError, TypeError):
            told.refused += 1
    return found


def _session(row: list[Any], moved: float, now: float) -> SiteSession:
    session, device, plan, created, expires, reason, up, down, quota, holder, devices, extended, zone = row
    ends = _moment(expires) + moved
    if ends > now + _LONGEST_TIME:
        raise ValueError("lasts too long")
    return SiteSession(
        session=matching(_UUID, session),
        device=bytes.fromhex(matching(_HEX16, device)) if device else b"",
        plan=matching(_WORD, plan),
        created_at=_moment(created) + moved,
        expires_at=ends,
        end_reason=None if reason is None else matching(_WORD, reason),
        rate_up=limit(up),
        rate_down=limit(down),
        quota=limit(quota),
        holder=matching(_HOLDER, holder),
        devices=limit(devices),
        extended=whole(extended),
        zone=matching(_WORD, zone),
    )


def _voucher(row: list[Any], moved: float) -> SiteVoucher:
    digest, batch, plan, seconds, up, down, quota, devices, made, until, used, revoked = row
    if not isinstance(batch, str) or not 1 <= len(batch) <= 200 or not batch.isprintable():
        raise ValueError("batch")
    return SiteVoucher(
        digest=bytes.fromhex(matching(_HEX32, digest)),
        batch=batch,
        plan=matching(_WORD, plan),
        seconds=whole(seconds, 1, int(_LONGEST_TIME)),
        rate_up=limit(up),
        rate_down=limit(down),
        quota=limit(quota),
        devices=whole(devices, 1, 1000),
        made_at=_moment(made) + moved,
        valid_until=_moment(until) + moved,
        used_at=None if used is None else _moment(used) + moved,
        revoked_at=None if revoked is None else _moment(revoked) + moved,
    )


def _block(row: list[Any]) -> SiteBlock:
    device, blocked, version, gateway = row
    if not isinstance(blocked, bool):
        raise ValueError("blocked")  # noqa: TRY004
    return SiteBlock(
        bytes.fromhex(matching(_HEX16, device)),
        blocked,
        whole(version, 1, 2**31),
        matching(_WORD, gateway),
    )


def _lease(row: list[Any], moved: float, now: float) -> Lease:
    mac, address, ends_at = row
    if not isinstance(address, str):
        raise ValueError("no address")  # noqa: TRY004
    return Lease(matching(MAC, mac), IPv4Address(address), min(_moment(ends_at) + moved, now + _LONGEST_TIME))


def _subject(raw: Any) -> str:
    return matching(_HOLDER, raw) if isinstance(raw, str) and raw.startswith(VOUCHER) else matching(_UUID, raw)


def _listed(raw: Any) -> list[Any]:
    if not isinstance(raw, list):
        raise ValueError("no list")  # noqa: TRY004
    return raw


def _moment(raw: Any) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not 0 <= raw < LARGEST:
        raise ValueError("no moment")
    return float(raw)


def in_parts(told: Told, most: int) -> Iterable[Told]:
    """Split what is to be told into messages of at most `most` rows each."""
    for name in ("leases", "blocks", "vouchers", "sessions", "usage"):
        rows = getattr(told, name)
        for start in range(0, len(rows), most):
            yield Told(**{name: rows[start : start + most]})
