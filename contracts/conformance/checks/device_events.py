# SPDX-License-Identifier: EUPL-1.2
"""What a device sends, and that it keeps it until it is acknowledged: R-001 to R-109, R-204, R-301 to R-306."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.conformance.link import Link, speaks_v5
from contracts.conformance.registry import check
from contracts.conformance.verdict import Failed, Skipped, require

if TYPE_CHECKING:
    from contracts.conformance.platform import DeviceSubject

_CLASSES = ("health", "presence", "usage", "order", "visit")


@check("device", "R-001")
def protocol(d: DeviceSubject) -> str:
    """See whether all the others ran over a broker that has nothing but 3.1.1."""
    d.need_birth()
    if speaks_v5(d.access):
        raise Skipped("this broker has MQTT 5 too: run against one that speaks 3.1.1 only (NATS, amqtt)")
    return "the broker has 3.1.1 only, and the device speaks"


_LIVE = {"live/busy", "live/queue", "live/help", "live/kiosk"}


@check("device", "R-002")
def topics(d: DeviceSubject) -> str:
    """Compare topic, QoS and form of all that was heard; look at what is retained."""
    d.need_birth()
    for h in list(d.link.heard):
        what = h.topic.removeprefix(d.root + "/")
        require(h.qos == 1, f"{what} with QoS {h.qos}")
        if what in {"state", "birth", "replied", "reported"}:
            flaw = d.schemas.flaw(what, h.body)
            require(flaw is None, f"{what} is not valid: {flaw}")
        elif what in _LIVE:
            flaw = d.schemas.flaw(what.replace("/", "."), h.body) if h.body else None  # empty takes it back
            require(flaw is None, f"{what} is not valid: {flaw}")
        else:
            its_own = what.startswith("live/") or (what.startswith("ev/") and what[3:] in _CLASSES)
            require(its_own, f"topic {what}")
    with Link(d.access, [f"{d.root}/{what}" for what in ("state", "birth", "ev/+", "replied", "reported")]) as other:
        other.wait(lambda: len([h for h in other.heard if h.retain]) > 1, 3)
        kept = {h.topic.removeprefix(d.root + "/") for h in other.heard if h.retain}
    # `reported` is retained once there was a wish to report on.
    right = kept - {"reported"} == {"state", "birth"}
    require(right, f"retained: {sorted(kept) or 'nothing'}; expected birth and state")
    return f"{len(d.link.heard)} messages: topics, QoS, flags and schemas are right"


@check("device", "R-003")
def puback(d: DeviceSubject) -> str:
    """Let the broker confirm, and say nothing: the device sends again."""
    seq = d.withheld()[0]
    try:
        if d.hooks.has("wipe-broker"):
            d.hooks.run("wipe-broker")
        require(d.again(seq, 6 * d.patience), f"seq {seq} was confirmed by the broker alone, and never sent again")
    finally:
        d.release()
    how = "the broker was wiped" if d.hooks.has("wipe-broker") else "only the broker confirmed it"
    return f"{how}: seq {seq} was sent again"


@check("device", "R-004")
def batches(d: DeviceSubject) -> str:
    """Validate every captured batch."""
    if not d.batches:
        d.withheld()
        d.release()
    longest = widest = compressed = 0
    for heard, events in d.batches:
        if isinstance(events, str):
            raise Failed(f"{heard.topic.removeprefix(d.root)}: {events}")
        klass = heard.topic.rpartition("/")[2]
        for event in events:
            flaw = d.schemas.event_flaw(event)
            require(flaw is None, f"an event of {event.get('type')} is not valid: {flaw}")
            require(event["source"] == f"/{d.site}/{d.device}", f"source {event['source']}")
            require(d.schemas.classes.get(event["type"], klass) == klass, f"{event['type']} in class {klass}")
        longest, widest = max(longest, len(events)), max(widest, len(heard.payload))
        compressed += heard.payload[:1] == b"\x78"
    return f"{len(d.batches)} batches, {compressed} compressed, at most {longest} events and {widest} bytes"


@check("device", "R-101")
def numbered(d: DeviceSubject) -> str:
    """Look at the numbers: none has two ids, none is left out; with kill -9 in between where that is possible."""
    epoch = d.need_birth()["epoch"]
    if d.hooks.has("act", "kill", "start"):
        for _ in range(2):
            d.hooks.run("act")
            d.restart()
        d.link.wait(lambda: d.complete(epoch) >= d.need_birth()["account"]["created"] > 0, 6 * d.patience)
    numbers = sorted(seq for e, seq in d.arrivals if e == epoch)
    if not numbers:
        raise Skipped("no event came: give --hook act=COMMAND, or wait for one")
    twice = [s for s in numbers if len({e["id"] for e in d.arrivals[epoch, s]}) > 1]
    require(not twice, f"seq {twice[:3]} came with different ids")
    ids = {d.arrivals[epoch, s][0]["id"] for s in numbers}
    require(len(ids) == len(numbers), "an id came under two numbers")
    end = d.complete(epoch)
    require(end >= numbers[-1], f"after seq {end} there is a hole before {numbers[-1]}")
    how = "kill -9 twice" if d.hooks.has("act", "kill", "start") else "without kill -9 (--hook act, kill, start)"
    return f"seq {numbers[0]} to {numbers[-1]}, one id each, no hole; {how}"


@check("device", "R-102")
def kept(d: DeviceSubject) -> str:
    """Withhold acks, also over a restart; then acknowledge."""
    numbers = d.withheld()
    try:
        require(d.again(numbers[0], 6 * d.patience), "without an ack for a minute, nothing was sent again")
        seen = "sent again without an ack"
        if d.hooks.has("kill", "start"):
            d.restart()
            require(d.again(numbers[-1], 6 * d.patience), "after a restart, what no ack covers was not sent again")
            seen += " and after kill -9"
    finally:
        d.release()
    d.pause(1.5)
    require(not d.again(numbers[0], d.patience / 2), "acknowledged, and sent again")
    return f"{len(numbers)} events: {seen}; silent once acknowledged"


@check("device", "R-109")
def smaller(d: DeviceSubject) -> str:
    """Refuse messages of more than two events: all must come nevertheless."""
    epoch, d.most = d.need_birth()["epoch"], 2
    before = d.complete(epoch)
    try:
        d.hooks.run("act")
        d.pause(4)
        created = d.need_birth()["account"]["created"]
        require(created > before + 2, f"the hook act makes too few events at once to see it ({created - before})")
        came = d.link.wait(lambda: d.complete(epoch) >= created, 20 * d.patience)
    finally:
        d.most = None
        d.acknowledge()
    require(came, f"of {created - before} events, {d.complete(epoch) - before} came in messages of at most two")
    return f"{created - before} events came although messages of more than two were refused"


@check("device", "R-204")
def false_acks(d: DeviceSubject) -> str:
    """Acknowledge in another epoch, far too much, and backwards: nothing may be deleted."""
    seq = d.withheld()[0]
    try:
        highest = max(s for _, s in d.arrivals)
        d.acknowledge("another-epoch", highest)
        d.acknowledge(seq=highest + 1000)
        d.acknowledge(seq=max(0, seq - 2))
        require(d.again(seq, 6 * d.patience), f"after false acks, seq {seq} was never sent again: it was deleted")
    finally:
        d.release()
    return f"an ack of another epoch, one 1000 too high, one backwards: seq {seq} was sent again"


@check("device", "R-301")
def declared(d: DeviceSubject) -> str:
    """Fill the budget; compare gaps with what is missing."""
    d.hooks.need("fill")
    epoch, d.silent = d.need_birth()["epoch"], True
    try:
        d.hooks.run("fill")
    finally:
        d.release()
    d.link.wait(lambda: d.complete(epoch) >= d.need_birth()["account"]["created"], 12 * d.patience)
    account = d.need_birth()["account"]
    spans = [e[0]["data"] for k, e in d.arrivals.items() if k[0] == epoch and e[0]["type"] == "eu.parvis.health.gap.v1"]
    gone = {seq for span in spans for seq in range(span["first"], span["last"] + 1) if (epoch, seq) not in d.arrivals}
    require(account["dropped"] > 0, "nothing was dropped: the hook fill makes too few events")
    require(
        len(gone) == account["dropped"],
        f"{account['dropped']} dropped by the account, {len(gone)} declared and missing",
    )
    require(d.complete(epoch) >= account["created"], "some numbers are neither here nor declared")
    return f"{account['dropped']} dropped, all in {len(spans)} declared spans"


@check("device", "R-303")
def oldest(d: DeviceSubject) -> str:
    """Compare `oldest` in the birth with what is sent."""
    numbers = d.withheld()
    try:
        d.link.wait(lambda: d.need_birth().get("oldest"), d.patience)
        held = d.need_birth().get("oldest")
    finally:
        d.release()
    if held is None:
        raise Failed("no `oldest` in the birth, while events are pending")
    require(held <= numbers[0], f"oldest is {held}, yet {numbers[0]} was sent")
    return f"oldest {held} while {numbers[0]} to {numbers[-1]} were pending"


@check("device", "R-304")
def balance(d: DeviceSubject) -> str:
    """Every birth balances."""
    d.need_birth()
    for birth in d.births():
        a = birth["account"]
        require(a["created"] == a["acked"] + a["pending"] + a["dropped"], f"a birth does not balance: {a}")
    return f"{len(d.births())} births balance; the last: {d.births()[-1]['account']}"


@check("device", "R-306")
def restored(d: DeviceSubject) -> str:
    """Restore an old copy of its database: a new epoch, and nothing new under an old number."""
    d.hooks.need("restore")
    old = d.need_birth()["epoch"]
    d.hooks.run("restore")
    require(
        d.link.wait(lambda: d.need_birth()["epoch"] != old, 3 * d.patience),
        "an old copy was restored, the epoch stayed",
    )
    if d.hooks.has("act"):
        d.hooks.run("act")
        d.pause(2)
    twice = [key for key, events in list(d.arrivals.items()) if len({e["id"] for e in events}) > 1]
    require(not twice, f"{len(twice)} numbers came with two ids")
    return "a new epoch; no number with two meanings"
