# SPDX-License-Identifier: EUPL-1.2
"""Judges messages by contracts/schemas, as a reader who knows nothing else. Pure but for reading the files once."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

from contracts.conformance.requirements import CONTRACTS

if TYPE_CHECKING:
    from pathlib import Path

MESSAGE_LIMIT, UNPACKED_LIMIT, BATCH_LIMIT = 1 << 20, 8 << 20, 1000


class Schemas:
    """`classes` maps each event type to the class of the topic that it belongs to."""

    def __init__(self, contracts: Path = CONTRACTS) -> None:
        documents = [json.loads(path.read_text()) for path in sorted((contracts / "schemas").glob("*.schema.json"))]
        registry: Registry[Any] = Registry().with_resources(
            (document["$id"], Resource.from_contents(document)) for document in documents
        )
        self._of: dict[str, Draft202012Validator] = {}
        self.classes: dict[str, str] = {}
        for document in documents:
            name = document["$id"].rpartition("/")[2].removesuffix(".schema.json")
            self._of[name] = Draft202012Validator(document, registry=registry, format_checker=FormatChecker())
            if "x-class" in document:
                self.classes[document["properties"]["type"]["const"]] = document["x-class"]

    def flaw(self, name: str, value: Any) -> str | None:
        """Return where and how `value` breaks the schema `name`; None where it does not."""
        error = next(iter(self._of[name].iter_errors(value)), None)
        return None if error is None else f"/{'/'.join(map(str, error.absolute_path))}: {error.validator}"

    def event_flaw(self, event: Any) -> str | None:
        """Judge one event by its type's schema, or by the envelope's where the type is unknown (R-107)."""
        type_ = event.get("type") if isinstance(event, dict) else None
        known = isinstance(type_, str) and type_ in self.classes
        return self.flaw(f"event.{str(type_).removeprefix('eu.parvis.')}" if known else "event", event)


def read_batch(payload: bytes) -> list[Any]:
    """Unpack a device's batch within the bounds of R-004; ValueError says which it breaks."""
    if len(payload) > MESSAGE_LIMIT:
        raise ValueError(f"{len(payload)} bytes on the wire")
    plain = payload
    if payload[:1] == b"\x78":
        inflater = zlib.decompressobj()
        try:
            plain = inflater.decompress(payload, UNPACKED_LIMIT + 1)
        except zlib.error as error:
            raise ValueError("first byte 0x78, but no zlib") from error
        if len(plain) > UNPACKED_LIMIT or not inflater.eof:
            raise ValueError("more than 8 MiB unpacked, or truncated")
    value = json.loads(plain)
    if not isinstance(value, list) or not 1 <= len(value) <= BATCH_LIMIT:
        raise ValueError("no array of 1 to 1000 events")
    return value
