# SPDX-License-Identifier: EUPL-1.2
"""A device's connection, the replies that it applies, what it believes and what it never tells: R-403 to R-802."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from contracts.conformance.registry import check
from contracts.conformance.verdict import Failed, Skipped, require

if TYPE_CHECKING:
    from contracts.conformance.platform import DeviceSubject
    from contracts.conformance.relay import Relay

_ADDRESS = re.compile(r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}")
_CUTS = 4
_JITTER = 0.05  # seconds: a fixed wait would repeat itself more exactly than this


_WINDOW = 300


@check("device", "R-403")
def in_order(d: DeviceSubject) -> str:
    """Send 2 before 1; 1 twice; begin a new reply epoch."""
    d.need_birth()
    d.reply(2)
    d.pause(1)
    require(not any(n >= 1 for n in d.replied()), f"reply 2 came before 1, and replied said {d.replied()}")
    d.reply(1)
    require(d.link.wait(lambda: 1 in d.replied() or 2 in d.replied(), d.patience), "reply 1 came, and no replied")
    d.reply(2)
    require(d.link.wait(lambda: 2 in d.replied(), d.patience), f"replies 1 and 2 came, replied said {d.replied()}")
    times = len(d.replied())
    d.reply(1)
    require(
        d.link.wait(lambda: len(d.replied()) > times, d.patience), "reply 1 came twice, and replied was not said again"
    )
    require(d.replied()[-1] == 2, f"reply 1 again, and replied went back to {d.replied()[-1]}")
    fresh = d.reply_epoch + "-next"
    d.reply(1, fresh)
    require(d.link.wait(lambda: d.replied(fresh) == [1], d.patience), f"a new reply epoch: replied {d.replied(fresh)}")
    d.reply_epoch = fresh
    return "2 before 1 waited; 1 twice was said again; a new reply epoch began at 1"


@check("device", "R-406")
def unknown_request(d: DeviceSubject) -> str:
    """Reply to a request that nobody made."""
    d.need_birth()
    n = max(d.replied(), default=0) + 1
    for state in ("rejected", "done"):
        d.reply(n, state=state, reason="nobody asked")
        require(_covers(d, n), f"a reply to nobody's request: no replied {n}")
        n += 1
    return "replies to nobody's requests: covered by replied"


def _covers(d: DeviceSubject, n: int) -> bool:
    return bool(d.link.wait(lambda: n in d.replied(), d.patience))


@check("device", "R-501")
def will(d: DeviceSubject) -> str:
    """See state and birth; cut the connection and see the will, then both again."""
    birth = d.need_birth()

    def states() -> list[Any]:
        return [h.body for h in list(d.link.heard) if h.topic == f"{d.root}/state" and h.body]

    require(d.link.wait(states, d.patience), "no state was heard")
    require(states()[-1] == {**states()[-1], "online": True, "epoch": birth["epoch"]}, f"state {states()[-1]}")
    relay = d.need_relay()
    before, births = len(states()), len(d.births())
    relay.cut()
    require(
        d.link.wait(lambda: any(not s["online"] for s in states()[before:]), 6 * d.patience), "cut: no will appeared"
    )
    wills = [s for s in states()[before:] if not s["online"]]
    require(wills[0].get("epoch") == birth["epoch"], f"the will's epoch is {wills[0].get('epoch')}")
    back = d.link.wait(lambda: states()[-1]["online"] and len(d.births()) > births, 12 * d.patience)
    require(back, "after the cut no state online and birth")
    return "cut: the will appears with its epoch; then state and birth again"


@check("device", "R-503")
def jitter(d: DeviceSubject) -> str:
    """Cut several times and look at how long it stays away."""
    relay = d.need_relay()
    waits = []
    for _ in range(_CUTS):
        times, began = len(relay.came), time.monotonic()
        relay.cut()
        if not _comes_back(d, relay, times):
            raise Failed("after a cut it did not come back within 70 s")
        waits.append(relay.came[-1] - began)
        d.pause(1)
    seen = "came back after " + ", ".join(f"{wait:.2f}" for wait in waits) + " s"
    require(max(waits) <= 65, seen)
    if max(waits) - min(waits) < _JITTER:
        raise Failed(seen + ": always the same, so many devices would come back in the same moment")
    return seen


def _comes_back(d: DeviceSubject, relay: Relay, times: int) -> bool:
    return bool(d.link.wait(lambda: len(relay.came) > times, 70))


@check("device", "R-603")
def poke(d: DeviceSubject) -> str:
    """Tell of a version that does not exist."""
    version = d.need_birth()["content"]["version"]
    feed = d.root.rpartition("/")[0] + "/feed"
    invented = (version or 0) + 1_000_000
    d.link.publish(feed, {"version": invented}, retain=True)
    d.pause(4)
    d.link.publish(feed, b"", retain=True)
    told = [birth["content"]["version"] for birth in d.births()]
    require(invented not in told, "it says to serve a version that does not exist")
    return f"version {invented} was told; it serves {told[-1]}"


@check("device", "R-701")
def private(d: DeviceSubject) -> str:
    """Search every captured byte for hardware addresses; look at every count of people."""
    counts = 0
    for (_, seq), events in list(d.arrivals.items()):
        text = str(events[0]["data"])
        require(not _ADDRESS.search(text), f"seq {seq} holds a hardware address")
        if events[0]["type"] == "eu.parvis.presence.window.v1":
            for key in ("associated", "online", "arrivals", "departures"):
                value = events[0]["data"].get(key)
                require(value is None or (value >= 10 and value % 5 == 0), f"seq {seq}: {key} {value}")
                counts += 1
    if not d.arrivals:
        raise Skipped("no event came: give --hook act=COMMAND, or wait for one")
    return f"no hardware address in {len(d.arrivals)} events; {counts} counts are null or at least 10 in steps of 5"


@check("device", "R-704")
def coarse(d: DeviceSubject) -> str:
    """Look for the moment in every session's event: its time, its ids, its length."""
    seen = 0
    for (_, seq), events in list(d.arrivals.items()):
        event = events[0]
        if not event["type"].startswith("eu.parvis.session."):
            continue
        seen += 1
        ids = [int(each.replace("-", "")[:12], 16) / 1000 for each in (event["id"], event["data"]["session"])]
        for moment in (datetime.fromisoformat(event["time"]).timestamp(), *ids):
            require(moment % _WINDOW == 0, f"seq {seq} tells a moment: {moment:g} s")
        length = event["data"].get("duration", 0)
        require(length % _WINDOW == 0, f"seq {seq} tells a duration of {length:g} s")
    if not seen:
        raise Skipped("no session's event came: give --hook act=COMMAND, or wait for one")
    return f"{seen} events of sessions tell five minutes and no moment"


@check("device", "R-801")
def unknown_members(d: DeviceSubject) -> str:
    """Acknowledge and reply with members that it can't know."""
    d.need_birth()
    n = max(d.replied(), default=0) + 1
    d.reply(n, mood="fine")
    require(d.link.wait(lambda: n in d.replied(), d.patience), "a reply with an unknown member was not taken")
    seq = d.withheld()[-1]
    d.silent = False
    d.acknowledge(mood={"of": "tomorrow"})
    d.pause(1)
    require(not d.again(seq, 1.2 * d.patience), "an ack with an unknown member was not taken")
    return "reply and ack with an unknown member: taken"


@check("device", "R-802")
def closed(d: DeviceSubject) -> str:
    """Look for members that no schema names in the data of every known type."""
    if not d.arrivals:
        raise Skipped("no event came: give --hook act=COMMAND, or wait for one")
    types = set()
    for events in list(d.arrivals.values()):
        flaw = d.schemas.event_flaw(events[0])
        require(flaw is None, f"{events[0]['type']}: {flaw}")
        types.add(events[0]["type"])
    return f"{len(d.arrivals)} events of {len(types)} types have the members of their schemas alone"
