# SPDX-License-Identifier: EUPL-1.2
"""Holds records that another publisher signed against the contract's schemas: pages rely on what these require."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from edge_core.errors import ContentError

if TYPE_CHECKING:
    from collections.abc import Mapping


def require(publisher: str, collection: str, record: Mapping[str, Any]) -> None:
    """Raise ContentError where a record is not what its collection's schema says, or the collection is unknown."""
    validator = _validator(collection)
    flaw = next(validator.iter_errors(record), None) if validator is not None else None
    if validator is None or flaw is not None:
        said = "there is no such collection" if flaw is None else f"{flaw.json_path}: {flaw.message[:200]}"
        raise ContentError(
            f"{publisher} publishes {collection}/{record['id']}, which is against the contract ({said}).",
            remedy="Ask it to publish again with a current `parvis publish`.",
        )


@cache
def _validator(collection: str) -> Draft202012Validator | None:
    schema = files("contracts").joinpath("content", f"{collection}.schema.json")
    if collection == "index" or not schema.is_file():
        return None
    return Draft202012Validator(json.loads(schema.read_bytes()), format_checker=Draft202012Validator.FORMAT_CHECKER)
