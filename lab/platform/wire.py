# SPDX-License-Identifier: EUPL-1.2
"""Bytes and topics from devices, made into values or refused. Pure; the only module that unpacks hostile input."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Any

import orjson

ROOT = "parvis/1"
SUBSCRIPTIONS = tuple(f"{ROOT}/+/+/{rest}" for rest in ("state", "birth", "ev/+", "replied", "reported"))
RETAINED = ("/desired",)
MESSAGE_LIMIT = 1 << 20
UNPACKED_LIMIT = 8 << 20
BATCH_LIMIT = 1000
_KEPT = 2000  # bytes of an invalid event: an index of PostgreSQL takes no more than 2,704
_TOPIC = re.compile(
    rf"{ROOT}/(?P<site>[A-Za-z0-9][A-Za-z0-9._-]{{0,62}})/(?P<device>[A-Za-z0-9][A-Za-z0-9._-]{{0,62}})/"
    r"(?:(?P<what>state|birth|replied|reported)|ev/(?P<klass>health|presence|usage|order|visit))"
)
_ADDRESS = re.compile(r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}")
_BARE_ADDRESS = re.compile(r"(?<![0-9A-Za-z-])(?=[0-9]*[A-Fa-f])[0-9A-Fa-f]{12}(?![0-9A-Za-z-])")


class RefusedError(Exception):
    """A message that can't be read at all; the text is one word for the counters."""


@dataclass(frozen=True)
class Topic:
    """Who sent it and what it is: `what` is a topic's last word, or events, with their `klass`."""

    site: str
    device: str
    what: str
    klass: str


def parse_topic(topic: str) -> Topic:
    """Read a topic (R-002); RefusedError where it is none of ours."""
    match = _TOPIC.fullmatch(topic)
    if match is None:
        raise RefusedError("topic")
    return Topic(match["site"], match["device"], match["what"] or "events", match["klass"] or "")


def unpack(payload: bytes) -> bytes:
    """Inflate where the first byte says zlib (R-004), never beyond the bound (R-005)."""
    if len(payload) > MESSAGE_LIMIT:
        raise RefusedError("too_large")
    if payload[:1] != b"\x78":
        return payload
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(payload, UNPACKED_LIMIT)
    except zlib.error:
        raise RefusedError("not_zlib") from None
    if inflater.unconsumed_tail:
        raise RefusedError("too_large_unpacked")
    if not inflater.eof:
        raise RefusedError("truncated")
    return plain


def parse_json(plain: bytes) -> Any:
    """Parse strict JSON: UTF-8, no NaN, no half a character, a bounded depth."""
    try:
        return orjson.loads(plain)
    except ValueError as error:
        raise RefusedError("too_deep" if "ecursion" in str(error) else "not_json") from None


def written(value: Any) -> str:
    """Write what was parsed as compact JSON; ValueError where it is nested too deep to be kept."""
    try:
        return orjson.dumps(value).decode()
    except TypeError as error:
        raise ValueError("too deep") from error


def kept(value: Any) -> str:
    """Write what is kept of an invalid value: redacted (R-702), cut, and a word for what can't be written."""
    try:
        return redact(written(value)).encode()[:_KEPT].decode(errors="ignore")
    except ValueError:
        return "too deep"


def parse_batch(payload: bytes) -> list[Any]:
    """Return the events of a batch, unchecked; RefusedError where it is no batch (R-108)."""
    value = parse_json(unpack(payload))
    if not isinstance(value, list):
        raise RefusedError("not_a_batch")
    if not 1 <= len(value) <= BATCH_LIMIT:
        raise RefusedError("batch_size")
    return value


def redact(text: str) -> str:
    """Take hardware addresses out of what is kept for inspection (R-702)."""
    return _BARE_ADDRESS.sub("[redacted]", _ADDRESS.sub("[redacted]", text))
