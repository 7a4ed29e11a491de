# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: INP001  a program beside playbooks, no package
"""Packs one release for devices: our wheel, those that it needs, their locked hashes; a device needs no index then.

    python ansible/bundle.py [--python 3.11] [--machine x86_64|aarch64]

What is left out of requirements.lock is what only the laboratory uses. The file's name says what is in it: the
version, the first digits of our wheel's SHA-256, Python and machine; the same sources give the same name.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import platform
import subprocess
import sys
import tarfile
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[1]
# Newest first: what manylinux names a Debian 12 (glibc 2.36) can load.
GLIBC = (*(f"manylinux_2_{minor}" for minor in (36, 35, 34, 31, 28, 27, 24, 17, 12, 5)), "manylinux2014")


def main() -> None:
    """Build the bundle into build/bundle/ and print its path."""
    parser = argparse.ArgumentParser(description="Pack one release for devices.")
    parser.add_argument("--python", default="3.11", help="the device's Python: 3.11 on Debian 12, 3.13 on Debian 13")
    parser.add_argument("--machine", default=platform.machine(), choices=("x86_64", "aarch64"))
    given = parser.parse_args()
    target = ROOT / "build" / "bundle"
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        wheels = Path(folder)
        ours = build(wheels)
        lock = chosen((ROOT / "requirements.lock").read_text(encoding="utf-8"), needed(given.python, given.machine))
        (wheels / "requirements.txt").write_text(lock, encoding="utf-8")
        download(wheels, given.python, given.machine)
        digest = hashlib.sha256(ours.read_bytes()).hexdigest()[:8]
        name = f"parvis-{ours.name.split('-')[1]}-{digest}-py{given.python.replace('.', '')}-{given.machine}.tar"
        pack(wheels, target / name)
    print(target / name)  # noqa: T201  the one answer of this program


def build(folder: Path) -> Path:
    """Build our wheel into the folder and return its path."""
    words = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return next(folder.glob("parvis-*.whl"))


def needed(python: str, machine: str) -> set[str]:
    """Return the canonical names of everything that our wheel needs to run there, as the installed packages say."""
    place = {"python_version": python, "python_full_version": f"{python}.0", "platform_machine": machine, "extra": ""}
    found: set[str] = set()
    waiting = [Requirement("parvis")]
    while waiting:
        wanted = waiting.pop()
        for text in metadata.requires(wanted.name) or []:
            requirement = Requirement(text)
            if _applies(requirement, wanted.extras, place) and _key(requirement) not in found:
                found.add(_key(requirement))
                waiting.append(requirement)
    return {key.partition("[")[0] for key in found}


def chosen(lock: str, names: set[str]) -> str:
    """Return the entries of a lock file whose names are wanted, hashes and markers with them."""
    entries: list[list[str]] = []
    for line in lock.splitlines():
        if line and not line.startswith((" ", "#")):
            entries.append([])
        if line and entries:
            entries[-1].append(line)
    kept = ["\n".join(entry) for entry in entries if canonicalize_name(entry[0].split("==")[0].strip()) in names]
    return "\n".join([*kept, ""])


def download(folder: Path, python: str, machine: str) -> None:
    """Fetch the locked wheels for the device's Python and machine, each checked against its hash."""
    words = [sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--no-deps", "--only-binary=:all:"]
    words += [f"--python-version={python}", "--implementation=cp", f"--abi=cp{python.replace('.', '')}"]
    words += ["--abi=abi3", "--abi=none", *(f"--platform={glibc}_{machine}" for glibc in GLIBC), "--platform=any"]
    subprocess.run([*words, f"--dest={folder}", f"--requirement={folder / 'requirements.txt'}"], check=True)


def pack(folder: Path, path: Path) -> None:
    """Write the folder as a tar file without times and owners, so that the same content is the same file."""
    with tarfile.open(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            info = tarfile.TarInfo(file.name)
            info.size, info.mode = file.stat().st_size, 0o644
            archive.addfile(info, io.BytesIO(file.read_bytes()))


def _applies(requirement: Requirement, extras: set[str], place: Mapping[str, str]) -> bool:
    if requirement.marker is None:
        return True
    return any(requirement.marker.evaluate({**place, "extra": extra}) for extra in (*sorted(extras), ""))


def _key(requirement: Requirement) -> str:
    return f"{canonicalize_name(requirement.name)}[{','.join(sorted(requirement.extras))}]"


if __name__ == "__main__":
    main()
