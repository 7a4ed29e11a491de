# SPDX-License-Identifier: EUPL-1.2
"""What the devices of one code have used of its data together: each alone may use what the others have left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_core.store import site, usage, vouchers

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator

    from edge_core.store.followed import Permit


def of_codes(
    store: sqlite3.Connection, permits: Iterable[Permit], spent: Callable[[int], int]
) -> Iterator[tuple[int, int, int]]:
    """Yield (session, quota, bytes used) of each session whose quota is its code's, for all devices together.

    `spent` tells what a session of this gateway has used by now; what is over, and what other gateways counted, is
    taken from the store.
    """
    sharing: dict[str, list[int]] = {}
    for permit in permits:
        if permit.shared:
            sharing.setdefault(permit.shared, []).append(permit.id)
    for holder, numbers in sharing.items():
        quota = vouchers.quota_of(store, holder)
        if quota is not None:
            over = usage.of_holder(store, holder, ended_only=True) + site.used_elsewhere(store, holder)
            used = over + sum(map(spent, numbers))
            yield from ((number, quota, used) for number in numbers)
