# SPDX-License-Identifier: EUPL-1.2
"""Fetches content for the first time, as the user that `sync` runs as: what root wrote, `sync` could not replace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from edge_core import identity
from edge_core.errors import ContentError

if TYPE_CHECKING:
    from edge_core.settings import Settings

_PATIENCE = 900  # seconds; a whole bootstrap over a slow line


def fetch(loaded: Settings) -> int | None:
    """Return the version of the content that is here now; None where there is no repository. Raises ContentError."""
    if not loaded.content.url:
        return None
    words = [sys.executable, "-m", "edge_core.cli", "content", "check", "--json", "--config", str(loaded.source)]
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=_PATIENCE, umask=0o007, **_as_sync(loaded)
        )
        version = json.loads(done.stdout)["version"]
    except subprocess.TimeoutExpired:
        raise ContentError("The repository is too slow.") from None
    except (ValueError, KeyError, TypeError):
        version = None
    if done.returncode or not isinstance(version, int):
        raise ContentError(" ".join(done.stderr.split()) or "The repository gave nothing.")
    return version


def _as_sync(loaded: Settings) -> dict[str, Any]:
    """Return the user and group of the identity's owner, where we are root and it is not."""
    owner = identity.folder(loaded.device.state_dir).stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return {}
    group = loaded.device.state_dir.stat().st_gid
    return {"user": owner.st_uid, "group": group, "extra_groups": [group, owner.st_gid]}
