# SPDX-License-Identifier: EUPL-1.2
"""Has `parvis run` read the settings again, where that is what runs the processes here."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from edge_core import leftovers, roles

if TYPE_CHECKING:
    from pathlib import Path


def hang_up(run_dir: Path) -> bool:
    """Send SIGHUP to every `parvis run` of this state folder; tell whether there was one."""
    running = [pid for role in roles.ROLES for pid in leftovers.alive(run_dir / f"{role}.run")]
    for pid in running:
        os.kill(pid, signal.SIGHUP)
    return bool(running)
