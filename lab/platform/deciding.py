# SPDX-License-Identifier: EUPL-1.2
"""What the platform decides without a person, in the order of locks by which consumers of one database never deadlock.

First devices, by site and name; then scarce things, by number; then all the rest. What is due is looked for without a
lock, and judged again under it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lab.platform import ingest, leasing, quotas, replies, store

if TYPE_CHECKING:
    from lab.platform.store import Connection


class Ways(NamedTuple):
    """Whether requests that no lease holds are accepted without a person, and how many seconds a lease runs."""

    accept: bool
    term: float


def at_once(connection: Connection, ways: Ways, now: float, only: set[int]) -> set[int]:
    """Decide what has just come, in the caller's transaction, which has locked `only` these devices.

    Returns the devices to reply to. What leases hold comes first, and then leases.
    """
    new = quotas.asked_for(connection, "received", leased=not ways.accept)
    due = leasing.due(connection, now, ways.term, only | {device for _, device, _, _ in new})
    quotas.lock(connection, *(quota for _, _, quota, _ in new), *(quota for quota, _ in due))
    devices = leasing.accept_held(connection, now)
    if ways.accept:
        devices |= replies.accept_new(connection, now)
    return devices | leasing.turn(connection, due, now, ways.term)


def in_time(connection: Connection, ways: Ways, now: float) -> set[int]:
    """Decide what has become due, in a transaction of its own; return the devices to reply to."""
    due = leasing.due(connection, now, ways.term)
    waiting = [one for one in quotas.asked_for(connection, "waitlisted") if quotas.free(connection, one[2]) >= one[3]]
    waiting = waiting if ways.accept else []
    if not due and not waiting:
        return set()
    with store.transaction(connection):
        ingest.lock_devices(connection, {device for _, device in due} | {device for _, device, _, _ in waiting})
        quotas.lock(connection, *(quota for quota, _ in due), *(quota for _, _, quota, _ in waiting))
        devices = replies.accept_waiting(connection, [request for request, *_ in waiting], now)
        return devices | leasing.turn(connection, due, now, ways.term)
