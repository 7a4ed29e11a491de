# SPDX-License-Identifier: EUPL-1.2
"""What a device promises out of its leases, and how it gives them back: R-410 to R-412."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from contracts.conformance.device import uuid7
from contracts.conformance.registry import check
from contracts.conformance.verdict import require

if TYPE_CHECKING:
    from contracts.conformance.platform import DeviceSubject

_RETURNED, _CONFIRMED = "eu.parvis.quota.returned.v1", "eu.parvis.request.created.v2"
_PLAIN = "eu.parvis.request.created.v1"


@check("device", "R-410")
def within(d: DeviceSubject) -> str:
    """Lease one unit, and have two people ask for one each."""
    d.hooks.need("book")
    lease = _grant(d, units=1, seconds=3600)
    before = len(_events(d, _PLAIN))
    for _ in range(2):
        d.hooks.run("book")
    require(
        d.link.wait(lambda: _about(d, _CONFIRMED, lease) and len(_events(d, _PLAIN)) > before, d.patience),
        f"two people asked for one unit each of one: {len(_about(d, _CONFIRMED, lease))} confirmed under the lease,"
        f" {len(_events(d, _PLAIN)) - before} not",
    )
    require(len(_about(d, _CONFIRMED, lease)) == 1, "one unit was confirmed twice")
    _tell(d, lease, {"withdrawn": True})
    used = _given_back(d, lease)["used"]
    require(used == 1, f"one unit was spent, and given back as {used}")
    return "one unit, two people: one confirmed, one provisional; given back with 1 used"


@check("device", "R-411")
def given_back(d: DeviceSubject) -> str:
    """Grant for two seconds, and withdraw another; then extend and withdraw both."""
    short, long = _grant(d, units=3, seconds=2), _grant(d, units=3, seconds=3600)
    _tell(d, long, {"withdrawn": True})
    for lease, reason in ((long, "withdrawn"), (short, "expired")):
        told = _given_back(d, lease)
        require((told["used"], told["reason"]) == (0, reason), f"it should be given back as {reason}: {told}")
        _tell(d, lease, {"extended": {"until": _in(3600)}})
        _tell(d, lease, {"withdrawn": True})
    d.pause(1)
    for lease in (long, short):
        numbers = {(event["epoch"], event["seq"]) for event in _about(d, _RETURNED, lease)}
        require(len(numbers) == 1, f"given back {len(numbers)} times")
    return "one that is over, one withdrawn: each given back once, and never again"


@check("device", "R-412")
def foreign_life(d: DeviceSubject) -> str:
    """Grant to an invented life, and withdraw."""
    lease = _grant(d, units=3, seconds=3600, life=f"kit-{secrets.token_hex(8)}")
    _tell(d, lease, {"withdrawn": True})
    d.pause(2)
    require(not _about(d, _RETURNED, lease), "a lease for another epoch was taken")
    return "a lease for another epoch: covered by replied, not taken"


def _grant(d: DeviceSubject, *, units: int, seconds: float, life: str | None = None) -> str:
    lease, epoch = uuid7(), life or d.need_birth()["epoch"]
    granted = {"kind": "event", "subject": "kit", "slot": None, "each": "person", "units": units,
               "until": _in(seconds), "life": epoch}  # fmt: skip
    _tell(d, lease, {"granted": granted})
    return lease


def _tell(d: DeviceSubject, lease: str, news: dict[str, Any]) -> None:
    n = max(d.replied(), default=0) + 1
    d.reply(n, request=lease, lease=news, reference=None)
    require(d.link.wait(lambda: n in d.replied(), d.patience), f"news of a lease: no replied {n}")


def _given_back(d: DeviceSubject, lease: str) -> dict[str, Any]:
    require(d.link.wait(lambda: _about(d, _RETURNED, lease), 2 * d.patience), "a lease ended, and was not given back")
    told: dict[str, Any] = _about(d, _RETURNED, lease)[0]["data"]
    return told


def _events(d: DeviceSubject, kind: str) -> list[dict[str, Any]]:
    return [event for arrived in list(d.arrivals.values()) for event in arrived[:1] if event["type"] == kind]


def _about(d: DeviceSubject, kind: str, lease: str) -> list[dict[str, Any]]:
    return [event for event in _events(d, kind) if event["data"]["lease"] == lease]


def _in(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="seconds")
