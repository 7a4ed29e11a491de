# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: E501
"""What is kept of people, why, where and for how long: the one table that the purge obeys and the documents print.

`python -m edge_core.store.kept` prints docs/privacy.md. A row with `purge` is deleted by `retention`, by its statement
and after its `seconds`; the others say in words what ends them, and where that is done.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

DAY = 86400.0


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One kind of data. `seconds` after the moment that `until` names, it goes; None where `until` says it all."""

    data: str
    purpose: str
    place: str
    until: str
    seconds: float | None = None
    purge: str = ""
    """Deletes at most ?2 rows that are older than the moment ?1 (seconds since 1970)."""

    @property
    def period(self) -> str:
        """How long, in words."""
        if self.seconds is None:
            return self.until
        if self.seconds < DAY:
            return f"{self.seconds:g} s after {self.until}"
        return f"{self.seconds / DAY:g} days after {self.until}"


REQUESTS = Kept(
    data="requests: the words of a form, and what a service answered",
    purpose="doing what was asked for; showing where it stands",
    place="edge.db, `requests`",
    until="its last change, once the platform has acknowledged it",
    seconds=60 * DAY,
    purge="DELETE FROM requests WHERE id IN (SELECT id FROM requests WHERE updated_at < ?1 AND NOT EXISTS"
    " (SELECT 1 FROM outbox WHERE outbox.seq = requests.seq) LIMIT ?2)",
)
SESSIONS = Kept(
    data="sessions under a random number: plan, length, volume; no device",
    purpose="statistics; what a voucher has left",
    place="edge.db, `grants` and `usage`",
    until="its end, and no more than the last million (a voucher's: kept with the voucher)",
    seconds=90 * DAY,
)
SET_ASIDE = Kept(
    data="events that were damaged, as they are",
    purpose="finding out why",
    place="edge.db, `set_aside`",
    until="they were set aside",
    seconds=90 * DAY,
    purge="DELETE FROM set_aside WHERE seq IN (SELECT seq FROM set_aside WHERE at < ?1 LIMIT ?2)",
)
OPPOSITIONS = Kept(
    data="who is not to be counted: 24 bits of a keyed hash of the address, which 4 million addresses share, and the day",
    purpose="leaving them out of every count",
    place="edge.db, `oppositions`",
    until="the last tap (a tap takes it back at once)",
    seconds=365 * DAY,
    purge="DELETE FROM oppositions WHERE token IN (SELECT token FROM oppositions WHERE day < ?1 LIMIT ?2)",
)
SERIES = Kept(
    data="presence: counts of a zone or access point in five minutes, none under 10, rounded to 5",
    purpose="knowing how the park is used; open data",
    place="edge.db, `series`",
    until="its window",
    seconds=731 * DAY,
    purge="DELETE FROM series WHERE (zone, access_point, start) IN"
    " (SELECT zone, access_point, start FROM series WHERE start < ?1 LIMIT ?2)",
)
LEASES = Kept(
    data="leases of scarce things: what, how many, how many of them went; nobody's name",
    purpose="confirming a booking while the platform is away",
    place="edge.db, `leases`",
    until="its end",
    seconds=60 * DAY,
    purge="DELETE FROM leases WHERE id IN (SELECT id FROM leases WHERE ended_at < ?1 LIMIT ?2)",
)
PURGED = (REQUESTS, SET_ASIDE, OPPOSITIONS, SERIES, LEASES)
"""What one statement deletes; sessions and visits need more (`retention`, `erasure`)."""
OTHERS = (
    Kept(
        data="address of a device (MAC) with its session",
        purpose="letting it through, and nobody else",
        place="edge.db, `grants` (and the kernel's sets)",
        until="the end of the session is told, within seconds of its end",
    ),
    Kept(
        data="address of a device (MAC) with its lease; never the name that it gives itself",
        purpose="giving addresses",
        place="dnsmasq.leases",
        until="the end of the lease (`[lan] lease_time`)",
    ),
    Kept(
        data="address of a device (MAC) with the lease that the other gateway of a pair gave it; sealed on its way",
        purpose="taking over from that gateway without shutting anybody out",
        place="edge.db, `site_leases`; dhcp-hosts",
        until="the end of the lease, and a minute",
    ),
    Kept(
        data="address of a device that is shut out",
        purpose="keeping it out, by the operator's decision",
        place="edge.db, `blocks`",
        until="the operator lets it in again (`parvis block remove`)",
    ),
    Kept(
        data="stand-ins for devices: 24 bits of a keyed hash; the key is random",
        purpose="counting arrivals and departures",
        place="memory of the agent",
        until="the key was drawn",
        seconds=300,
    ),
    Kept(
        data="who opened which page or asked for which words",
        purpose="telling what ten people and more were interested in",
        place="memory of the portal and the kiosk; for a second a file in memory, from nginx to the portal",
        until="the end of the window (five minutes; a kiosk's visits, which are nobody, an hour)",
    ),
    Kept(
        data="one-tap answers: which devices have answered, by a hash that differs for each question",
        purpose="one answer each",
        place="edge.db, `answered`",
        until="the portal's key is replaced",
    ),
    Kept(
        data="visits: name, company, host, and their tickets",
        purpose="telling the host; knowing who is in the building",
        place="edge.db, `visits`, `visit_tickets`, `roll_ticks`; paper in `print_jobs` for two days",
        until="the visit's last change: the days of the settings, with a proof that it was erased",
    ),
    Kept(
        data="codes: a keyed hash of each, its plan, and when it was first used; nobody's name",
        purpose="letting in who was given one, for as long as it says",
        place="edge.db, `vouchers`",
        until="the operator removes it",
    ),
    Kept(
        data="sessions, codes and blocks of the site's other gateways; devices as keyed hashes",
        purpose="one session at every gateway of the site; a code or a block that holds at all of them",
        place="edge.db, `site_sessions`, `site_usage`, `site_vouchers`, `site_blocks`",
        until="its session's time is up, 31 days after a session's use, 31 days after a code is spent (its sums: 400), "
        "the block is lifted",
    ),
    Kept(
        data="events on their way to the platform; of a session its windows of five minutes, plan and volume",
        purpose="nothing is lost",
        place="edge.db, `outbox`",
        until="the platform has acknowledged them",
    ),
    Kept(
        data="legal record (off by default): session, address of the device, source address and port with NAT, start, end",
        purpose="the law, where the operator says that it applies",
        place="`legal/`, sealed to a key that is not on the device",
        until="its day; the day's keys are destroyed",
        seconds=365 * DAY,
    ),
)
TABLE = (*OTHERS[:3], SESSIONS, *OTHERS[3:5], *PURGED, *OTHERS[5:])
_HEAD = """<!-- SPDX-License-Identifier: EUPL-1.2 -->
# Privacy: what is kept, why, where, for how long

The heart of a data protection impact assessment (GDPR, article 35), printed by `python -m edge_core.store.kept` from the table that the purge
itself obeys; a test fails where this text and the table differ. The operator adds who is responsible, the legal basis and the site's own circumstances.

| data | purpose | place | how long |
|---|---|---|---|
"""
_TAIL = """
## What protects it

* **Counts only.** No address, name or code leaves a gateway in an event, a log line or a live message; the contract's schemas refuse hardware addresses.
* **Sessions say no moment**: their events give beginning, end and length to five minutes, also inside of the ids.
* **Small groups are hidden before anything is written down**: under 10 nothing is told, other counts are rounded to 5, and where a hidden group could be worked
  out from its neighbours another one is hidden too (`edge_core/disclosure`).
* **Objecting takes one tap** on the portal (My data), without a cookie or an account.
* **Deleted is overwritten** (`secure_delete`), and the write-ahead log is emptied after a device or a visit was forgotten. No core dumps are written.

## What remains

* Rounding protects against those who don't know everybody else: who knows exactly who of the others was there, and sees a count at the border of two
  roundings, can tell whether one more was. Windows of five minutes are not added up to anything finer.
* Who listens between device and platform, or keeps when each message arrived, sees when a session's event was sent: the way there is encrypted, and
  a platform is asked to keep no such times (contract, R-705).
* Somebody with the running gateway in his hands sees what it needs at that moment: neighbours, leases, sessions.
* Counts are of devices, not people; phones that change their address count again.
* Flash memory may keep old blocks of deleted rows: encrypt the state folder where a device may be stolen and taken apart.
"""


def document() -> str:
    """Return docs/privacy.md."""
    rows = [f"| {row.data} | {row.purpose} | {row.place} | {row.period} |" for row in TABLE]
    return _HEAD + "\n".join(rows) + "\n" + _TAIL


if __name__ == "__main__":
    sys.stdout.write(document())
