# SPDX-License-Identifier: EUPL-1.2
"""Plugging and pulling, with udev played by umockdev: a scanner, a printer, a stick, and a keyboard that is none."""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "hotplug"
ROOT = Path(__file__).parents[2]
PYTHON = "/usr/bin/python3"  # the one that Debian's bindings of umockdev belong to


def _is_there():
    if not shutil.which("umockdev-wrapper") or not Path(PYTHON).exists():
        return False
    code = "import gi, sys; gi.require_version('UMockdev', '1.0'); print(sys.version_info[:2])"
    found = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=False)
    return found.stdout.strip() == str(tuple(map(int, sysconfig.get_python_version().split("."))))


pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not _is_there(), reason="umockdev with its Python bindings (apt) is not installed"),
]


def test_what_is_plugged_in_is_told_by_its_role():
    """Each comes once and goes once, a keyboard from outside is just that, and the next list finds lost events."""
    paths = os.pathsep.join([str(ROOT), sysconfig.get_path("purelib")])
    run = subprocess.run(
        ["umockdev-wrapper", PYTHON, str(HERE / "plugging.py")],
        env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [
        "plugged|+|keyboard|/dev/input/event3|Keyboard",
        "plugged|+|printer|/dev/usb/lp0|FICTIVE T-88",
        "plugged|+|scanner|/dev/input/event9|" + run.stdout.split("event9|")[1].splitlines()[0],
        "plugged|+|stick|/dev/sdb1|PARVIS",
        "pulled|-|stick|/dev/sdb1|PARVIS",
        "rescanned|+|printer|/dev/usb/lp1|A B",
    ]
