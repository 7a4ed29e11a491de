# SPDX-License-Identifier: EUPL-1.2
"""A temporary folder with a short name for programs that put sockets there: a socket's path holds 107 bytes (unix(7)).

Where we have our own mount namespace it is a folder of the state, mounted where nobody here looks. Elsewhere it
is the folder itself, or where its name is too long one below /tmp, named for the state so that the next start finds it.
"""

import hashlib
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.net import kernel

_SHORT = 50  # bytes: programs add 40 and more
_SPOTS = ("/mnt", "/media", "/srv", "/opt")


@contextmanager
def short_folder(folder: Path, *, own_mounts: bool) -> Iterator[Path]:
    """Give a short name of `folder` for the length of the block; what is made there is gone afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    elsewhere = Path("/tmp") / f"parvis-{hashlib.sha256(bytes(folder)).hexdigest()[:8]}"  # noqa: S108 - see above
    if elsewhere.is_dir() and not elsewhere.is_symlink():
        shutil.rmtree(elsewhere)
    if len(bytes(folder)) <= _SHORT:
        yield folder
    elif own_mounts and (spot := _spot(folder)):
        kernel.mount(str(folder), str(spot), "none", kernel.MOUNT_BIND)
        yield spot
    else:
        elsewhere.mkdir(mode=0o700)
        try:
            yield elsewhere
        finally:
            shutil.rmtree(elsewhere, ignore_errors=True)


def _spot(folder: Path) -> Path | None:
    """Return a folder that everybody has and in which nothing of ours lives."""
    ours = [folder, Path.cwd(), Path(sys.prefix), Path(sys.executable).resolve()]
    spots = [Path(spot) for spot in _SPOTS]
    return next((one for one in spots if one.is_dir() and not any(path.is_relative_to(one) for path in ours)), None)
