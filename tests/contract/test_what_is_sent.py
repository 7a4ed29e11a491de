# SPDX-License-Identifier: EUPL-1.2
"""What the product really sends is what the contract says: events through the store and the packing of sync."""

from __future__ import annotations

import json
import re
import zlib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from edge_core import clock, events, events_reception
from edge_core.settings import load
from edge_core.store import database, outbox
from lab.platform.contract import Contract, Event
from lab.platform.testing import uuid7
from lab.platform.wire import parse_batch, parse_topic
from sync import batches, birth
from sync.uplink import Limits

FOLDER = Path(__file__).parents[2] / "contracts" / "schemas"
DOCUMENTS = {path.name.removesuffix(".schema.json"): json.loads(path.read_text()) for path in FOLDER.glob("*.json")}
REGISTRY = Registry().with_resources((doc["$id"], Resource.from_contents(doc)) for doc in DOCUMENTS.values())
SAMPLES = [
    events.Up(version="0.1.0", role="gateway"),
    events.Gap(first=1, last=20, count=20, reason="budget"),
    events.PresenceWindow(
        zone="main", access_point="ap-hall", start=1741091400, seconds=300, observed=300, doubt=None, associated=145,
        online=None, arrivals=10, departures=None,
    ),
    events.SessionStarted(session=uuid7(), plan="free", seconds=14400),
    events.SessionEnded(
        session=uuid7(), plan="free", reason="expired", duration=14400,
        up_bytes=0, up_packets=0, down_bytes=2**40, down_packets=7,
    ),
    events.RequestCreated(
        request=uuid7(), kind="room", subject="salle-ossau", place="accueil",
        answers={"date": "2025-03-06", "comment": "Où ? « Là »"},
    ),
    events.RequestConfirmed(
        request=uuid7(), kind="event", subject="atelier", place="portal", answers={"people": "2"},
        lease=uuid7(), units=2,
    ),
    events.QuotaReturned(lease=uuid7(), used=0, reason="withdrawn"),
    events.UsageRollup(sessions=3, duration=9, up_bytes=1, up_packets=1, down_bytes=2, down_packets=2),
    events.SurveyAnswered(survey="accueil", choice="good", place="portal"),
    events.UplinkChanged(up=True, way="second", milliseconds=48),
    events.DeviceChanged(role="printer", state="paper"),
    events.ScreenHelped(rung="browser", count=2),
    events.Down(reason="stopped"),
    events.UplinkMeasured(
        way="first", start=1741091400, seconds=300, asked=30, answered=0,
        milliseconds_median=None, milliseconds_worst=None,
    ),
    events.PagesRead(
        place="portal", start=0, seconds=300, pages=[{"collection": "news", "id": "ouverture", "askers": 10}]
    ),
    events.SearchesAsked(
        place="kiosk-1", start=0, seconds=3600, asked=25, unanswered=None, words=[{"text": "café", "askers": 10}]
    ),
    events.Touched(place="kiosk-1", start=0, seconds=3600, touches=120, visits=None),
    events.ReleaseEnded(
        release="parvis-0.2.0-1a2b3c4d-py311-aarch64", before="", outcome="refused", reason="Œuvre", seconds=0,
    ),
    events_reception.VisitArrived(
        visit=uuid7(), company="exemple-ardoise", host=None, name="Ĵ. Œuvre العربية", people=3, place="kiosk-hall",
        language="oc", announced=False,
    ),
    events_reception.VisitAsked(visit=uuid7(), asked="desk", reason="unreachable"),
    events_reception.VisitLeft(visit=uuid7(), how="night"),
    events_reception.RequestSettled(request=uuid7(), state="rejected", reason="Œuvre العربية", place="kiosk-hall"),
]  # fmt: skip


