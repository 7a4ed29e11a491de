# SPDX-License-Identifier: EUPL-1.2
"""Judges what a publisher of its own signs before it touches anything, so that it keeps nobody else's news away; pure.

Shared by publisher and device: the park refuses what a device would.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from edge_core.errors import ContentError
from sync.downlink.blobs import needed_by
from sync.downlink.indexing import entry_of
from sync.downlink.ownership import MOST_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

MALFORMED = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What reading a signed record raises where its fields are not what its collection's are."""


def require_sound(key: str, lines: Mapping[str, str]) -> None:
    """Raise ContentError where a collection's lines can't be stored and searched, or need too many bytes of blobs.

    `key` is `publisher/collection`; `lines` are all of it, by id.
    """
    publisher, _, collection = key.rpartition("/")
    sizes: dict[str, int] = {}
    for record_id, line in lines.items():
        try:
            entry_of(collection, json.loads(line))
        except MALFORMED as error:
            raise ContentError(
                f"{publisher} signs a malformed {collection}/{record_id} ({error!r}).",
                remedy="Ask it to publish again with a current `parvis publish`.",
            ) from error
        sizes |= {file.sha256: file.bytes for file in needed_by(line)}
    if sum(sizes.values()) > MOST_BYTES:
        raise ContentError(
            f"The images of {publisher} in {collection} have {sum(sizes.values())} bytes.",
            remedy=f"Keep them under {MOST_BYTES} bytes.",
        )
