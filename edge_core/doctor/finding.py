# SPDX-License-Identifier: EUPL-1.2
"""What a check of `parvis doctor` answers with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What a check saw: `state` is "ok", "warning" or "failed"; a remedy goes with the last two."""

    check: str
    state: str
    seen: str
    remedy: str = ""
