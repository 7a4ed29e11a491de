# SPDX-License-Identifier: EUPL-1.2
"""What a platform leases of scarce things, and what it makes of what is spent: R-407 to R-409 and R-413."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contracts.conformance.device import uuid7
from contracts.conformance.registry import check
from contracts.conformance.verdict import Skipped, require

if TYPE_CHECKING:
    from contracts.conformance.device import Life, PlatformSubject

_KNOWS = ["eu.parvis.request.created.v2", "eu.parvis.quota.returned.v1"]
_MOST = 20
_QUIET = 1.5  # seconds in which a platform that leases would have done so


class _Holder:
    """A life of the device that knows leases; gives all back at the end, so that the platform is as it was."""

    def __init__(self, p: PlatformSubject) -> None:
        self.p, self.life, self.seq, self.back = p, p.life(), 0, set[str]()
        self.life.birth(schemas=_KNOWS)

    def leases(self, *, at_least: int = 1, seconds: float | None = None) -> list[dict[str, Any]]:
        """Return the leases granted to this life, each with its id as `lease`."""
        self.p.link.wait(lambda: len(self._heard()) >= at_least, seconds or self.p.patience)
        self.p.cover()
        return list(self._heard().values())

    def need(self) -> dict[str, Any]:
        """Return the first lease; skip where none comes."""
        found = self.leases()
        if not found:
            raise Skipped("no lease came: have the platform lease something scarce to this device")
        return found[0]

    def say(self, kind: str, data: dict[str, Any]) -> None:
        """Send one event of class order."""
        self.seq += 1
        self.life.send("order", [self.life.event(self.seq, "x", data, type=kind)])

    def spend(self, lease: dict[str, Any], units: int) -> str:
        """Confirm something under a lease; return the request."""
        request = uuid7()
        wanted = {"kind": lease["kind"], "subject": lease["subject"], "data": {"people": str(units)}, "place": "kit"}
        self.say(_KNOWS[0], {**wanted, "request": request, "lease": lease["lease"], "units": units})
        return request

    def give_back(self, lease: dict[str, Any], used: int) -> None:
        """End a lease."""
        self.back.add(lease["lease"])
        self.say(_KNOWS[1], {"lease": lease["lease"], "used": used, "reason": "expired"})

    def end(self) -> None:
        """Give back whatever is still held."""
        for lease in self.leases(seconds=0.1):
            if lease["lease"] not in self.back:
                self.give_back(lease, 0)

    def accepted(self, request: str, seconds: float) -> bool:
        """Tell whether a request is accepted within that time."""

        def found() -> bool:
            return any(reply["state"] == "accepted" for reply in self.p.replies(request))

        done = bool(self.p.link.wait(found, seconds))
        self.p.cover()
        return done

    def _heard(self) -> dict[str, dict[str, Any]]:
        found = {}
        for h in list(self.p.link.heard):
            news = h.body.get("lease") if "/reply/" in h.topic and isinstance(h.body, dict) else None
            granted = news.get("granted") if isinstance(news, dict) else None
            if isinstance(granted, dict) and granted["life"] == self.life.epoch:
                found[h.body["request"]] = {**granted, "lease": h.body["request"]}
        return found


@check("platform", "R-407")
def no_more_than_there_is(p: PlatformSubject) -> str:
    """Take every lease there is, in one life after another; give one back with one unit used."""
    holders: list[_Holder] = []
    try:
        held = _take_all(p, holders)
        owner, lease = held[-1]
        owner.give_back(lease, 1)
        fresh = _Holder(p)
        holders.append(fresh)
        again = sum(one["units"] for one in fresh.leases(seconds=2 * p.patience))
        require(again <= lease["units"] - 1, f"of {lease['units']} units one was used, and {again} were leased again")
        require(again or lease["units"] == 1, "units came back, and were not leased again")
    finally:
        for holder in holders:
            holder.end()
    return f"{len(held)} leases until none was left; {lease['units']} came back with 1 used, {again} were leased again"


def _take_all(p: PlatformSubject, holders: list[_Holder]) -> list[tuple[_Holder, dict[str, Any]]]:
    held: list[tuple[_Holder, dict[str, Any]]] = []
    while len(holders) < _MOST:
        holder = _Holder(p)
        holders.append(holder)
        found = holder.leases(seconds=p.patience if not held else 2 * _QUIET)
        if not found:
            break
        held += [(holder, lease) for lease in found]
    if not held:
        raise Skipped("no lease came: have the platform lease something scarce to this device")
    if len(holders) >= _MOST:
        raise Skipped(f"after {_MOST} lives leases still came: make it scarcer")
    return held


@check("platform", "R-408")
def held_is_accepted(p: PlatformSubject) -> str:
    """Confirm one unit; give the lease back with two used, and let the second request arrive after."""
    holder = _Holder(p)
    try:
        lease = holder.need()
        first = holder.spend(lease, 1)
        require(holder.accepted(first, p.patience), "confirmed under a lease, and not accepted")
        if lease["units"] == 1:
            return "one unit: accepted"
        holder.give_back(lease, 2)
        late = holder.spend(lease, 1)
        require(holder.accepted(late, p.patience), "confirmed under a lease before it was given back, and not accepted")
        seen = {reply["state"] for request in (first, late) for reply in p.replies(request)}
        require(not seen & {"waitlisted", "rejected"}, f"confirmed under a lease, and {sorted(seen)}")
    finally:
        holder.end()
    return "accepted, also when it arrived after its lease was given back"


@check("platform", "R-409")
def overspent_is_not(p: PlatformSubject) -> str:
    """Spend more than was granted; spend of an invented lease."""
    holder = _Holder(p)
    try:
        lease = holder.need()
        over = holder.spend(lease, lease["units"] + 1)
        invented = holder.spend({**lease, "lease": uuid7()}, 1)
        good = holder.spend(lease, 1)
        require(
            holder.accepted(good, p.patience), "after an overspent request, one that the lease holds is not accepted"
        )
        taken = [request for request in (over, invented) if holder.accepted(request, _QUIET)]
        require(not taken, "what no lease holds was accepted by itself")
    finally:
        holder.end()
    return "more than granted, and an invented lease: neither accepted; what the lease holds is"


@check("platform", "R-413")
def only_to_who_knows(p: PlatformSubject) -> str:
    """Be born without a word of leases; then with it."""
    silent: Life = p.life()
    silent.birth(schemas=["eu.parvis.health.up.v1"])
    p.link.wait(lambda: False, _QUIET)
    to = [
        h.body["lease"]
        for h in list(p.link.heard)
        if isinstance(h.body, dict) and isinstance(h.body.get("lease"), dict)
    ]
    require(
        not any(one.get("granted", {}).get("life") == silent.epoch for one in to),
        "a device that knows none got a lease",
    )
    holder = _Holder(p)
    try:
        lease = holder.need()
        granted = next(
            h.body for h in p.link.heard if isinstance(h.body, dict) and h.body.get("request") == lease["lease"]
        )
        flaw = p.schemas.flaw("reply", granted)
        require(flaw is None, f"a lease that is not valid: {flaw}")
    finally:
        holder.end()
    return f"none without it; with it {lease['units']} units to the present epoch"
