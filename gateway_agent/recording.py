# SPDX-License-Identifier: EUPL-1.2
"""Keeps the legal recorder running beside the agent, in a process of its own, where the settings want a record."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from edge_core import logs

if TYPE_CHECKING:
    from edge_core.settings import Settings

_log = logs.get(__name__)
_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_STEADY = 300.0
"""Seconds after which one that runs is sound again: its next death is not held against it longer than the first."""
_FAREWELL = 5.0


class Recording:
    """The recorder's process: started again, after a growing pause, when it dies."""

    def __init__(self, settings: Settings) -> None:
        """Start nothing yet."""
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._pause, self._due, self._began = _PAUSE, 0.0, 0.0
        self.deaths = 0

    def tend(self, running: float) -> None:
        """Start it where it should run and doesn't. Raises OSError."""
        if self._settings.legal.record == "off":
            return
        if self._process is not None and self._process.poll() is not None:
            self.deaths += 1
            if running - self._began >= _STEADY:
                self._pause = _PAUSE
            self._due = running + self._pause
            self._pause = min(_LONGEST_PAUSE, self._pause * 2)
            _log.error("legal_recorder_died", code=self._process.returncode, times=self.deaths)
            self._process = None
        if self._process is None and running >= self._due:
            words = [sys.executable, "-m", "gateway_agent", "record", "--config", str(self._settings.source)]
            self._process, self._began = subprocess.Popen(words), running

    def stop(self) -> None:
        """Let it seal what it has, and end."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_FAREWELL)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
