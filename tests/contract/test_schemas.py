# SPDX-License-Identifier: EUPL-1.2
"""The contract itself: schemas and AsyncAPI are valid, their examples too, and bad messages are told from good ones."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

CONTRACTS = Path(__file__).parents[2] / "contracts"
SCHEMAS = {
    path.name.removesuffix(".schema.json"): json.loads(path.read_text())
    for path in sorted((CONTRACTS / "schemas").glob("*.schema.json"))
}
REGISTRY = Registry().with_resources((doc["$id"], Resource.from_contents(doc)) for doc in SCHEMAS.values())
ASYNCAPI = yaml.safe_load((CONTRACTS / "asyncapi.yaml").read_text())
EXAMPLES = {name: doc["examples"][0] for name, doc in SCHEMAS.items() if "examples" in doc}
TYPES = {name: doc for name, doc in SCHEMAS.items() if "x-class" in doc}
# (schema, path to a member, value to put there): each must make the example invalid; None as value removes the member.
GONE = object()
BAD = [
    ("event", ["id"], "0191d2c0-7a4e-4c31-9a55-3f0e1b2c4d5e"),
    ("event", ["id"], GONE),
    ("event", ["seq"], 0),
    ("event", ["seq"], "1"),
    ("event", ["seq"], 2**53),
    ("event", ["time"], "2025-03-04 12:34:56"),
    ("event", ["time"], "2025-03-04T12:34:56"),
    ("event", ["source"], "/cite/gate/way"),
    ("event", ["source"], "/cite/+"),
    ("event", ["type"], "eu.parvis.health.up"),
    ("event", ["epoch"], "short"),
    ("event", ["synchronised"], None),
    ("event", ["monotonic"], -0.1),
    ("event", ["data"], []),
    ("event", ["camelCase"], 1),
    ("event.health.up.v1", ["data", "version"], ""),
    ("event.health.up.v1", ["data", "role"], GONE),
    ("event.health.up.v1", ["data", "hostname"], "gw"),
    ("event.health.gap.v1", ["data", "first"], 0),
    ("event.health.gap.v1", ["data", "count"], -1),
    ("event.presence.window.v1", ["data", "associated"], 5),
    ("event.presence.window.v1", ["data", "associated"], 0),
    ("event.presence.window.v1", ["data", "online"], 13),
    ("event.presence.window.v1", ["data", "zone"], "a/b"),
    ("event.presence.window.v1", ["data", "doubt"], "perhaps"),
    ("event.presence.window.v1", ["data", "access_point"], ""),
    ("event.session.started.v1", ["data", "seconds"], 0),
    ("event.session.started.v1", ["data", "session"], "1"),
    ("event.session.ended.v1", ["data", "up_bytes"], 1.5),
    ("event.session.ended.v1", ["data", "address"], "10.0.0.1"),
    ("event.request.created.v1", ["data", "request"], GONE),
    ("event.request.created.v1", ["data", "data"], {str(n): n for n in range(65)}),
    ("event.request.created.v2", ["data", "lease"], GONE),
    ("event.request.created.v2", ["data", "units"], 0),
    ("event.quota.returned.v1", ["data", "used"], -1),
    ("event.quota.returned.v1", ["data", "reason"], "bored"),
    ("reply", ["lease"], {"granted": {"kind": "event"}}),
    ("reply", ["lease"], {"withdrawn": False}),
    ("reply", ["lease"], {"extended": {"until": "tomorrow"}}),
    ("event.usage.rollup.v1", ["data", "sessions"], 0),
    ("event.survey.answered.v1", ["data", "choice"], "excellent"),
    ("event.health.uplink.v1", ["data", "way"], "third"),
    ("event.health.device.v1", ["data", "state"], "on fire"),
    ("event.health.device.v1", ["data", "serial"], "X1"),
    ("event.health.screen.v1", ["data", "rung"], "hammer"),
    ("event.health.screen.v1", ["data", "count"], 0),
    ("event.health.release.v1", ["data", "outcome"], "perhaps"),
    ("event.survey.answered.v1", ["data", "survey"], "A b"),
    ("event.survey.answered.v1", ["data", "device"], "x"),
    ("event.visit.arrived.v1", ["data", "name"], ""),
    ("event.visit.arrived.v1", ["data", "name"], "02:00:5e:10:20:30"),
    ("event.visit.arrived.v1", ["data", "people"], 0),
    ("event.visit.arrived.v1", ["data", "host"], "A B"),
    ("event.visit.asked.v1", ["data", "asked"], "police"),
    ("event.visit.left.v1", ["data", "how"], "window"),
    ("event.request.settled.v1", ["data", "state"], "accepted"),
    ("event.request.settled.v1", ["data", "reason"], ""),
    ("reply", ["visit"], {"answer": "perhaps"}),
    ("reply", ["visit"], {"announced": {"company": "exemple-ardoise"}}),
    ("event.health.down.v1", ["data", "reason"], "It stopped."),
    ("event.health.quality.v1", ["data", "asked"], 0),
    ("event.usage.pages.v1", ["data", "pages"], [{"collection": "companies", "id": "a", "askers": 9}]),
    ("event.usage.pages.v1", ["data", "pages"], [{"collection": "companies", "id": "a", "askers": 15, "who": "b"}]),
    ("event.usage.searches.v1", ["data", "words"], [{"text": "x", "askers": 5}]),
    ("event.usage.searches.v1", ["data", "words"], [{"text": "02:00:5e:10:20:30", "askers": 10}]),
    ("event.usage.touches.v1", ["data", "visits"], 7),
    ("state", ["online"], "yes"),
    ("birth", ["account", "pending"], GONE),
    ("birth", ["account", "pending"], -1),
    ("birth", ["oldest"], 0),
    ("ack", ["seq"], -1),
    ("ack", ["epoch"], GONE),
    ("reply", ["n"], 0),
    ("reply", ["state"], "perhaps"),
    ("replied", ["n"], GONE),
    ("feed", ["version"], 0),
    ("desired", ["generation"], 0),
    ("reported", ["state"], "ok"),
    ("live.busy", ["around"], 9),
    ("live.busy", ["seconds"], GONE),
    ("live.queue", ["place"], ""),
    ("live.queue", ["people"], "many"),
    ("live.help", ["answered"], None),
    ("live.help", ["called"], "now"),
    ("live.kiosk", ["screen"], "lit"),
    ("live.kiosk", ["devices", "printer"], 1),
    ("batch", [], []),
]  # fmt: skip
ADDRESSES = [
    "02:00:5e:10:20:30",
    "02-00-5E-10-20-30",
    "0200.5e10.2030",
    "02005e10203f",
    "x 02:00:5e:10:20:30.",
    "\n02:00:5e:10:20:30",
]
HARMLESS = [
    "12:30", "2025-03-04", "+33 5 59 00 00 00", "330559000000", "0191d2c1-0b10-7d02-8f11-5a6b7c8d9e0f",
    "salle 12-34-56", "2001:db8::1",
]  # fmt: skip


def validator(name):
    return Draft202012Validator(SCHEMAS[name], registry=REGISTRY)


def changed(example, path, value):
    example = copy.deepcopy(example)
    if not path:
        return value
    place = example
    for key in path[:-1]:
        place = place[key]
    if value is GONE:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return example


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_schema_is_a_valid_schema(name):
    """JSON Schema 2020-12, each with its licence, id, title and description."""
    schema = SCHEMAS[name]
    Draft202012Validator.check_schema(schema)
    assert schema["$comment"] == "SPDX-License-Identifier: EUPL-1.2"
    assert schema["$id"].endswith(f"/{name}.schema.json")
    assert schema["title"]
    assert schema["description"]
    assert name in EXAMPLES or name == "definitions"


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_is_valid(name):
    """What the contract shows as an example is one."""
    for example in SCHEMAS[name]["examples"]:
        validator(name).validate(example)


@pytest.mark.parametrize(("name", "path", "value"), BAD)
def test_each_bad_example_is_invalid(name, path, value):
    """One wrong member is enough."""
    assert not validator(name).is_valid(changed(EXAMPLES[name], path, value))


def test_every_schema_has_a_bad_example():
    """A schema that accepts everything would go unnoticed otherwise."""
    assert {name for name, _, _ in BAD} == set(EXAMPLES)


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != "batch"])
def test_envelopes_are_open_and_data_is_closed(name):
    """Readers ignore what they don't know around an event, and let nothing unnamed into it (R-801, R-802)."""
    assert validator(name).is_valid(changed(EXAMPLES[name], ["later"], 1))
    if name in TYPES:
        assert not validator(name).is_valid(changed(EXAMPLES[name], ["data", "later"], 1))


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_data_holds_a_hardware_address(address):
    """In no text, name, list or object, however deep (R-701)."""
    places = [{"note": address}, {address: 1}, {"deep": [{"er": [address]}]}]
    for data in places:
        assert not validator("event").is_valid(changed(EXAMPLES["event"], ["data"], data))
        assert not validator("event.request.created.v1").is_valid(
            changed(EXAMPLES["event.request.created.v1"], ["data", "data"], data)
        )
    assert not validator("event").is_valid(changed(EXAMPLES["event"], ["later"], address))


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_hardware_address_passes(text):
    """Times, dates, telephone numbers and UUIDs in a form are not taken for one."""
    good = changed(EXAMPLES["event.request.created.v1"], ["data", "data"], {"comment": text})
    assert validator("event.request.created.v1").is_valid(good)


