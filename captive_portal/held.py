# SPDX-License-Identifier: EUPL-1.2
"""Says what is held of a device, for how long; every page that tells it asks here, so that all tell the same."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from captive_portal import visit
from edge_core.i18n import N_
from edge_core.store import grants, usage

if TYPE_CHECKING:
    from edge_core.store.grants import Grant

KEPT = {
    "address": N_("Until the session ends. Then the gateway forgets which device it was."),
    "session": N_("Its length and volume stay under a random number, without the device, for statistics."),
    "voucher": N_("What your code has left stays with the code, under a number; the code itself is not kept."),
    "person": N_("Until the session ends: a fingerprint that tells your devices apart from others’. No name is kept."),
    "pass": N_("On this device only, in this browser, until the day shown."),
    "counters": N_("Too many attempts are counted in memory, for an hour at most, and never written down."),
    "legal": N_("As the law asks, a sealed record of connections is kept for one year."),
}
"""What is held → for how long and how, in English, for translation."""


def of_device(passed_until: float | None) -> dict[str, dict[str, Any]]:
    """Return what is held of the device that asks, by the keys of KEPT; empty parts are left out.

    `passed_until` is the end of the pass that this browser showed.
    """
    here = visit.current()
    held: dict[str, dict[str, Any]] = {}
    if here.grant:
        held |= _session(here.grant)
    elif here.client.mac and grants.ended_of(visit.house().edge(), here.client.mac):
        held["address"] = {"mac": here.client.mac}
    if passed_until is not None:
        held["pass"] = {"until": _time(passed_until)}
    return held


def _session(grant: Grant) -> dict[str, dict[str, Any]]:
    used = usage.of_grant(visit.house().edge(), grant.id)
    held: dict[str, dict[str, Any]] = {
        "address": {"mac": grant.mac},
        "session": {
            "id": grant.session,
            "plan": grant.plan,
            "since": _time(grant.created_at),
            "until": _time(grant.expires_at),
            "bytes_sent": used.up_bytes,
            "bytes_received": used.down_bytes,
        },
    }
    kind, _, number = grant.holder.partition(":")
    if kind == "voucher":
        held["voucher"] = {"number": number}
    elif kind:
        held["person"] = {"fingerprint": number}
    return held


def _time(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="seconds")
