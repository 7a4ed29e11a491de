# SPDX-License-Identifier: EUPL-1.2
"""What a platform answers to people's requests: R-401 to R-405."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.conformance.device import request
from contracts.conformance.registry import check
from contracts.conformance.verdict import Failed, NotApplicable, require

if TYPE_CHECKING:
    from contracts.conformance.device import PlatformSubject


@check("platform", "R-401")
def one_request(p: PlatformSubject) -> str:
    """Send the same request under two numbers, and again in another epoch."""
    p.need_automatic()
    order = request()
    life, later = p.life(), p.life()
    life.send("order", [life.event(seq, "request.created", order) for seq in (1, 2)])
    life.reach(2, "one request under two numbers")
    later.send("order", [later.event(1, "request.created", order)])
    later.reach(1, "the same request in another epoch")
    p.link.wait(lambda: p.replies(order["request"]), p.patience)
    p.link.wait(lambda: False, 1)
    states = sorted({reply["n"]: reply["state"] for reply in p.replies(order["request"])}.values())
    p.cover()
    # Several states of one request are its way; the same state twice is a second request.
    require(len(states) == len(set(states)), f"one request under three numbers was answered {', '.join(states)}")
    return f"one request under three numbers and two epochs: {', '.join(states)}, once"


@check("platform", "R-402")
def sent_again(p: PlatformSubject) -> str:
    """Keep silent about replies: they come again, in a row of numbers, also after a restart."""
    p.need_automatic()
    p.cover()
    before = p.last_reply() or ("", 0)
    orders = [request() for _ in range(3)]
    life = p.life()
    life.birth()
    life.send("order", [life.event(n, "request.created", order) for n, order in enumerate(orders, 1)])

    def all_here(times: int) -> bool:
        return all(len(p.replies(order["request"])) >= times for order in orders)

    require(p.link.wait(lambda: all_here(1), p.patience), "three requests did not get three replies")
    got = [p.replies(order["request"])[0] for order in orders]
    flaws = [flaw for reply in got if (flaw := p.schemas.flaw("reply", reply))]
    require(not flaws, f"a reply that is not valid: {flaws[:1]}")
    numbers = sorted(reply["n"] for reply in got)
    start = before[1] if got[0]["epoch"] == before[0] else 0
    require(numbers == list(range(start + 1, start + 4)), f"after reply {start} came {numbers}")
    require(p.link.wait(lambda: all_here(2), 2 * p.patience), "not confirmed, and not sent again within 20 s")
    seen = f"replies {numbers[0]} to {numbers[-1]}, sent again without a birth"
    if p.hooks.has("kill", "start"):
        _after_restart(p, orders[-1]["request"], numbers[-1])
        seen += " and after kill -9 under the same numbers"
    life.birth()
    p.cover()
    p.link.wait(lambda: False, 0.5)
    heard = len(p.link.heard)
    life.birth()
    p.link.wait(lambda: False, 1)
    late = [h.topic for h in p.link.heard[heard:] if "/reply/" in h.topic]
    require(not late, f"covered by replied, and sent again: {late[:3]}")
    return seen + "; silent once covered"


def _after_restart(p: PlatformSubject, key: str, number: int) -> None:
    p.hooks.run("kill")
    times = len(p.replies(key))
    p.hooks.run("start")
    if not p.link.wait(lambda: len(p.replies(key)) > times, 3 * p.patience):
        raise Failed("not confirmed, and not sent again after a restart")
    require({reply["n"] for reply in p.replies(key)} == {number}, "after a restart the number was another one")


@check("platform", "R-404")
def foreign_replied(p: PlatformSubject) -> str:
    """Send a replied of another epoch, and one far above what was sent."""
    p.need_automatic()
    order, life = request(), p.life()
    life.birth()
    life.send("order", [life.event(1, "request.created", order)])
    require(p.link.wait(lambda: p.replies(order["request"]), p.patience), "no reply came")
    epoch, n = p.last_reply() or ("", 0)
    for body in ({"epoch": "another-epoch", "n": n}, {"epoch": epoch, "n": n + 1000}):
        p.link.publish(f"{p.root}/replied", body)
    times = len(p.replies(order["request"]))
    life.birth()
    again = p.link.wait(lambda: len(p.replies(order["request"])) > times, p.patience)
    p.cover()
    require(again, "after a foreign replied the reply was not sent again")
    return "both ignored: the reply came again"


@check("platform", "R-405")
def several(_p: PlatformSubject) -> str:
    """Judge nothing: a platform may, and need not."""
    raise NotApplicable("a permission, not a duty: answer a request twice on the platform and look at the device")
