# SPDX-License-Identifier: EUPL-1.2
"""What this gateway has to tell the others: its sessions, vouchers, usage and blocks, as they changed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge_core.store import site
from edge_core.store.site import SiteBlock, SiteSession, SiteVoucher

if TYPE_CHECKING:
    import sqlite3
    from ipaddress import IPv4Address

    from edge_core.gateway_key import GatewayKey
    from edge_core.leases import Lease, LeasesFile

_SITE_WIDE = re.compile(r"voucher:[0-9a-f]{32}|person:.+")
_USAGE_SECONDS = 10.0
_RENEWALS_SECONDS = 30.0
"""A new lease is told at once; that one lasts longer can wait: of a thousand guests one renews each second."""
_LONGEST_LEASE = 400 * 86400.0
_GRANT = (
    "session, mac, plan, created_at, expires_at, end_reason, rate_up, rate_down, quota, holder, devices, extended,"
    " zone, revision, ended_at"
)
_VOUCHER = ", ".join(SiteVoucher._fields)


@dataclass
class Since:
    """How far the others know everything."""

    grants: int | None = None
    vouchers: int = 0
    blocks: dict[bytes, SiteBlock] = field(default_factory=dict)
    usage: dict[str, int] = field(default_factory=dict)
    leases: dict[IPv4Address, Lease] = field(default_factory=dict)
    leases_seen: object = None
    renewals_due: float = float("-inf")
    _usage_due: float = float("-inf")

    def usage_is_due(self, moment: float) -> bool:
        """Tell whether usage is to be told again."""
        due = moment >= self._usage_due
        if due:
            self._usage_due = moment + _USAGE_SECONDS
        return due


def sessions(connection: sqlite3.Connection, key: GatewayKey, since: Since, now: float) -> list[SiteSession]:
    """Return the sessions that changed, open or ended before their time; all of them where nothing was told yet."""
    if since.grants is None:
        top = int(connection.execute("SELECT coalesce(max(revision), 0) FROM grants").fetchone()[0])
        rows = connection.execute(f"SELECT {_GRANT} FROM grants WHERE expires_at > ?", [now]).fetchall()
    else:
        rows = connection.execute(f"SELECT {_GRANT} FROM grants WHERE revision > ?", [since.grants]).fetchall()
        top = max((row["revision"] for row in rows), default=since.grants)
    since.grants = top
    return [_session(row, key) for row in rows if row["expires_at"] > now and row["end_reason"] != "expired"]


def _session(row: sqlite3.Row, key: GatewayKey) -> SiteSession:
    shared = bool(_SITE_WIDE.fullmatch(row["holder"]))
    return SiteSession(
        session=row["session"],
        device=key.device(row["mac"]) if row["mac"] else b"",
        plan=row["plan"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        end_reason=row["end_reason"] if row["ended_at"] is not None else None,
        rate_up=row["rate_up"],
        rate_down=row["rate_down"],
        quota=row["quota"],
        holder=row["holder"] if shared else "",
        devices=row["devices"] if shared else None,
        extended=row["extended"],
        zone=row["zone"],
    )


def vouchers(connection: sqlite3.Connection, since: Since) -> list[SiteVoucher]:
    """Return the site's vouchers that changed here."""
    top = int(connection.execute("SELECT coalesce(max(revision), 0) FROM vouchers").fetchone()[0])
    if top == since.vouchers:
        return []
    rows = connection.execute(f"SELECT {_VOUCHER} FROM vouchers WHERE site AND revision > ?", [since.vouchers])
    since.vouchers = top
    return [SiteVoucher(*row) for row in rows]


def blocks(connection: sqlite3.Connection, since: Since) -> list[SiteBlock]:
    """Return the words on devices that are newer than what was told, whoever said them first."""
    found = [word for word in site.blocks(connection) if since.blocks.get(word.device) != word]
    since.blocks.update({word.device: word for word in found})
    return found


def adopt_old_blocks(connection: sqlite3.Connection, key: GatewayKey, gateway: str) -> None:
    """Say all over the site what was blocked before its gateways shared a key, inside the caller's transaction."""
    for (mac,) in connection.execute("SELECT mac FROM blocks").fetchall():
        if site.word_on(connection, key.device(mac)) is None:
            site.say_block(connection, key.device(mac), gateway, blocked=True)


def usage(connection: sqlite3.Connection, since: Since, *, all_shared: bool) -> list[tuple[str, int]]:
    """Return what passed here of the data of sessions and codes that have a quota, where it grew.

    With `all_shared` also that of any session that another gateway has too: it must not take a device for silent.
    """
    rows = connection.execute(
        "SELECT session, up_bytes + down_bytes FROM grants JOIN usage ON grant_id = grants.id"
        " WHERE (quota IS NOT NULL OR ? AND session IN (SELECT session FROM site_sessions)) AND NOT closed"
        " UNION ALL SELECT holder, sum(up_bytes + down_bytes) FROM grants JOIN usage ON grant_id = grants.id"
        " WHERE quota IS NOT NULL AND holder LIKE 'voucher:%' GROUP BY holder",
        [all_shared],
    )
    found = [(row[0], int(row[1])) for row in rows]
    told = [
        (subject, count)
        for subject, count in found
        if since.usage.get(subject) != count and (":" not in subject or _SITE_WIDE.fullmatch(subject))
    ]
    since.usage.update(told)
    return told


def leases(file: LeasesFile, since: Since, now: float, moment: float) -> list[Lease]:
    """Return the leases given here that are news to the other gateway of the pair."""
    current, late = file.current(), moment >= since.renewals_due
    if current is since.leases_seen and not late:
        return []
    since.leases_seen = current
    if late:
        since.renewals_due = moment + _RENEWALS_SECONDS
    found = []
    for address, lease in current.items():
        old = since.leases.get(address)
        if lease.ends_at > now and (old is None or old.mac != lease.mac or (late and old.ends_at < lease.ends_at)):
            since.leases[address] = lease
            found.append(lease._replace(ends_at=min(lease.ends_at, now + _LONGEST_LEASE)))
    return found
