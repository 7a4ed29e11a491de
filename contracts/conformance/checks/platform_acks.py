# SPDX-License-Identifier: EUPL-1.2
"""What an acknowledgement covers and when it comes: R-003, R-201 to R-206, R-302 to R-307, R-502."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from contracts.conformance.registry import check
from contracts.conformance.verdict import Failed, require

if TYPE_CHECKING:
    from contracts.conformance.device import Life, PlatformSubject


@check("platform", "R-003")
def wiped(p: PlatformSubject) -> str:
    """Wipe the broker and send again what no ack covers, as a device does."""
    p.hooks.need("wipe-broker")
    life = p.life()
    life.send("health", life.events(1))
    life.reach(1, "one event")
    p.hooks.run("wipe-broker")
    end = time.monotonic() + 6 * p.patience
    while life.acked() != 2 and time.monotonic() < end:
        life.birth()
        life.send("health", life.events(2))
        p.link.wait(lambda: life.acked() == 2, 1)
    life.reach(2, "a broker that came back empty")
    return "the broker came back empty; the platform came back by itself"


@check("platform", "R-201")
def durable(p: PlatformSubject) -> str:
    """Kill -9 as soon as an ack has come, several times: nothing that was acknowledged may be missing."""
    p.hooks.need("kill", "start")
    promised = 0
    life = p.life()
    for turn in range(4):
        first = promised + 1
        for start in range(first, first + 600, 20):
            life.send("health", life.events(*range(start, start + 20)))
        _until(p, life, first + 40 * turn)
        p.hooks.run("kill")
        promised = max((seq for _, seq in life.acks()), default=0)
        require(promised >= first, "no ack came before the kill")
        heard = len(life.acks())
        p.hooks.run("start")
        life.birth()
        _next_ack(p, life, heard, "the kill and a birth")
        least = min(seq for _, seq in life.acks()[heard:])
        require(least >= promised, f"{promised} was acknowledged before kill -9; after it the platform holds {least}")
        promised = max(seq for _, seq in life.acks())
    return f"four times kill -9 under load: all {promised} that were acknowledged are still there"


def _until(p: PlatformSubject, life: Life, least: int) -> None:
    p.link.wait(lambda: (life.acked() or 0) >= least, p.patience)


def _next_ack(p: PlatformSubject, life: Life, heard: int, after: str) -> None:
    if not p.link.wait(lambda: len(life.acks()) > heard, 3 * p.patience):
        raise Failed(f"after {after} no ack came")


@check("platform", "R-202")
def cumulative(p: PlatformSubject) -> str:
    """Send 1, 2, 4; then 3."""
    life = p.life()
    life.send("health", life.events(1, 2, 4))
    life.reach(2, "1, 2, 4")
    life.stays(2, "1, 2, 4")
    life.send("health", life.events(3))
    life.reach(4, "1, 2, 4, 3")
    return "1, 2, 4: ack 2; then 3: ack 4"


@check("platform", "R-203")
def birth_answered(p: PlatformSubject) -> str:
    """Publish a birth, with nothing held and with something; restart the platform where that is possible."""
    life = p.life()
    life.birth()
    life.reach(0, "the birth of a life that sent nothing")
    life.send("health", life.events(1, 2))
    life.reach(2, "two events")
    heard = len(life.acks())
    life.birth()
    _next_ack(p, life, heard, "a second birth")
    if not p.hooks.has("kill", "start"):
        return "ack 0, then 2, on each birth; its start was not seen (--hook kill, --hook start)"
    p.hooks.run("kill")
    heard = len(life.acks())
    p.hooks.run("start")
    _next_ack(p, life, heard, "a restart, for the retained birth,")
    life.reach(2, "a restart")
    return "ack 0, then 2, on each birth, and for the retained birth at its start"


@check("platform", "R-205")
def prompt(p: PlatformSubject) -> str:
    """Measure from the PUBACK of a batch to its ack."""
    life, waits = p.life(), []
    for seq in range(1, 21):
        began = time.monotonic()
        life.send("health", life.events(seq))
        waits.append(life.reach(seq, f"event {seq}") - began)
    seen = f"20 single events: median {1000 * statistics.median(waits):.0f} ms, longest {1000 * max(waits):.0f} ms"
    require(statistics.median(waits) < 1, seen)
    return seen


# Seconds: a store that is locked refuses only after a while, and what is acknowledged wrongly is so only then.
_REFUSING = 8.0


@check("platform", "R-206")
def store_refuses(p: PlatformSubject) -> str:
    """Make the store refuse writes; nothing may be acknowledged until it works again."""
    p.hooks.need("break-store", "mend-store")
    life = p.life()
    life.send("health", life.events(1))
    life.reach(1, "one event")
    p.hooks.run("break-store")
    try:
        life.send("health", life.events(2))
        life.stays(1, "an event while the store refuses", _REFUSING)
    finally:
        p.hooks.run("mend-store")
    end = time.monotonic() + 3 * p.patience
    while life.acked() != 2 and time.monotonic() < end:
        life.send("health", life.events(2))
        p.link.wait(lambda: life.acked() == 2, 1)
    life.reach(2, "the store works again")
    return "no ack while the store refused; work went on by itself"


@check("platform", "R-302")
def gap(p: PlatformSubject) -> str:
    """Send 1, then a gap 2..5 as seq 6."""
    life = p.life()
    declared = {"first": 2, "last": 5, "count": 4, "reason": "budget"}
    life.birth()
    life.send("health", [life.event(1), life.event(6, "health.gap", declared)])
    life.reach(6, "1 and a gap 2..5 as 6")
    if p.look.can:
        p.look.until(
            lambda d: d["epoch"] == life.epoch and d["missing_declared"] == 4 and not d["missing_undeclared"],
            "four declared losses are not counted as such",
        )
    return "ack 6" + (", four declared losses shown" if p.look.can else "")


@check("platform", "R-303")
def oldest(p: PlatformSubject) -> str:
    """Publish a birth whose oldest is 11, and no event."""
    life = p.life()
    life.birth(oldest=11, created=12)
    life.reach(10, "a birth with oldest 11 and no event")
    life.stays(10, "a birth with oldest 11")
    if p.look.can:
        p.look.until(
            lambda d: d["epoch"] == life.epoch and d["missing_undeclared"] == 10, "ten undeclared losses are not shown"
        )
    return "ack 10" + (", undeclared 10" if p.look.can else "")


@check("platform", "R-305")
def account(p: PlatformSubject) -> str:
    """Look for the account and the verdict next to what arrived."""
    p.look.need()
    life = p.life()
    life.birth(created=1, oldest=1)
    life.send("health", life.events(1))
    life.reach(1, "one event")
    life.birth(created=1, account={"created": 1, "acked": 1, "pending": 0, "dropped": 0})
    shown = p.look.until(lambda d: d["epoch"] == life.epoch and d.get("account"), "no account is shown")
    words = {"received", "duplicates", "gaps", "set_aside", "verdict"} - set(shown)
    require(not words, f"not shown: {', '.join(sorted(words))}")
    return f"received {shown['received']}, account {shown['account']}, verdict {shown['verdict']['word']!r}"


@check("platform", "R-307")
def apart(p: PlatformSubject) -> str:
    """Two lives with the same numbers."""
    old, new = p.life(), p.life()
    old.send("health", old.events(1, 2, 3))
    old.reach(3, "three events of a first epoch")
    new.birth()
    new.reach(0, "the birth of a second epoch")
    new.send("health", new.events(1))
    new.reach(1, "one event of the second epoch")
    old.birth()
    new.stays(1, "a birth of the first epoch", 0.3)
    old.reach(3, "a birth of the first epoch")
    return "3 in the first epoch, 1 in the second, side by side"


@check("platform", "R-502")
def late_will(p: PlatformSubject) -> str:
    """Publish the will of an older life after the birth of a new one."""
    p.look.need()
    old, new = p.life(), p.life()
    old.birth()
    new.birth()
    new.reach(0, "a second birth")
    p.look.until(lambda d: d["epoch"] == new.epoch and d["online"], "the device is not shown as online")
    p.link.publish(f"{p.root}/state", {"online": False, "epoch": old.epoch}, retain=True)
    new.send("health", new.events(1))
    new.reach(1, "one event")
    shown = p.look.device()
    require(shown["online"] and shown["epoch"] == new.epoch, "a will of an older epoch took the device offline")
    return "still online"
