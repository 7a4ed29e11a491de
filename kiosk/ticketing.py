# SPDX-License-Identifier: EUPL-1.2
"""Makes the tickets of a visit: their codes, the WiFi voucher, the way, in the visitor's language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_core import clock, site_codes
from edge_core.store import visits
from edge_core.web import dates
from edge_core.web.templating import language
from kiosk import codes, plan
from kiosk.here import content, kiosk
from kiosk.ticket import Ticket

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_core.store.replica import Record


def make(company: Record, people: Sequence[int]) -> list[tuple[visits.Ticket, dict[str, Any]]]:
    """Return a ticket for each part of the group, with what is printed."""
    return [_make(company, count) for count in people]


def shown(company: Record, ticket: visits.Ticket) -> Ticket:
    """Return what stands on a ticket."""
    here = kiosk().settings
    return Ticket(
        id=ticket.code,
        language=language().code,
        park=str(content().park().get("name") or here.site.name),
        company=str(company.get("name", "")),
        day=dates.full_day(dates.here(clock.now()), language()),
        code=site_codes.spoken(ticket.code),
        check_out=codes.write(here.site.id, codes.TICKET, ticket.code),
        people=ticket.people,
        route=_route(company),
        route_url=plan.on_phone(company.get("floor"), company.get("room")),
        wifi_code=site_codes.spoken(ticket.wifi),
        wifi_url=f"http://{here.portal.hostname}/v/{ticket.wifi}" if here.portal.hostname and ticket.wifi else "",
    )


def _make(company: Record, people: int) -> tuple[visits.Ticket, dict[str, Any]]:
    site = kiosk().settings.site
    key = site_codes.load(site.key)
    wifi = site_codes.make(key, site.id, clock.now()) if key else ""
    ticket = visits.Ticket(visits.new_code(), "", people, wifi, None)
    return ticket, shown(company, ticket).as_json()


def _route(company: Record) -> tuple[str, ...]:
    """Return where the company is, from the largest to the smallest."""
    sheet = plan.sheet(company.get("floor"), company.get("room"))
    parts = [company.get("building")]
    if sheet:
        parts += [sheet.plan.get("name"), sheet.chosen.get("name") if sheet.chosen else None]
    return tuple(language().text(part) for part in parts if part)
