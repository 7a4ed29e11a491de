# SPDX-License-Identifier: EUPL-1.2
"""An update that is cut, by a kill or by the power, leaves the old release or the new one: never neither."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.faults import updating
from sync.release import trial
from sync.release.shelf import Shelf

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.integration


def update(*words):
    """Run one update in a process of its own; return how it ended and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "lab.faults.updating", *map(str, words)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert done.returncode in (0, -9), done.stderr
    return done.returncode, done.stdout.split()


def check(home):
    """The device runs a whole release, and ends the trial at its next start in a whole one that was proven."""
    shelf = Shelf(home)
    running = shelf.named("current")
    assert running in (updating.OLD, updating.NEW)
    assert updating.is_whole(home, running)
    assert updating.is_whole(home, shelf.named("proven"))
    outcome = trial.settle(shelf, updating.Hands())
    assert shelf.named("current") == shelf.named("proven") in (updating.OLD, updating.NEW)
    assert updating.is_whole(home, shelf.named("current"))
    return running, outcome.what


def test_killed_before_any_step(tmp_path):
    """SIGKILL before each change of the disk; the next start ends it, and the next update goes through."""
    begun = tmp_path / "begun"
    begun.mkdir()
    updating.begin(begun)
    seen, step, code = set(), 0, -9
    while code == -9:
        home = tmp_path / "home"
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(begun, home, symlinks=True)
        for link in ("current", "proven"):
            (home / link).unlink()
            (home / link).symlink_to(home / "releases" / updating.OLD)
        code, _ = update(home, "kill", step)
        seen.add(check(home))
        assert trial.bring(Shelf(home), updating.Hands(), updating.NEW, home, 1).what == "installed"
        step += 1
    assert step > 10
    assert {(updating.OLD, "unchanged"), (updating.NEW, "installed"), (updating.NEW, "unchanged")} <= seen


def mounted(image, place):
    """Mount an ext4 image; skip where that is refused."""
    place.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-o", "loop", image, place], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no loop devices here: {done.stderr.strip()}")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.skipif(shutil.which("mkfs.ext4") is None, reason="not installed: apt install e2fsprogs")
@pytest.mark.parametrize("trouble", ["", "the portal is away"])
def test_the_power_goes_before_any_step(tmp_path, trouble):
    """A real ext4, cut before each change: what it hadn't written is lost. A good release, and a bad one."""
    card, place = tmp_path / "card.img", tmp_path / "card"
    with card.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", card], check=True, capture_output=True)
    mounted(card, place)
    cuts = tmp_path / "cuts"
    cuts.mkdir()
    try:
        updating.begin(place)
        _, said = update(place, "copy", card, cuts, trouble)
    finally:
        subprocess.run(["umount", place], check=True)
    assert said[0] == ("rolled_back" if trouble else "installed")
    seen = set()
    for cut in sorted(cuts.iterdir()):
        mounted(cut, place)  # its journal is replayed, as at a boot
        try:
            seen.add(check(place)[0])
        finally:
            subprocess.run(["umount", place], check=True)
    assert len(list(cuts.iterdir())) > 10
    assert seen == {updating.OLD, updating.NEW}
