# SPDX-License-Identifier: EUPL-1.2
"""The events that a device tells its platform: frozen, typed, each the twin of a schema in contracts/schemas.

None carries a MAC address or says who is online: a session is known by its random id. Those of the reception are in
`events_reception`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from edge_core import coarse
from edge_core.event import Event
from edge_core.events_reception import RequestSettled, VisitArrived, VisitAsked, VisitLeft

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, kw_only=True)
class Up(Event):
    """A device's `sync` started."""

    type: ClassVar[str] = "eu.parvis.health.up.v1"
    klass: ClassVar[str] = "health"
    version: str
    role: str


@dataclass(frozen=True, kw_only=True)
class Gap(Event):
    """Rows `first` to `last` of the outbox, `count` in number, were dropped on purpose and never come."""

    type: ClassVar[str] = "eu.parvis.health.gap.v1"
    klass: ClassVar[str] = "health"
    first: int
    last: int
    count: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class PresenceWindow(Event):
    """Counts of one window of a zone, or of one access point in it; None where the group was too small to tell.

    `start` is wall time in seconds since 1970, `seconds` the window's length, `observed` the seconds of it in which
    somebody watched. `doubt`: "partial", "clock" (it was set), "flood" (more arrivals than there can be), or None.
    """

    type: ClassVar[str] = "eu.parvis.presence.window.v1"
    klass: ClassVar[str] = "presence"
    zone: str
    access_point: str | None
    start: int
    seconds: int
    observed: int
    doubt: str | None
    associated: int | None
    online: int | None
    arrivals: int | None
    departures: int | None


@dataclass(frozen=True, kw_only=True)
class SessionStarted(Event):
    """Somebody accepted and may go online for `seconds`; more than five minutes are told to five minutes."""

    type: ClassVar[str] = "eu.parvis.session.started.v1"
    klass: ClassVar[str] = "usage"
    coarsened: ClassVar[Mapping[str, Callable[[Any], Any]]] = {"session": coarse.identifier, "seconds": coarse.plan}
    session: str
    plan: str
    seconds: int


@dataclass(frozen=True, kw_only=True)
class SessionEnded(Event):
    """A session is over; `duration` in seconds, told to five minutes; traffic as the guest sees it: up is sent."""

    type: ClassVar[str] = "eu.parvis.session.ended.v1"
    klass: ClassVar[str] = "usage"
    coarsened: ClassVar[Mapping[str, Callable[[Any], Any]]] = {"session": coarse.identifier, "duration": coarse.span}
    session: str
    plan: str
    reason: str
    duration: int
    up_bytes: int
    up_packets: int
    down_bytes: int
    down_packets: int


@dataclass(frozen=True, kw_only=True)
class UsageRollup(Event):
    """The sums of sessions whose own events were dropped for want of room; `duration` in seconds."""

    type: ClassVar[str] = "eu.parvis.usage.rollup.v1"
    klass: ClassVar[str] = "usage"
    sessions: int
    duration: int
    up_bytes: int
    up_packets: int
    down_bytes: int
    down_packets: int


@dataclass(frozen=True, kw_only=True)
class RequestCreated(Event):
    """A service was asked for, on the portal or a kiosk (`place`); `data` holds the answers of its form."""

    type: ClassVar[str] = "eu.parvis.request.created.v1"
    klass: ClassVar[str] = "order"
    request: str
    kind: str
    subject: str
    place: str
    answers: dict[str, str] = field(default_factory=dict)

    def data(self) -> dict[str, Any]:
        """Return the CloudEvents `data`; the answers travel under `data`, as the contract names them."""
        whole = asdict(self)
        whole["data"] = whole.pop("answers")
        return whole


@dataclass(frozen=True, kw_only=True)
class RequestConfirmed(RequestCreated):
    """A scarce thing was asked for and confirmed at once: it took `units` of a `lease` that the platform gave us."""

    type: ClassVar[str] = "eu.parvis.request.created.v2"
    lease: str
    units: int


