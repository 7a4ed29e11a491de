# SPDX-License-Identifier: EUPL-1.2
"""Files that a power cut leaves old or new, never half: written beside, flushed to the disk (fsync(2)), renamed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def replace(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Put `data` in the place of a file, whole; `mode` is what the umask would not give. Raises OSError.

    The new file is on the disk before it has the name. The name itself is after `settle` of the folder.
    """
    draft = path.with_name(f".{path.name}.new")
    with draft.open("wb") as file:
        if mode is not None:
            os.fchmod(file.fileno(), mode)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def settle(folder: Path) -> None:
    """Have the folder's entries on the disk: names that came, went or changed. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
