# SPDX-License-Identifier: EUPL-1.2
"""`sync`, killed by itself at a named point: `python -m lab.faults.killed POINT CONFIG`.

The points are those where something is half done: a message is handed over and not noted, rows are deleted and not
committed, a reply is applied and not confirmed.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any, NoReturn

from edge_core.store import lives, outbox, requests
from sync import __main__ as program
from sync import replies, service, telling, uplink

POINTS = {
    "start recorded": (program, "tell_start", "after"),
    "rows read": (outbox, "read_after", "after"),
    "message handed over": (service.Service, "_hand_over", "before"),
    "message sent, not noted": (uplink.Window, "sent", "before"),
    "message sent": (uplink.Window, "sent", "after"),
    "acknowledgement judged": (uplink.Window, "judge", "after"),
    "rows deleted, not committed": (outbox, "acknowledge", "after"),
    "rows deleted": (uplink.Window, "advance", "before"),
    "birth told": (telling.Telling, "_tell_birth", "after"),
    "reply applied, not committed": (requests, "apply_reply", "after"),
    "reply committed": (replies.Replies, "apply", "after"),
    "witness written": (lives.Witness, "keep", "after"),
}


def arm(point: str, times: int) -> None:
    """Kill this process the `times`-th time that it comes to the point."""
    owner, name, when = POINTS[point]
    real = getattr(owner, name)
    left = [times]

    def armed(*values: Any, **named: Any) -> Any:
        if when == "before":
            _come(left)
        result = real(*values, **named)
        if when == "after":
            _come(left)
        return result

    setattr(owner, name, armed)


def _come(left: list[int]) -> None:
    left[0] -= 1
    if left[0] <= 0:
        _die()


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


if __name__ == "__main__":
    arm(sys.argv[1], int(sys.argv[2]))
    sys.argv = [sys.argv[0], "--config", sys.argv[3]]
    sys.exit(program.main())
