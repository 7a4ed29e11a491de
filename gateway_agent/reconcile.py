# SPDX-License-Identifier: EUPL-1.2
"""Decides what must change in the kernel: pure functions of the wish, the fact (elements) and now."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gateway_agent.nft_elements import FOR_EVER, KINDS, Changes, Elements, Value, key4, key_mac, key_mark, key_zone

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway_agent.shaping import Lane

SETS = ("grant4", "grant6", "zone6", "live", "shape", "blocked")
_TOLERANCE = 2.0
"""Seconds by which an element's end may differ from its grant's before it is renewed: reading takes time too."""


class Held(NamedTuple):
    """What one device is to have: its mark and end, its MAC, its leased IPv4 addresses, and the lane of its rate.

    MAC and addresses are in the kernel's bytes. `away` is the interface of its zone, "" in the first zone.
    """

    value: Value
    mac: bytes
    addresses: frozenset[bytes] = frozenset()
    lane: Lane | None = None
    away: str = ""


def elements(held: Iterable[Held], blocked: Iterable[str] = ()) -> Elements:
    """Return the elements that ought to be there: per device its mark, its MAC, and each address leased to it.

    `blocked` are the MACs that are shut out.
    """
    by4: dict[bytes, Value] = {}
    by6: dict[bytes, Value] = {}
    by_zone: dict[bytes, Value] = {}
    live: dict[bytes, Value] = {}
    shape: dict[bytes, Value] = {}
    for value, mac, addresses, lane, away in held:
        mark = key_mark(value.mark)
        live[mark] = value
        if lane:
            shape[mark] = Value(lane.handle, value.expires_at)
        if away:
            by_zone[key_zone(mac, away)] = value
        else:
            by6[mac] = value
        for address in addresses:
            by4[key4(mac, address)] = value
    shut = {key_mac(mac): Value(0, FOR_EVER) for mac in blocked}
    return {"grant4": by4, "grant6": by6, "zone6": by_zone, "live": live, "shape": shape, "blocked": shut}


def difference(fact: Elements, wanted: Elements, now: float) -> Changes:
    """Return the changes that make `fact` into `wanted`; what has run out by itself needs none."""
    changes = Changes()
    for name in fact.keys() | wanted.keys():
        there, wish = fact.get(name, {}), wanted.get(name, {})
        removed = [key for key, value in there.items() if key not in wish and value.expires_at > now]
        added, replaced, maps = [], [], KINDS[name].maps
        for key, value in wish.items():
            present = there.get(key)
            if present is None or present[1] <= now:
                added.append((key, value))
                continue
            moved = present[1] - value[1]
            # Both may last for ever: then their difference is no number, and no comparison with it is true.
            if moved > _TOLERANCE or moved < -_TOLERANCE or (maps and present[0] != value[0]):
                replaced.append((key, value))
        for group, found in ((changes.removed, removed), (changes.added, added), (changes.replaced, replaced)):
            if found:
                group[name] = found  # type: ignore[assignment]
    return changes
