# SPDX-License-Identifier: EUPL-1.2
"""Notes the moment at which a phone's first connection opens."""

import threading
import time
from contextlib import suppress

from lab.phone.robot import Robot, UnresolvedError

_KNOCK_SECONDS = 0.001
_PATIENCE = 10.0


class Through(threading.Thread):
    """Knocks at a host's port until a connection opens; `at` is then the monotonic time, None until then."""

    def __init__(self, robot: Robot, host: str, port: int = 443, patience: float = _PATIENCE) -> None:
        """Take who knocks, and where."""
        super().__init__(daemon=True)
        self._robot = robot
        self._host, self._port, self._patience = host, port, patience
        self.at: float | None = None

    def run(self) -> None:
        """Knock until it opens, or patience ends."""
        deadline = time.monotonic() + self._patience
        while self.at is None and time.monotonic() < deadline:
            with suppress(OSError, UnresolvedError):
                self._robot.connect(self._host, self._port, 1).close()
                self.at = time.monotonic()
            time.sleep(_KNOCK_SECONDS)
