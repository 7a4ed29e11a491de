# SPDX-License-Identifier: EUPL-1.2
"""The events of the reception: visits, and requests that the desk has treated, each the twin of a schema.

One names a person, `VisitArrived`, because the host must be told who stands at the reception.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edge_core.event import Event


@dataclass(frozen=True, kw_only=True)
class VisitArrived(Event):
    """Somebody stands at the reception (`place`) for a company, and perhaps for one of its `host` records."""

    type: ClassVar[str] = "eu.parvis.visit.arrived.v1"
    klass: ClassVar[str] = "visit"
    visit: str
    company: str
    host: str | None
    name: str
    people: int
    place: str
    language: str
    announced: bool


@dataclass(frozen=True, kw_only=True)
class VisitAsked(Event):
    """Somebody else is asked to come (`asked`: host, company, desk); `reason`: silence, unreachable, refused, again."""

    type: ClassVar[str] = "eu.parvis.visit.asked.v1"
    klass: ClassVar[str] = "visit"
    visit: str
    asked: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class VisitLeft(Event):
    """A visit is over; `how` is ticket, name, desk or night."""

    type: ClassVar[str] = "eu.parvis.visit.left.v1"
    klass: ClassVar[str] = "visit"
    visit: str
    how: str


@dataclass(frozen=True, kw_only=True)
class RequestSettled(Event):
    """The reception treated a request itself (`state`: done, rejected), perhaps with words for who asked."""

    type: ClassVar[str] = "eu.parvis.request.settled.v1"
    klass: ClassVar[str] = "order"
    request: str
    state: str
    reason: str | None
    place: str
