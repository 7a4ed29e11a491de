# SPDX-License-Identifier: EUPL-1.2
"""From a week's events (contracts/) to the figures of the report; pure. Hours are the site's own."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from statistics import mean
from typing import TYPE_CHECKING, Any, NamedTuple

from edge_core import disclosure
from edge_core.web import dates

if TYPE_CHECKING:
    from collections.abc import Iterable

WEEK = 7 * 86400.0
FEWEST, ROUNDING = 10, 5
"""Sums of fewer people's doings are not shown, others to a multiple."""


class Told(NamedTuple):
    """One event: its type without "eu.parvis." and version, its moment (seconds since 1970), its data."""

    kind: str
    at: float
    data: dict[str, Any]


@dataclass
class Figures:
    """What the report shows; None or empty is what nobody told. Counts below ten are None."""

    by_hour: dict[int, float] = field(default_factory=dict)
    """Mean of associated devices, by hour of the day."""
    by_place: dict[str, tuple[float, int]] = field(default_factory=dict)
    """Mean and most of associated devices, by zone or access point."""
    hidden: int = 0
    """Windows whose count was too small to tell, or in doubt."""
    sessions: dict[str, int | None] = field(default_factory=dict)
    gigabytes: float = 0.0
    services: dict[str, int | None] = field(default_factory=dict)
    searches: int = 0
    unanswered: int = 0
    searches_told: bool = False
    words: dict[str, int] = field(default_factory=dict)
    satisfaction: dict[str, dict[str, int]] = field(default_factory=dict)
    availability: float | None = None
    """Share of the asked probes that the Internet answered, 0 to 1."""
    lost: int = 0
    """Events that were dropped, as declared."""


def build(events: Iterable[Told], lost: int = 0) -> Figures:
    """Return the figures of these events; `lost` is what a device's account says beside them."""
    found = Figures(lost=lost)
    zones: dict[int, dict[int, int]] = defaultdict(dict)
    places: dict[str, list[int]] = defaultdict(list)
    sessions, services, asked = Counter[str](), Counter[str](), Counter[str]()
    for event in events:
        data = event.data
        if event.kind == "presence.window":
            _presence(found, data, zones, places)
        elif event.kind == "session.ended":
            sessions[data["plan"]] += 1
            found.gigabytes += (data["up_bytes"] + data["down_bytes"]) / 1e9
        elif event.kind == "request.created":
            services[data["kind"]] += 1
        elif event.kind == "survey.answered":
            choices = found.satisfaction.setdefault(data["survey"], {})
            choices[data["choice"]] = choices.get(data["choice"], 0) + 1
        elif event.kind == "usage.searches":
            _searches(found, data)
        elif event.kind == "health.quality":
            asked["asked"] += data["asked"]
            asked["answered"] += data["answered"]
        elif event.kind == "health.gap":
            found.lost += data["count"]
    _means(found, zones, places)
    found.sessions = {plan: disclosure.told(count, FEWEST, ROUNDING) for plan, count in sorted(sessions.items())}
    found.services = {kind: disclosure.told(count, FEWEST, ROUNDING) for kind, count in sorted(services.items())}
    found.satisfaction = {name: told for name, told in found.satisfaction.items() if sum(told.values()) >= FEWEST}
    found.availability = asked["answered"] / asked["asked"] if asked["asked"] else None
    return found


def _presence(
    found: Figures, data: dict[str, Any], zones: dict[int, dict[int, int]], places: dict[str, list[int]]
) -> None:
    if data["associated"] is None or data["doubt"] is not None:
        found.hidden += 1
        return
    place = data["access_point"] or data["zone"]
    places[place].append(data["associated"])
    if not data["access_point"]:
        start = int(data["start"])
        zones[start][len(zones[start])] = data["associated"]


def _means(found: Figures, zones: dict[int, dict[int, int]], places: dict[str, list[int]]) -> None:
    hours: dict[int, list[int]] = defaultdict(list)
    for start, counts in zones.items():
        hours[dates.here(start).hour].append(sum(counts.values()))
    found.by_hour = {hour: mean(counts) for hour, counts in sorted(hours.items())}
    found.by_place = {place: (mean(counts), max(counts)) for place, counts in sorted(places.items())}


def _searches(found: Figures, data: dict[str, Any]) -> None:
    found.searches_told = True
    found.searches += data["asked"] or 0
    found.unanswered += data["unanswered"] or 0
    for word in data["words"]:
        found.words[word["text"]] = found.words.get(word["text"], 0) + word["askers"]
