# SPDX-License-Identifier: EUPL-1.2
"""The check of the site's other gateways: whether the key can be used, who is heard, who has another key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_core import clock, gateway_key, gateways_heard
from edge_core.doctor.finding import Finding
from edge_core.errors import ConfigurationError

if TYPE_CHECKING:
    from edge_core.settings import Settings

_NAME = "gateways"


def checks(settings: Settings) -> list[Finding]:
    """Return what is to be said of the other gateways; nothing where this one stands alone."""
    if settings.site.gateway_key is None:
        return []
    try:
        gateway_key.load(settings)
    except ConfigurationError as error:
        return [Finding(_NAME, "failed", error.message, error.remedy)]
    heard = gateways_heard.read(settings)
    if not heard:
        remedy = "Are they up, with [site] gateway_key, and is the site's broker reached? See docs/guides/gateways.md."
        return [Finding(_NAME, "warning", "no other gateway of the site was heard yet", remedy)]
    return [_of(name, each, clock.now() - each.at) for name, each in sorted(heard.items())]


def _of(name: str, heard: gateways_heard.Heard, age: float) -> Finding:
    if heard.other_key:
        remedy = "Copy this gateway's [site] gateway_key to it, or the other way round, and reload both."
        return Finding(_NAME, "failed", f"{name} has another key: nothing that it tells can be read", remedy)
    if age > gateways_heard.SILENT:
        return Finding(_NAME, "warning", f"{name} was heard {round(age / 60)} minutes ago", "Is it up, and the broker?")
    return Finding(_NAME, "ok", f"{name} was heard {max(0, round(age))} s ago")
