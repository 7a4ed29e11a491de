# SPDX-License-Identifier: EUPL-1.2
"""The contract's schemas at work: says what a valid message is. Reads contracts/schemas at start, nothing later."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jsonschema_rs

from lab.platform import wire

if TYPE_CHECKING:
    from lab.platform.wire import Topic

SCHEMAS = Path(__file__).parents[2] / "contracts" / "schemas"
GAP = "eu.parvis.health.gap.v1"
_MAX = 9007199254740991


class Event(NamedTuple):
    """A valid event: `at` is its time in seconds since 1970, `known` tells whether we can read its data."""

    epoch: str
    seq: int
    id: str
    klass: str
    type: str
    at: float
    boot: str
    monotonic: float
    synchronised: bool
    data: dict[str, Any]
    known: bool


@dataclass(frozen=True)
class Invalid:
    """An event to set aside: epoch and seq where they can be read, so that the acknowledgement can pass (R-106)."""

    epoch: str | None
    seq: int | None
    reason: str
    body: str


class Contract:
    """The schemas, compiled once."""

    def __init__(self, folder: Path = SCHEMAS) -> None:
        documents = [json.loads(path.read_text()) for path in sorted(folder.glob("*.schema.json"))]
        registry = jsonschema_rs.Registry([(document["$id"], document) for document in documents])
        self._messages: dict[str, Any] = {}
        self._types: dict[str, tuple[Any, str]] = {}
        for document in documents:
            name = document["$id"].rpartition("/")[2].removesuffix(".schema.json")
            validator = jsonschema_rs.validator_for(document, registry=registry)
            self._messages[name] = validator
            if "x-class" in document:
                self._types[document["properties"]["type"]["const"]] = (validator, document["x-class"])
        self._envelope = self._messages["event"]

    def message(self, name: str, payload: bytes) -> dict[str, Any]:
        """Read a control message (state, birth, replied); RefusedError where it is invalid."""
        value = wire.parse_json(wire.unpack(payload))
        if not self._messages[name].is_valid(value):
            raise wire.RefusedError("invalid_" + name)
        return dict(value)

    def event(self, raw: Any, topic: Topic) -> Event | Invalid:
        """Check one element of a batch against its type's schema, its topic and what a schema can't say."""
        validator, klass = self._validator_for(raw)
        if not validator.is_valid(raw):
            return _invalid(raw, _first_error(validator, raw))
        if raw["source"] != f"/{topic.site}/{topic.device}":
            return _invalid(raw, "source is not the topic's device")
        if klass not in ("", topic.klass):
            return _invalid(raw, f"class {topic.klass} is not the type's, {klass}")
        if raw["type"] == GAP and raw["data"]["last"] < raw["data"]["first"]:
            return _invalid(raw, "gap's last is below its first")
        return _event(raw, topic.klass, known=bool(klass))

    def _validator_for(self, raw: Any) -> tuple[Any, str]:
        name = raw.get("type") if isinstance(raw, dict) else None
        return self._types.get(name, (self._envelope, "")) if isinstance(name, str) else (self._envelope, "")


def _event(raw: dict[str, Any], klass: str, *, known: bool) -> Event | Invalid:
    try:
        at = datetime.fromisoformat(raw["time"]).timestamp()
    except (ValueError, OverflowError):
        return _invalid(raw, "/time: no such date")
    return Event(
        raw["epoch"], int(raw["seq"]), raw["id"], klass, raw["type"], at, raw["boot"],
        float(raw["monotonic"]), raw["synchronised"], raw["data"], known,
    )  # fmt: skip


def _invalid(raw: Any, reason: str) -> Invalid:
    epoch = raw.get("epoch") if isinstance(raw, dict) else None
    seq = raw.get("seq") if isinstance(raw, dict) else None
    if not isinstance(epoch, str) or not 8 <= len(epoch) <= 64 or not epoch.isascii():
        epoch = None
    if type(seq) is not int or not 1 <= seq <= _MAX:
        seq = None
    return Invalid(epoch if seq else None, seq if epoch else None, reason, wire.kept(raw))


def _first_error(validator: Any, raw: Any) -> str:
    """Name the place and the rule; never the value, which may be what must not be kept."""
    error = next(iter(validator.iter_errors(raw)), None)
    if error is None:
        return "invalid"
    place = "/" + "/".join(wire.redact(str(part))[:60] for part in error.instance_path)
    rule = [str(part) for part in error.schema_path if isinstance(part, str)]
    return f"{place}: " + ("hardware address" if "quiet" in rule else (rule[-1] if rule else "invalid"))
