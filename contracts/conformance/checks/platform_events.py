# SPDX-License-Identifier: EUPL-1.2
"""What a platform takes, once, and what it refuses: R-005 and R-103 to R-111, R-702 to R-802."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

from contracts.conformance.device import request
from contracts.conformance.registry import check
from contracts.conformance.verdict import Failed, Skipped, require

if TYPE_CHECKING:
    from contracts.conformance.device import PlatformSubject

_MAC = "02:00:5e:c0:ff:ee"
_MARKUP = "<script>conformance</script><img src=x onerror=conformance>%s%n{{7*7}}"


@check("platform", "R-005")
def compressed(p: PlatformSubject) -> str:
    """Send plain, compressed, and a bomb with a valid event in it."""
    life = p.life()
    life.send("health", life.events(1, 2))
    life.send("health", zlib.compress(json.dumps(life.events(3, 4)).encode()))
    life.reach(4, "a plain and a compressed batch")
    bomb = _bomb(json.dumps(life.event(5)).encode())
    life.send("health", bomb)
    life.stays(4, f"a batch of 64 MiB, compressed to {len(bomb)} bytes", p.patience)  # it takes a while to unpack
    life.send("health", life.events(5))
    life.reach(5, "a bomb and then a good batch")
    return "both kinds acknowledged; 64 MiB of blanks refused"


def _bomb(event: bytes) -> bytes:
    packer = zlib.compressobj(9)
    parts = [packer.compress(b"["), *(packer.compress(b" " * (1 << 20)) for _ in range(64))]
    return b"".join([*parts, packer.compress(event + b"]"), packer.flush()])


@check("platform", "R-103")
def once(p: PlatformSubject) -> str:
    """Send a batch twice and in reverse order."""
    life = p.life()
    life.birth()
    batch = life.events(1, 2, 3)
    for again in (batch, batch, batch[::-1]):
        life.send("health", again)
    life.reach(3, "a batch, again, and reversed")
    if p.look.can:
        shown = p.look.until(
            lambda d: d["epoch"] == life.epoch and d["received"] + d["duplicates"] >= 9, "nine arrivals are not counted"
        )
        seen = f"received {shown['received']}, duplicates {shown['duplicates']}"
        require((shown["received"], shown["duplicates"]) == (3, 6), f"three events sent three times: {seen}")
        return seen
    order = request()
    asked = p.life()
    event = asked.event(1, "request.created", order)
    p.need_automatic()
    for _ in range(3):
        asked.send("order", [event])
    numbers = {reply["n"] for reply in p.link.wait(lambda: p.replies(order["request"]), p.patience)}
    p.cover()
    require(len(numbers) == 1, f"one request sent three times got {len(numbers)} replies")
    return "one request, sent three times, got one reply"


@check("platform", "R-104")
def any_order(p: PlatformSubject) -> str:
    """Send 3, 1, 2 with clocks that contradict their order."""
    life = p.life()
    for seq, when in ((3, "2001-01-01T00:00:00Z"), (1, "2030-01-01T00:00:00Z"), (2, "1970-01-01T00:00:01Z")):
        life.send("health", [life.event(seq, time=when)])
    life.reach(3, "seq 3, 1, 2")
    return "3, 1, 2 with clocks out of order: ack 3"


@check("platform", "R-105")
def foreign(p: PlatformSubject) -> str:
    """Send an event of another device, and one in a class that is not its own, between good ones."""
    life = p.life()
    life.birth()
    order, stray = request(), request()
    events = [life.event(1), life.event(2, "request.created", order, source=f"/{p.site}/somebody-else"), life.event(3)]
    life.send("health", [life.event(1)])
    life.send("order", [events[1]])
    life.send("health", [life.event(3), life.event(4, "request.created", stray)])
    life.reach(4, "an event of another device and one of another class")
    return _set_aside(p, life.epoch, 2, [order, stray])


def _set_aside(p: PlatformSubject, epoch: str, count: int, orders: list[dict[str, Any]]) -> str:
    """See that invalid requests had no effect: none is answered, and the page counts them where there is one."""
    if p.look.can:
        shown = p.look.until(lambda d: d["epoch"] == epoch and d["set_aside"], "nothing is shown as set aside")
        letters = p.look.get("/api/dead-letters?limit=50") or []
        reasons = [one["reason"] for one in letters[:count]]
        require(len(reasons) == count and all(reasons), f"set aside without a reason: {reasons}")
        return f"{shown['set_aside']} set aside on the page, the last for: {'; '.join(reasons)}"[:200]
    p.need_automatic()
    for order in orders:
        require(p.unanswered(order), "an invalid request was answered as if it were valid")
    p.cover()
    return "acknowledged, and not answered"


@check("platform", "R-106")
def poison(p: PlatformSubject) -> str:
    """Send valid, invalid, valid."""
    life = p.life()
    life.birth()
    order = request(extra=1)
    life.send("order", [life.event(1, "request.created", request())])
    life.send("order", [life.event(2, "request.created", order), life.event(3, "request.created", request())])
    life.send("health", [life.event(4, data={"version": 4}), life.event(5)])
    life.reach(5, "valid, invalid, valid, invalid, valid")
    return _set_aside(p, life.epoch, 2, [order])


@check("platform", "R-107")
def future(p: PlatformSubject) -> str:
    """Send a type that nobody knows."""
    life = p.life()
    life.send("visit", [life.event(1, type="eu.parvis.test.unknown.v9", data={"anything": [1, {"deep": None}]})])
    life.reach(1, "eu.parvis.test.unknown.v9")
    if p.look.can:
        kept = p.look.get("/api/events?type=eu.parvis.test.unknown.v9&limit=1")
        require(kept, "acknowledged, but not kept")
    return "acknowledged" + (" and kept" if p.look.can else "")


@check("platform", "R-108")
def no_batch(p: PlatformSubject) -> str:
    """Send what is no batch, in many ways; then a good one."""
    life = p.life()
    good = json.dumps(life.events(1)).encode()
    hostile = [
        b"", b"not json", b"{}", b"[]", b"null", b'"text"', b"[NaN]", b"\x78\x9cbroken", b"\x1f\x8b\x08", b"\xff\xfe",
        b"[" * 100_000, b"[" + b"1," * 2000 + b"1]", b"[" + b" " * (1 << 20) + good[1:], zlib.compress(good)[:-3],
        b'["\\ud800"]', b"[" + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"]",
    ]  # fmt: skip
    for payload in hostile:
        life.send("health", payload)
    life.send("elsewhere", life.events(1))
    for what in ("state", "birth", "replied"):
        p.link.publish(f"{p.root}/{what}", b'{"online": "perhaps"}')
    life.stays(None, "messages that are no batch", 0.5)
    life.send("health", life.events(1))
    life.reach(1, f"{len(hostile)} hostile messages and a good batch")
    return f"{len(hostile) + 4} hostile messages, then a good batch: acknowledged"


@check("platform", "R-110")
def clock(p: PlatformSubject) -> str:
    """Send an event dated 1970 and then one of the same boot with a right clock."""
    p.look.need()
    life, boot = p.life(), f"boot-{p.boot}"
    early = life.event(1, time="1970-01-01T00:00:05Z", synchronised=False, monotonic=5.0, boot=boot)
    life.send("health", [early, life.event(2, time="2025-03-04T12:00:00Z", monotonic=65.0, boot=boot)])
    life.reach(2, "an event dated 1970 and one with a right clock")
    shown = p.look.get("/api/events?limit=50")
    if shown is None:
        raise Skipped("the page has no /api/events: look at the two events by hand")
    at = {one["seq"]: one["at"] for one in shown if one["epoch"] == life.epoch}
    apart = at.get(2, 0) - at.get(1, 0)
    require(abs(apart - 60) < 1, f"60 s apart by the monotonic clock, shown {apart:.0f} s apart")
    return "back-dated: 60 s apart as the monotonic clock says"


@check("platform", "R-111")
def clone(p: PlatformSubject) -> str:
    """Send two ids under one number."""
    life = p.life()
    life.birth()
    first = life.event(1)
    life.send("health", [first])
    life.reach(1, "one event")
    life.send("health", [life.event(1), life.event(2)])
    life.reach(2, "the same number under another id")
    p.look.need()
    p.look.until(lambda d: d["epoch"] == life.epoch and d["conflicts"] == 1, "the conflict is not counted")
    kept = [one["id"] for one in p.look.get("/api/events?limit=50") or [] if one["epoch"] == life.epoch]
    require(first["id"] in kept, "the first id was not kept")
    return "one conflict counted, the first kept"


@check("platform", "R-702")
def address(p: PlatformSubject) -> str:
    """Send a hardware address in a text, in several spellings."""
    life = p.life()
    life.birth()
    spellings = [_MAC, _MAC.upper(), _MAC.replace(":", "-"), "0200.5ec0.ffee", _MAC.replace(":", "")]
    orders = [request(subject=one) for one in spellings]
    life.send("order", [life.event(n, "request.created", order) for n, order in enumerate(orders, 1)])
    life.reach(len(orders), "events with a hardware address")
    seen = _set_aside(p, life.epoch, 1, orders)
    if p.hooks.has("dump-store"):
        stored = p.hooks.run("dump-store").lower()
        found = [one for one in spellings if one.lower().encode() in stored]
        require(not found, f"the store holds the address, {len(found)} of {len(spellings)} spellings")
        return seen + "; not in the store"
    return seen + "; the store was not searched (--hook dump-store)"


@check("platform", "R-703")
def markup(p: PlatformSubject) -> str:
    """Send markup in each text; look at the page."""
    life = p.life()
    order = request(kind="room", subject=_MARKUP, place=_MARKUP[:100], data={"comment": _MARKUP, _MARKUP[:40]: "x"})
    life.send("order", [life.event(1, "request.created", order)])
    life.send("health", [life.event(2, data={"version": _MARKUP[:60], "role": "conformance"})])
    life.send("health", [life.event(3, monotonic=1e300), life.event(4, time="9999-12-31T23:59:59Z")])
    life.reach(4, "markup, a huge number and the last date of all")
    p.look.need()
    page = p.look.text("/")
    require(page, "the page can't be shown any more")
    require("<script>conformance" not in page and "<img src=x" not in page, "the page holds the markup unescaped")
    return "the page shows it escaped"


@check("platform", "R-801")
def unknown_members(p: PlatformSubject) -> str:
    """Send each message with a member that nobody knows."""
    life = p.life()
    p.link.publish(f"{p.root}/state", {"online": True, "epoch": life.epoch, "mood": "fine"}, retain=True)
    life.birth(mood={"of": "tomorrow"})
    life.reach(0, "a birth with an unknown member")
    life.send("health", [life.event(1, mood="fine")])
    life.reach(1, "an event whose envelope has an unknown member")
    return "state, birth and event with an unknown member: taken"


@check("platform", "R-802")
def closed(p: PlatformSubject) -> str:
    """Send a v1 event with one member more in its data, and a v2 of the same type."""
    life = p.life()
    life.birth()
    order = request(mood="fine")
    life.send("order", [life.event(1, "request.created", order)])
    newer = life.event(2, type="eu.parvis.request.created.v2", data={"anything": "new"})
    life.send("order", [newer])
    life.reach(2, "a v1 with one member more, and a v2")
    return _set_aside(p, life.epoch, 1, [order]) + "; the v2 kept unread"


@check("platform", "R-803")
def reserved(p: PlatformSubject) -> str:
    """Watch what belongs to the devices of a site while everything else runs."""
    life = p.life()
    life.birth()
    life.send("health", life.events(1))
    life.reach(1, "a birth and an event")
    if p.link.wait(lambda: any("/live/" in h.topic for h in list(p.link.heard)), 1):
        raise Failed("a message on live/{what}, which is the devices' own")
    return "nothing on live/{what}"
