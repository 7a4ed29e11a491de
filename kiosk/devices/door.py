# SPDX-License-Identifier: EUPL-1.2
"""The device service's unix socket: one JSON object a line in, one out; gives what is on the board, and no more.

Who may connect is decided by the folder's group (run_dir). A request that is none gets {"ok": false}.
"""

from __future__ import annotations

import json
import socketserver
import threading
from typing import TYPE_CHECKING, Any

from edge_core import logs

if TYPE_CHECKING:
    from pathlib import Path

    from kiosk.devices.board import Board

_log = logs.get(__name__)
LONGEST_WAIT = 25.0
_LONGEST = 4096
_CALLERS = 16


class _Call(socketserver.StreamRequestHandler):
    timeout = LONGEST_WAIT + 5
    server: Door

    def handle(self) -> None:
        if not self.server.places.acquire(blocking=False):
            return
        try:
            asked = json.loads(self.rfile.readline(_LONGEST))
            answer = answer_to(self.server.board, asked)
            self.wfile.write(json.dumps(answer).encode() + b"\n")
        except (OSError, ValueError):
            return  # it went away, or speaks something else: nothing was changed for it
        finally:
            self.server.places.release()


class Door(socketserver.ThreadingUnixStreamServer):
    """Serves until `shutdown`."""

    daemon_threads = True
    request_queue_size = 32

    def __init__(self, path: Path, board: Board) -> None:
        """Listen at `path`, in place of whoever did before. Raises OSError."""
        self.board = board
        self.places = threading.BoundedSemaphore(_CALLERS)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        super().__init__(str(path), _Call)
        path.chmod(0o660)

    def start(self) -> None:
        """Serve in a thread."""
        threading.Thread(target=self.serve_forever, name="door", daemon=True).start()


def answer_to(board: Board, asked: Any) -> dict[str, Any]:
    """Answer one request: "watch" (life, after, seconds), "take" (n) or "state"."""
    if not isinstance(asked, dict):
        return {"ok": False}
    op = asked.get("op")
    if op == "watch":
        wait = min(max(0.0, _number(asked.get("seconds"))), LONGEST_WAIT)
        return {"ok": True, **board.watch(str(asked.get("life")), int(_number(asked.get("after"))), wait)}
    if op == "take":
        found = board.take(int(_number(asked.get("n"))))
        return {"ok": True, "role": found[0], "text": found[1]} if found else {"ok": False}
    if op == "state":
        return {"ok": True, "devices": board.devices()}
    return {"ok": False}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and abs(value) < 1e15 else 0.0
