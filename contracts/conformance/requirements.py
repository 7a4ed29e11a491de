# SPDX-License-Identifier: EUPL-1.2
"""The numbered requirements as contracts/asyncapi.yaml has them. Reads that file, decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

CONTRACTS = Path(__file__).parents[1]


@dataclass(frozen=True)
class Requirement:
    """One rule: `who` is platform, device, broker or both; `level` is MUST, SHOULD or MAY (RFC 2119)."""

    id: str
    who: str
    level: str
    text: str
    check: str

    def binds(self, side: str) -> bool:
        """Tell whether the rule speaks of this side, `platform` or `device`; a broker's is looked at from a device."""
        return self.who in {side, "both"} or (self.who == "broker" and side == "platform")


def load(contracts: Path = CONTRACTS) -> list[Requirement]:
    """Read all of them, in their order."""
    document = yaml.safe_load((contracts / "asyncapi.yaml").read_text(encoding="utf-8"))
    return [
        Requirement(**{key: str(row[key]).strip() for key in ("id", "who", "level", "text", "check")})
        for row in document["x-requirements"]
    ]
