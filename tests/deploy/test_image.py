# SPDX-License-Identifier: EUPL-1.2
"""The card's image: its recipe is one that debos reads, and its first boot opens no door but the technician's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

IMAGE = Path(__file__).parents[2] / "image"
FIRST_BOOT = IMAGE / "overlay" / "boot" / "firmware"


@pytest.mark.skipif(shutil.which("debos") is None, reason="debos is not installed: apt install debos")
@pytest.mark.parametrize(("suite", "arch"), [("bookworm", "arm64"), ("trixie", "arm64"), ("bookworm", "amd64")])
def test_debos_reads_the_recipe(tmp_path, suite, arch):
    """Every action and each of its words is one that debos knows; a board's kernel comes for a board alone."""
    words = ["debos", "--dry-run", "--print-recipe", "-t", f"suite:{suite}", "-t", f"arch:{arch}"]
    done = subprocess.run(
        [*words, str(IMAGE / "parvis.yaml")], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert ("raspi-firmware" in done.stderr + done.stdout) == (arch == "arm64")


def test_the_first_boot_lets_nobody_in_by_password():
    """cloud-init knows the file by its first line; in it is a key to change, and no password for anybody."""
    text = (FIRST_BOOT / "user-data").read_text(encoding="utf-8")
    assert text.startswith("#cloud-config\n")
    said = yaml.safe_load(text)
    assert said["ssh_pwauth"] is False
    assert [(user["name"], len(user["ssh_authorized_keys"])) for user in said["users"]] == [("root", 1)]
    assert text.count("CHANGE") == 3  # the sentence, the name, the key
    assert not {"password", "passwd", "plain_text_passwd", "hashed_passwd", "chpasswd"} & set(said | said["users"][0])


def test_the_first_boot_asks_the_card_alone():
    """No cloud is looked for, and the network stays as the image has it."""
    said = yaml.safe_load((IMAGE / "overlay/etc/cloud/cloud.cfg.d/10-parvis.cfg").read_text(encoding="utf-8"))
    assert said["datasource_list"] == ["NoCloud", "None"] or said["datasource_list"] == ["NoCloud", None]
    assert said["datasource"]["NoCloud"]["seedfrom"] == "file:///boot/firmware/"
    assert said["network"] == {"config": "disabled"}
    assert yaml.safe_load((FIRST_BOOT / "meta-data").read_text(encoding="utf-8"))["instance-id"]