@dataclass(frozen=True, kw_only=True)
class QuotaReturned(Event):
    """A lease ended here (`reason`: expired, withdrawn); `used` units of it went to confirmed requests, and no more."""

    type: ClassVar[str] = "eu.parvis.quota.returned.v1"
    klass: ClassVar[str] = "order"
    lease: str
    used: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class SurveyAnswered(Event):
    """Somebody answered a one-tap question on the portal or a kiosk (`place`); nothing says who."""

    type: ClassVar[str] = "eu.parvis.survey.answered.v1"
    klass: ClassVar[str] = "usage"
    survey: str
    choice: str
    place: str


@dataclass(frozen=True, kw_only=True)
class UplinkChanged(Event):
    """The way to the Internet opened or shut, or another is taken (`way`: "first" or "second").

    `milliseconds` is how long an answer from the Internet took; None while nothing answers.
    """

    type: ClassVar[str] = "eu.parvis.health.uplink.v1"
    klass: ClassVar[str] = "health"
    up: bool
    way: str
    milliseconds: int | None


@dataclass(frozen=True, kw_only=True)
class ReleaseEnded(Event):
    """An update ended (`outcome`: installed, rolled_back, refused) after so many seconds; `before` ran until then."""

    type: ClassVar[str] = "eu.parvis.health.release.v1"
    klass: ClassVar[str] = "health"
    release: str
    before: str
    outcome: str
    reason: str
    seconds: int


@dataclass(frozen=True, kw_only=True)
class DeviceChanged(Event):
    """Something plugged into a kiosk came, went, or needs somebody (`state`, as the contract lists them)."""

    type: ClassVar[str] = "eu.parvis.health.device.v1"
    klass: ClassVar[str] = "health"
    role: str
    state: str


@dataclass(frozen=True, kw_only=True)
class ScreenHelped(Event):
    """The page on a kiosk's screen gave no sign of life; `rung` is what was done, for the `count`-th time ever."""

    type: ClassVar[str] = "eu.parvis.health.screen.v1"
    klass: ClassVar[str] = "health"
    rung: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Down(Event):
    """A device's `sync` ended as it was told to; one that is cut off says nothing, its last will does."""

    type: ClassVar[str] = "eu.parvis.health.down.v1"
    klass: ClassVar[str] = "health"
    reason: str


@dataclass(frozen=True, kw_only=True)
class UplinkMeasured(Event):
    """How the way to the Internet was in one window: of `asked` probes `answered` were; None where none was."""

    type: ClassVar[str] = "eu.parvis.health.quality.v1"
    klass: ClassVar[str] = "health"
    way: str
    start: int
    seconds: int
    asked: int
    answered: int
    milliseconds_median: int | None
    milliseconds_worst: int | None


@dataclass(frozen=True, kw_only=True)
class PagesRead(Event):
    """Pages of the content that ten and more opened in a window: rows of collection, id and askers."""

    type: ClassVar[str] = "eu.parvis.usage.pages.v1"
    klass: ClassVar[str] = "usage"
    place: str
    start: int
    seconds: int
    pages: list[dict[str, str | int]]


@dataclass(frozen=True, kw_only=True)
class SearchesAsked(Event):
    """Searches of a window; of their words only those that ten and more asked for: rows of text and askers."""

    type: ClassVar[str] = "eu.parvis.usage.searches.v1"
    klass: ClassVar[str] = "usage"
    place: str
    start: int
    seconds: int
    asked: int | None
    unanswered: int | None
    words: list[dict[str, str | int]]


@dataclass(frozen=True, kw_only=True)
class Touched(Event):
    """How much a kiosk was used in a window."""

    type: ClassVar[str] = "eu.parvis.usage.touches.v1"
    klass: ClassVar[str] = "usage"
    place: str
    start: int
    seconds: int
    touches: int | None
    visits: int | None


ALL: tuple[type[Event], ...] = (
    Up, Gap, PresenceWindow, SessionStarted, SessionEnded, UsageRollup, RequestCreated, SurveyAnswered, UplinkChanged,
    DeviceChanged, ScreenHelped, VisitArrived, VisitAsked, VisitLeft, Down, UplinkMeasured, PagesRead, SearchesAsked,
    Touched, ReleaseEnded, RequestConfirmed, QuotaReturned, RequestSettled,
)  # fmt: skip
