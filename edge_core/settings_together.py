# SPDX-License-Identifier: EUPL-1.2
"""Settings that are each right and can't stand together; pure."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from edge_core import settings_ha, settings_zones

if TYPE_CHECKING:
    from collections.abc import Iterator

_PAIRS = (
    ("portal", ("tls_certificate", "tls_key")),
    ("desk", ("certificate", "key")),
    ("mqtt", ("certificate", "key")),
    ("sign_in", ("issuer", "client_id")),
    ("mail", ("server", "sender")),
    ("mail", ("user", "password")),
)


def contradictions(settings: Any) -> Iterator[tuple[str, str, str, str]]:
    """Yield (section, key, what is wrong, remedy) of a whole `Settings`."""
    outside = [name for name in (settings.wan.interface, settings.wan.second) if name]
    for zone, key, what, remedy in settings_zones.collisions(settings.zones, outside):
        yield (settings_zones.label(zone), key, what, remedy)
    radio = settings_zones.radio(settings.access_point, settings.zones, outside)
    for section, found in (("access_point", radio), ("ha", settings_ha.pair(settings))):
        yield from ((section, *each) for each in found)
    if settings.further and not settings.zones:
        yield ("lan", "interface", "is missing", "[lan] is the first zone, [[zone]] the others.")
    if settings.legal.record != "off" and not settings.legal.investigator:
        yield ("legal", "investigator", "is missing", "The record is sealed to a key; name its .pub file.")
    if settings.wan.second and settings.wan.second == settings.wan.interface:
        yield ("wan", "second", "is the first's interface", "Name another one.")
    if settings.wan.second and not settings.uplink.probes:
        yield ("uplink", "probes", "is missing", "Without it a second uplink is never taken.")
    desk, remedy = settings.desk, "Give [desk] certificate and key: passwords would be heard. Or listen on 127.0.0.1."
    if desk.listen and not desk.certificate and not ipaddress.ip_address(desk.listen[0]).is_loopback:
        yield ("desk", "certificate", "is missing", remedy)
    for section, pair in _PAIRS:
        values = [getattr(getattr(settings, section), key) for key in pair]
        if bool(values[0]) != bool(values[1]):
            missing = pair[bool(values[0])]
            yield (section, missing, "is missing", f"{pair[0]} and {pair[1]} go together.")
