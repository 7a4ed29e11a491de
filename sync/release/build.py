# SPDX-License-Identifier: EUPL-1.2
"""Makes a virtual environment of a bundle: unpacks its wheels and has pip check each against the lock inside it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

from edge_core.errors import ProcessError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SECONDS = 1200  # a Pi 3 with a slow card takes some minutes
_MOST_FILES = 500
_SYSTEM_PYTHON = "/usr/bin/python3"


def build(bundle: Path, folder: Path) -> None:
    """Make the release in `folder`; what is there of an earlier try goes. Raises ProcessError naming the step."""
    wheels = folder.with_name(f"{folder.name}.wheels")
    shutil.rmtree(wheels, ignore_errors=True)
    unpack(bundle, wheels)
    _run([_SYSTEM_PYTHON, "-m", "venv", "--clear", str(folder)], "its environment can't be made")
    pip = [str(folder / "bin/python"), "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", "install"]
    pip += ["--no-cache-dir", "--no-index", "--find-links", str(wheels)]
    _run([*pip, "--require-hashes", "--requirement", str(wheels / "requirements.txt")], "a library can't be installed")
    _run([*pip, "--no-deps", "parvis"], "Parvis itself can't be installed")
    _run([str(folder / "bin/parvis"), "--help"], "its command doesn't start")
    shutil.rmtree(wheels)


def unpack(bundle: Path, folder: Path) -> None:
    """Unpack the plain files of a bundle; a name that leads elsewhere, or a link, is refused. Raises ProcessError."""
    folder.mkdir(parents=True)
    try:
        with tarfile.open(bundle) as archive:
            members = archive.getmembers()
            strange = [
                each.name for each in members if not each.isreg() or "/" in each.name or each.name.startswith(".")
            ]
            if strange or len(members) > _MOST_FILES:
                raise ProcessError(
                    f"The bundle {bundle.name} holds what no bundle holds ({(strange or ['too many files'])[0]}).",
                    remedy="Make it anew: make bundle.",
                )
            for each in members:
                source = archive.extractfile(each)
                with (folder / each.name).open("wb") as target:
                    shutil.copyfileobj(source, target)  # type: ignore[arg-type]  # a plain file has content
    except (tarfile.TarError, EOFError) as error:
        raise ProcessError(
            f"The bundle {bundle.name} is damaged ({error}).", remedy="Bring it again: make bundle."
        ) from error


def _run(words: Sequence[str], what: str) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProcessError(f"The release was not built: {what} ({error}).", remedy="Check disk and memory.") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no word"]
        raise ProcessError(
            f"The release was not built: {what} ({said[0][:300]}).",
            remedy=f"Is the bundle for this Python ({sys.version_info.major}.{sys.version_info.minor})? Make it anew.",
        )
