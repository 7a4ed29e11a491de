# SPDX-License-Identifier: EUPL-1.2
"""Plans: what each way of going online gives, for how long and when; pure. They are content, the park decides them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from edge_core.checked import limit, matching, whole
from edge_core.store.grants import VOUCHER as VOUCHER_HOLDER
from edge_core.store.grants import Limits
from edge_core.web import dates

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edge_core.store.grants import Grant

CLICK, VOUCHER, SIGN_IN, MAIL = "click", "voucher", "sign-in", "mail"
_WAYS = frozenset({CLICK, VOUCHER, SIGN_IN, MAIL})
_ID = re.compile(r"[a-z0-9]([a-z0-9_-]{0,38}[a-z0-9])?")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")
_LONGEST = 366 * 86400
_WORTH = 60.0  # seconds that an extension must add
_MIDNIGHT = "24:00"
_WEEK = 8  # days to look ahead: today's hours may be over, and open again on this day of the next week


@dataclass(frozen=True)
class Hours:
    """When a plan is open, in the park's time: on `days` (1 is Monday), from `start` to `end` ("HH:MM", "24:00")."""

    days: frozenset[int]
    start: str
    end: str

    def on(self, day: date) -> tuple[float, float] | None:
        """Return when it opens and closes on a day, in seconds since 1970; None where it stays closed."""
        return (_moment(day, self.start), _moment(day, self.end)) if day.isoweekday() in self.days else None


@dataclass(frozen=True)
class Plan:
    """What going online gives: `seconds`, limits, how many devices of one person, how many extensions, when.

    `name` and `description` are texts of the content, by language. Without `hours` it is always open.
    """

    id: str
    ways: frozenset[str]
    seconds: int
    limits: Limits = field(default_factory=Limits)
    devices: int = 1
    extensions: int = 0
    hours: tuple[Hours, ...] = ()
    name: Mapping[str, str] = field(default_factory=dict)
    description: Mapping[str, str] = field(default_factory=dict)

    def until(self, now: float) -> float | None:
        """Return when a session that begins now ends, at the closing hour at the latest; None while it is closed."""
        if not self.hours:
            return now + self.seconds
        closing = [end for start, end in self._periods(now, 1) if start <= now < end]
        return min(now + self.seconds, max(closing)) if closing else None

    def extension(self, grant: Grant, now: float) -> float | None:
        """Return until when a session of this plan may be made to last now; None where it can't last longer."""
        until = self.until(now)
        possible = grant.plan == self.id and not grant.holder.startswith(VOUCHER_HOLDER)
        if not possible or grant.extended >= self.extensions or until is None:
            return None
        return until if until - grant.expires_at >= _WORTH else None

    def opens(self, now: float) -> float | None:
        """Return when it opens next; None where it is open or never opens."""
        if self.until(now) is not None:
            return None
        return min((start for start, _ in self._periods(now, _WEEK) if start > now), default=None)

    def _periods(self, now: float, days: int) -> list[tuple[float, float]]:
        today = dates.here(now).date()
        ahead = [today + timedelta(days=number) for number in range(days)]
        return [period for day in ahead for hours in self.hours if (period := hours.on(day))]


def built_in(seconds: int) -> list[Plan]:
    """Return the plans of a park that publishes none; `seconds` is how long a click lasts."""
    return [
        Plan("click-through", frozenset({CLICK}), seconds, extensions=8),
        Plan("voucher", frozenset({VOUCHER}), 86400),
        Plan("member", frozenset({SIGN_IN}), 12 * 3600, devices=3, extensions=8),
        Plan("mail", frozenset({MAIL}), 12 * 3600, extensions=8),
    ]


def read_all(records: Iterable[Mapping[str, Any]], seconds: int) -> list[Plan]:
    """Return the park's plans, or the built-in ones while it has none. A record that makes no sense is left out."""
    published = list(records)
    return [plan for record in published if (plan := read(record))] if published else built_in(seconds)


def for_way(plans: Iterable[Plan], way: str) -> Plan | None:
    """Return the plan of a way of going online: the first by id that has it."""
    return next((plan for plan in sorted(plans, key=lambda plan: plan.id) if way in plan.ways), None)


def by_id(plans: Iterable[Plan], key: str) -> Plan | None:
    """Return a plan by its id."""
    return next((plan for plan in plans if plan.id == key), None)


def read(record: Mapping[str, Any]) -> Plan | None:
    """Read one record of the collection `access`; None where anything in it makes no sense: nothing is guessed."""
    try:
        return Plan(
            id=matching(_ID, record["id"]),
            ways=_WAYS & frozenset(record["ways"]),
            seconds=whole(record["duration"], 60, _LONGEST),
            limits=Limits(*(limit(record.get(name)) for name in ("rate_up", "rate_down", "quota"))),
            devices=whole(record.get("devices", 1), 1, 100),
            extensions=whole(record.get("extensions", 0), 0, 1000),
            hours=tuple(_hours(each) for each in record.get("hours") or ()),
            name=_text(record.get("name")),
            description=_text(record.get("description")),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _hours(raw: Any) -> Hours:
    found = Hours(
        frozenset(whole(day, 1, 7) for day in raw["days"]),
        matching(_TIME, raw["from"]),
        matching(_TIME, raw["to"]),
    )
    if found.start >= found.end:
        raise ValueError("hours end before they begin")
    return found


def _moment(day: date, clock: str) -> float:
    if clock == _MIDNIGHT:
        day, clock = day + timedelta(days=1), "00:00"
    return datetime.combine(day, time.fromisoformat(clock), dates.ZONE).timestamp()


def _text(raw: Any) -> Mapping[str, str]:
    return raw if isinstance(raw, dict) else {}