def test_asyncapi_is_whole():
    """Every topic has an operation with its QoS and retain flag, a message, a schema and an example that is valid."""
    assert ASYNCAPI["asyncapi"] == "3.0.0"
    used = {operation["channel"]["$ref"].rpartition("/")[2] for operation in ASYNCAPI["operations"].values()}
    assert used == set(ASYNCAPI["channels"])
    for operation in ASYNCAPI["operations"].values():
        assert {"qos", "retain"} <= operation["bindings"]["mqtt"].keys()
    for name, message in ASYNCAPI["components"]["messages"].items():
        schema = Path(message["payload"]["schema"]["$ref"]).name.removesuffix(".schema.json")
        assert message["examples"]
        for example in message["examples"]:
            validator(schema).validate(example["payload"])
            for event in example["payload"] if name == "batch" else []:
                validator("event." + event["type"].removeprefix("eu.parvis.")).validate(event)


def test_asyncapi_names_every_class_and_type():
    """The topic's classes are the schema's, and each event type says which is its own."""
    classes = ASYNCAPI["channels"]["events"]["parameters"]["class"]["enum"]
    assert classes == SCHEMAS["definitions"]["$defs"]["class"]["enum"]
    for name, schema in TYPES.items():
        assert schema["x-class"] in classes
        assert schema["properties"]["type"]["const"] == "eu.parvis." + name.removeprefix("event.")


def test_requirements_are_numbered_once_and_say_how_to_check():
    """A conformance kit can go through them by number."""
    requirements = ASYNCAPI["x-requirements"]
    numbers = [requirement["id"] for requirement in requirements]
    assert numbers == sorted(set(numbers))
    for requirement in requirements:
        assert re.fullmatch(r"R-[0-9]{3}", requirement["id"])
        assert requirement["who"] in {"device", "platform", "broker", "both"}
        assert requirement["level"] in {"MUST", "SHOULD", "MAY"}
        assert requirement["text"].endswith(".")
        assert requirement["check"]


def test_every_requirement_that_is_cited_exists():
    """Code, tests and texts cite requirements by their numbers."""
    numbers = {requirement["id"] for requirement in ASYNCAPI["x-requirements"]}
    root = CONTRACTS.parent
    files = [CONTRACTS / "README.md", CONTRACTS / "asyncapi.yaml", *(root / "lab" / "platform").rglob("*.py"),
             *(root / "sync").rglob("*.py"), *(root / "tests").rglob("test_platform*.py")]  # fmt: skip
    cited = {number for file in files for number in re.findall(r"\bR-[0-9]{3}\b", file.read_text())}
    assert cited <= numbers, sorted(cited - numbers)
