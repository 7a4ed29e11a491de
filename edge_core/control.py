# SPDX-License-Identifier: EUPL-1.2
"""How other processes speak to the gateway agent: one JSON object a line, over its unix socket.

Losing a message costs a second at most, since the agent also looks by itself; so nothing here raises.
"""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

LONGEST = 4096
"""Bytes of the longest request; an answer may be longer."""
PAGE = 200
"""Sessions of an answer to `page`; one to `status` tells all, one to `counts` none."""
_LONGEST_ANSWER = 16 * 1024 * 1024


def nudge(path: Path) -> bool:
    """Ask the agent to make the kernel agree with the store; True once it does, False where nobody answered."""
    answer = ask(path, {"op": "nudge"})
    return bool(answer and answer.get("ok"))


def ask(path: Path, message: dict[str, Any], seconds: float = 2.0) -> dict[str, Any] | None:
    """Send one message and return the answer; None where the agent is away, slow, or answers nonsense."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(seconds)
            connection.connect(str(path))
            connection.sendall(json.dumps(message).encode() + b"\n")
            with connection.makefile("rb") as stream:
                answer = json.loads(stream.readline(_LONGEST_ANSWER))
    except (OSError, ValueError):
        return None
    return answer if isinstance(answer, dict) else None
