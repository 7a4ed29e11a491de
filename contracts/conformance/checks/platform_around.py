# SPDX-License-Identifier: EUPL-1.2
"""What surrounds the messages: protocol, topics, the broker's rules, repository, feed: R-001, R-002, R-006, R-6xx."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from contracts.conformance.link import Link, LinkError, speaks_v5
from contracts.conformance.registry import check
from contracts.conformance.verdict import Failed, NotApplicable, Skipped, require

if TYPE_CHECKING:
    from contracts.conformance.device import PlatformSubject


@check("platform", "R-001")
def protocol(p: PlatformSubject) -> str:
    """See whether all the others ran over a broker that has nothing but 3.1.1."""
    if speaks_v5(p.access):
        raise Skipped("this broker has MQTT 5 too: run against one that speaks 3.1.1 only (NATS, amqtt)")
    life = p.life()
    life.send("health", life.events(1))
    life.reach(1, "one event over a broker of MQTT 3.1.1")
    return "the broker has 3.1.1 only, and the acks come"


@check("platform", "R-002")
def topics(p: PlatformSubject) -> str:
    """Compare topic, QoS, retain flag and form of all that was heard; look for what is retained and should not be."""
    life = p.life()
    life.birth()
    life.reach(0, "a birth")
    allowed = re.compile(re.escape(p.root) + r"/(ack|reply/[1-9][0-9]*)|" + re.escape(p.feed))
    for h in p.link.heard:
        require(allowed.fullmatch(h.topic), f"topic {h.topic}")
        require(h.qos == 1, f"{h.topic.removeprefix(p.root)} with QoS {h.qos}")
        name = "feed" if h.topic == p.feed else h.topic.removeprefix(p.root + "/").partition("/")[0]
        flaw = p.schemas.flaw(name, h.body)
        require(flaw is None, f"{name} is not valid: {flaw}")
        require(name != "reply" or h.topic.endswith(f"/{h.body['n']}"), "reply/{n} and its n differ")
    with Link(p.access, [f"{p.root}/ack", f"{p.root}/reply/+"]) as other:
        other.wait(lambda: other.heard, 0.5)
        kept = [h.topic.removeprefix(p.root) for h in other.heard if h.retain]
    require(not kept, f"retained, and should not be: {kept[:3]}")
    return f"{len(p.link.heard)} messages: topics, QoS, flags and schemas are right"


@check("platform", "R-006")
def rules(p: PlatformSubject) -> str:
    """As device A, read and publish as B."""
    if not p.access.secure or not p.access.certificate:
        raise NotApplicable("across a network only: --broker mqtts://… with --certificate and --key")
    foreign = p.root.rpartition("/")[0] + "/somebody-else"
    life = p.life()
    try:
        # A broker may take a subscription and then deliver nothing: only what comes counts.
        with Link(p.access, [f"{foreign}/ack", f"{foreign}/reply/+", "parvis/#"]) as other:
            other.post(f"{foreign}/state", {"online": True, "epoch": life.epoch}, retain=True)
            life.birth()
            life.reach(0, "a birth")
            other.wait(lambda: False, 1)
            own = f"{p.root}/"
            strange = sorted({h.topic for h in other.heard if not h.topic.startswith(own) and h.topic != p.feed})
    except LinkError:
        return "the broker ends the connection of who asks for another's topics"
    require(not strange, f"heard: {strange[:3]}")
    if p.look.can:
        known = [d["device"] for d in (p.look.get("/api/state") or {}).get("devices", [])]
        require("somebody-else" not in known, "published as another device, and the platform took it")
        return "nothing of others was heard; what was published as another did not arrive"
    return "nothing of others was heard; what was published as another was heard by nobody here"


@check("platform", "R-601")
def files(p: PlatformSubject) -> str:
    """GET with If-None-Match, with Range, and an invented name."""
    name = _timestamp(p)
    status, headers, body = _get(p, name)
    require(status == 200 and headers.get("ETag"), f"{name}: status {status}, ETag {headers.get('ETag')}")
    status, _, _ = _get(p, name, {"If-None-Match": headers["ETag"]})
    require(status == 304, f"If-None-Match with its own ETag: {status}")
    status, _, part = _get(p, name, {"Range": "bytes=1-4"})
    require(status == 206 and part == body[1:5], f"Range bytes=1-4: status {status}, {len(part)} bytes")
    status, _, _ = _get(p, "metadata/no-such-file.json")
    require(status == 404, f"an invented name: {status}")
    return f"{name}: 200 with ETag, 304, 206, and 404 for what is not there"


def _timestamp(p: PlatformSubject) -> str:
    if not p.repository:
        raise Skipped("give --repository URL")
    for name in ("metadata/timestamp.json", "timestamp.json"):
        if _get(p, name)[0] == 200:
            return name
    raise Failed("there is no metadata/timestamp.json: publish something")


def _get(p: PlatformSubject, name: str, headers: dict[str, str] | None = None) -> tuple[int, Any, bytes]:
    question = urllib.request.Request(f"{(p.repository or '').rstrip('/')}/{name}", headers=headers or {})  # noqa: S310
    try:
        with urllib.request.urlopen(question, timeout=p.patience) as answer:  # noqa: S310 - the operator's own URL
            return answer.status, answer.headers, answer.read(1 << 20)
    except urllib.error.HTTPError as error:
        return error.code, error.headers, b""


@check("platform", "R-602")
def feed(p: PlatformSubject) -> str:
    """Compare the retained feed with timestamp.json; publish and take the time where that is possible."""
    name = _timestamp(p)

    def told() -> list[int]:
        return [h.body["version"] for h in p.link.heard if h.topic == p.feed and h.body]

    life = p.life()
    life.birth()
    version = json.loads(_get(p, name)[2])["signed"]["version"]
    require(
        p.link.wait(lambda: version in told(), p.patience),
        f"timestamp.json is at {version}, the feed told {told()[-1:]}",
    )
    with Link(p.access, [p.feed]) as late:
        require(late.wait(lambda: any(h.retain for h in late.heard), 2), "the feed is not retained")
    if not p.hooks.has("publish"):
        return f"retained, version {version}; the time was not taken (--hook publish)"
    began = time.monotonic()
    p.hooks.run("publish")
    ready = time.monotonic()
    require(p.link.wait(lambda: told()[-1] > version, p.patience), "after publishing, the feed told nothing")
    heard = [h.at for h in p.link.heard if h.topic == p.feed][-1]
    require(heard - ready < 1, f"told {heard - ready:.1f} s after the publication was ready")
    return f"retained; version {told()[-1]} told {max(0.0, heard - began):.2f} s after publishing began"


@check("platform", "R-604")
def without_feed(_p: PlatformSubject) -> str:
    """Judge nothing: a platform may, and need not."""
    raise NotApplicable("a permission, not a duty: devices look by themselves at an interval")
