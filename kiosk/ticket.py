# SPDX-License-Identifier: EUPL-1.2
"""A visitor's ticket as data: what stands on it, whoever shows or prints it; it carries no name. Pure.

The page shows it, `print_jobs` keeps it as JSON, the device service lays it out on paper.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """One ticket. Texts are already in the visitor's `language`; what is empty is left out.

    `id` is unique; `code` is what a person types, grouped ("K7PM-2Q4D"), `check_out` what the QR code holds (text of at
    most 64 ASCII characters, error correction M). `wifi_url` is the content of the WiFi voucher's QR code,
    `wifi_code` the same for typing. `route` are the steps of the way, `route_url` the content of its QR code.
    `people` is for how many it stands; `day` when it was given, as people read it.
    """

    id: str
    language: str
    park: str
    company: str
    day: str
    code: str
    check_out: str
    people: int = 1
    place: str = ""
    route: tuple[str, ...] = field(default=())
    route_url: str = ""
    wifi_code: str = ""
    wifi_url: str = ""
    badge: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return what `read` reads again."""
        return asdict(self)


def read(raw: Mapping[str, Any]) -> Ticket:
    """Return a ticket from its JSON; unknown members are left out. Raises TypeError where a needed one is missing."""
    known = {name: raw[name] for name in Ticket.__dataclass_fields__ if name in raw}
    return Ticket(**{**known, "route": tuple(known.get("route", ()))})