@pytest.fixture
def store(tmp_path):
    """A real edge.db of a device."""
    file = tmp_path / "parvis.toml"
    file.write_text(
        f'[site]\nid = "cite"\nname = "Cité"\n[device]\nid = "gateway-1"\nstate_dir = "{tmp_path}"\n'
        '[lan]\ninterface = "lan0"\nipv4 = "10.77.0.1/20"\n[wan]\ninterface = "wan0"\ndns = ["192.0.2.53"]\n'
        '[portal]\nhostname = "portail.example"\n'
    )
    settings = load(file)
    database.migrate(settings)
    connection = database.open_edge(settings.edge_db)
    yield connection
    connection.close()


def schema(name):
    return Draft202012Validator(DOCUMENTS[name], registry=REGISTRY)


def sent(connection, event):
    """Store an event and return class and payload of the message that carries it."""
    with database.write(connection):
        outbox.append(connection, event, clock.now())
    rows = outbox.read_after(connection, 0, 10)
    (batch,) = batches.pack(rows, "/cite/gateway-1", outbox.epoch(connection), 10, Limits()).batches
    return batch.klass, batch.payload()


def test_every_event_of_the_product_is_in_the_contract():
    """And the other way round: no type is only on paper, none is only in the code, none misses a sample here."""
    promised = {doc["properties"]["type"]["const"]: doc["x-class"] for doc in DOCUMENTS.values() if "x-class" in doc}
    assert {event.type: event.klass for event in events.ALL} == promised
    assert {type(sample) for sample in SAMPLES} == set(events.ALL)


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: type(event).__name__)
def test_what_is_sent_is_valid(store, event):
    """The bytes of the message satisfy the schema of their type, and the platform reads them."""
    klass, payload = sent(store, event)
    plain = zlib.decompress(payload) if payload[:1] == b"\x78" else payload
    (message,) = json.loads(plain)
    schema("batch").validate([message])
    schema("event." + event.type.removeprefix("eu.parvis.")).validate(message)
    topic = parse_topic(f"parvis/1/cite/gateway-1/ev/{klass}")
    checked = Contract().event(parse_batch(payload)[0], topic)
    assert isinstance(checked, Event), checked
    assert checked.known


def test_a_large_batch_is_compressed_and_within_the_bounds(store):
    """A message of many events is one that the platform unpacks (R-004)."""
    with database.write(store):
        for _ in range(100):
            outbox.append(store, SAMPLES[2], clock.now())
    rows = outbox.read_after(store, 0, 1000)
    for batch in batches.pack(rows, "/cite/gateway-1", outbox.epoch(store), 10, Limits()).batches:
        assert batch.payload()[:1] == b"\x78"
        schema("batch").validate(parse_batch(batch.payload()))


@pytest.mark.parametrize("online", [True, False])
def test_the_state_that_is_sent_is_valid(store, online):
    """The last will too."""
    schema("state").validate(json.loads(birth.state("root", outbox.epoch(store), online=online).payload))


@pytest.mark.parametrize(("oldest", "content"), [(None, None), (7, 12)])
def test_the_birth_that_is_sent_is_valid(store, oldest, content):
    """Empty and full."""
    message = birth.birth(
        "root", epoch=outbox.epoch(store), boot=clock.boot_id(), account=outbox.account(store), oldest=oldest,
        content=content, now=clock.now(),
    )  # fmt: skip
    schema("birth").validate(json.loads(message.payload))


def test_the_two_validators_agree():
    """The platform's fast validator and the reference implementation judge each example and each change of it alike."""
    contract = Contract()
    topics = {
        klass: parse_topic(f"parvis/1/cite/gateway-1/ev/{klass}")
        for klass in ("health", "presence", "usage", "order", "visit")
    }
    for name, document in DOCUMENTS.items():
        if "x-class" not in document:
            continue
        example = document["examples"][0]
        for key in example:
            for value in (None, "", "x", 0, -1, [], {}, True, "02:00:5e:10:20:30", 1.5, "\n"):
                changed = {**example, key: value}
                if key == "type" or (key == "time" and re.search("[0-9]", str(value))):
                    continue
                slow = schema(name).is_valid(changed)
                fast = isinstance(contract.event(changed, topics[document["x-class"]]), Event)
                assert slow == fast, (name, key, value)
