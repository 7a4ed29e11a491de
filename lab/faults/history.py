# SPDX-License-Identifier: EUPL-1.2
"""Compares what people were told on a device with what a platform holds in the end.

Four questions: is everything that was promised there, is nothing there twice, is the order kept, and is what is missing
what was declared missing? Pure; both sides are given as plain values.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_GAP = "eu.parvis.health.gap.v1"
_REQUEST = "eu.parvis.request.created.v1"


@dataclass
class Findings:
    """What is wrong, each as the keys at fault; all empty where the history holds."""

    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)
    undeclared: list[tuple[str, int]] = field(default_factory=list)
    declared: int = 0

    @property
    def good(self) -> bool:
        """Tell whether nothing is wrong."""
        return not (self.lost or self.twice or self.disordered or self.undeclared)


def check(
    promised: Iterable[str], held: Mapping[tuple[str, int], dict[str, Any]], lasts: Mapping[str, int]
) -> Findings:
    """Check one device.

    `promised`: ids of requests in the order in which people were told; `held`: (epoch, seq) to event; `lasts`: the
    highest seq that each epoch of the device gave and that is over, or acknowledged.
    """
    order = list(promised)
    found = Findings()
    requests = [
        event["data"]["request"] for _, event in sorted(held.items()) if event["type"] == _REQUEST
    ]  # by epoch and seq, never by clock
    found.lost = sorted(set(order) - set(requests))
    found.twice = [key for key, times in Counter(event["id"] for event in held.values()).items() if times > 1]
    for epoch in {epoch for epoch, _ in held}:
        here = [event["data"]["request"] for (of, _), event in sorted(held.items())
                if of == epoch and event["type"] == _REQUEST]  # fmt: skip
        told = [key for key in order if key in set(here)]
        found.disordered += [one for one, other in zip([key for key in here if key in set(told)], told, strict=True)
                             if one != other]  # fmt: skip
    gone = declared(held)
    found.declared = sum(len(each) for each in gone.values())
    for epoch, last in lasts.items():
        found.undeclared += [
            (epoch, seq) for seq in range(1, last + 1) if (epoch, seq) not in held and seq not in gone.get(epoch, ())
        ]
    return found


def declared(held: Mapping[tuple[str, int], dict[str, Any]]) -> dict[str, set[int]]:
    """Return the numbers that gaps declare, by epoch."""
    gone: dict[str, set[int]] = {}
    for (epoch, _), event in held.items():
        if event["type"] == _GAP:
            gone.setdefault(epoch, set()).update(range(event["data"]["first"], event["data"]["last"] + 1))
    return gone
