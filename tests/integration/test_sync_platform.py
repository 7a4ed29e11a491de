# SPDX-License-Identifier: EUPL-1.2
"""`sync` with the reference platform, written from contracts/ alone: the whole way, and what is really sent."""

import json
import shutil
import sqlite3
import sys
import time
import zlib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from edge_core.store import quotas, requests
from lab.faults.peer import Peer
from lab.faults.site import Process, until
from lab.ports import free_port

SCHEMAS = Path(__file__).resolve().parents[2] / "contracts" / "schemas"
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin"), reason="mosquitto is not installed"
    ),
]


@pytest.fixture
def platform(tmp_path, broker):
    """Return the reference platform's process and its store."""
    store = tmp_path / "platform.db"
    (tmp_path / "repository").mkdir()
    words = [sys.executable, "-m", "lab.platform", "--store", str(store), "--repository", str(tmp_path / "repository")]
    words += ["--broker", f"mqtt://127.0.0.1:{broker.port}", "--port", str(free_port()), "--quota", "event/atelier=5:3"]
    made = Process(words, tmp_path / "platform.log")
    made.store = store
    made.start()
    yield made
    made.kill()


def count(platform, statement):
    """Ask the platform's store for a number."""
    with sqlite3.connect(f"file:{platform.store}?mode=ro", uri=True) as store:
        found = store.execute(statement).fetchone()[0]
    store.close()
    return found


def test_order_is_accepted_and_the_page_can_tell(device, platform):
    """A request goes up, is accepted, and its reply moves it; the platform covers its reply as confirmed."""
    device.sync.start()
    asked = requests.create(
        device.store, kind="room", subject="salle-1", data={"people": "4"}, place="kiosk", now=time.time()
    )
    until(lambda: requests.get(device.store, asked.id).state == "accepted", 60, "accepted")
    assert requests.get(device.store, asked.id).reference
    until(device.empty, 60, "all acknowledged")
    until(lambda: count(platform, "SELECT replied FROM devices") >= 1, 60, "the confirmation at the platform")


def test_seats_are_confirmed_while_the_platform_is_dead(device, platform):
    """Within the lease at once, beyond it provisional; the platform, back again, accepts both, and never a sixth."""

    def seat(people):
        answers = {"people": str(people)}
        return requests.create(
            device.store, kind="event", subject="atelier", data=answers, place="kiosk", now=time.time()
        )

    device.sync.start()
    until(lambda: quotas.running(device.store), 60, "a lease")
    platform.kill()
    device.sync.kill()
    first, beyond = seat(3), seat(2)
    assert (first.is_confirmed, beyond.is_confirmed, beyond.is_provisional) == (True, False, True)
    platform.start()
    device.sync.start()
    for made in (first, beyond):
        until(lambda made=made: requests.get(device.store, made.id).state == "accepted", 60, "accepted")
    late = seat(1)
    assert late.is_provisional
    until(lambda: requests.get(device.store, late.id).state == "waitlisted", 60, "on the waiting list")


def test_nothing_is_lost_when_all_three_are_killed(device, platform, broker):
    """Platform, broker and sync die in turn by kill -9 while events are recorded: each is held once."""
    device.sync.start()
    for process in (platform, broker, device.sync) * 2:
        device.tell(400, order_each=40)
        time.sleep(0.2)
        process.kill()
        device.tell(100)
        process.start()
        assert device.account().balanced
    until(device.empty, 90, "everything acknowledged")
    account = device.account()
    assert account.dropped == 0
    assert count(platform, "SELECT count(*) FROM events") == account.acked == account.created
    assert count(platform, "SELECT count(DISTINCT seq) FROM events") == account.created
    assert count(platform, "SELECT count(*) FROM dead_letters") == 0


def test_what_is_sent_keeps_the_contract(device, broker):
    """Each message that `sync` publishes is valid by its schema, retained exactly where the contract says so."""
    peer = Peer(broker.port).start()
    device.sync.start()
    device.tell(50, order_each=5)
    asked = requests.create(device.store, kind="room", subject="s", data={}, place="kiosk", now=time.time())
    until(device.empty, 60, "acknowledgement")
    peer.reply(device.name, 1, asked.id, "accepted")
    until(lambda: peer.replied, 60, "replied")
    device.sync.terminate()
    until(lambda: not peer.states[device.name]["online"], 60, "offline")
    peer.stop()
    validators = _validators()
    seen = set()
    for topic, payload, _ in peer.messages:
        what = topic.split("/")[4]
        raw = zlib.decompress(payload) if payload[:1] == b"\x78" else payload
        document = json.loads(raw)
        validators["batch" if what == "ev" else what].validate(document)
        for event in document if what == "ev" else ():
            validators[f"event.{event['type'].removeprefix('eu.parvis.')}"].validate(event)
            seen.add(event["type"])
        seen.add(what)
    assert {"state", "birth", "replied", "ev", "eu.parvis.health.up.v1", "eu.parvis.request.created.v1"} <= seen


def _validators():
    documents = {path.name: json.loads(path.read_text()) for path in SCHEMAS.glob("*.schema.json")}
    registry = Registry().with_resources(
        [(document["$id"], Resource.from_contents(document)) for document in documents.values()]
    )
    return {
        name.removesuffix(".schema.json"): Draft202012Validator(document, registry=registry)
        for name, document in documents.items()
    }
