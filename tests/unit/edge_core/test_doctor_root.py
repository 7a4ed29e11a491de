# SPDX-License-Identifier: EUPL-1.2
"""Whether the root is closed to writing, as it should be: from what the kernel and fstab say."""

import pytest

from edge_core.doctor import root

OPEN = "22 1 179:2 / / rw,noatime shared:1 - ext4 /dev/mmcblk0p2 rw\n25 22 0:23 / /run ro,nosuid - tmpfs tmpfs ro\n"
CLOSED = OPEN.replace("/ / rw,noatime", "/ / ro,noatime")
BROKEN = OPEN.replace("/dev/mmcblk0p2 rw", "/dev/mmcblk0p2 ro,emergency_ro")
FSTAB = "# the card\nLABEL=parvis-root / ext4 noatime 0 1\n/var/opt/parvis /opt/parvis none bind,ro 0 0\n"
FSTAB_CLOSED = FSTAB.replace("ext4 noatime", "ext4 ro,noatime")


@pytest.mark.parametrize(
    ("mounts", "fstab", "state", "said"),
    [
        (OPEN, FSTAB, "ok", "open"),
        (CLOSED, FSTAB_CLOSED, "ok", "closed"),
        (OPEN, FSTAB_CLOSED, "warning", "though"),
        (CLOSED, FSTAB, "failed", "the kernel closed it"),
        (BROKEN, FSTAB, "failed", "the kernel closed it"),
        (OPEN, "", "ok", "open"),
        ("", "", "ok", "open"),
    ],
)
def test_the_doctor_compares_what_is_with_what_should_be(tmp_path, mounts, fstab, state, said):
    """Closed on purpose is well, closed by the kernel a dying card; open against the plan is told with the remedy."""
    (tmp_path / "mountinfo").write_text(mounts)
    (tmp_path / "fstab").write_text(fstab)
    found = root.check(tmp_path / "mountinfo", tmp_path / "fstab")
    assert (found.state, said in found.seen) == (state, True)
    assert bool(found.remedy) == (state != "ok")


def test_what_is_mounted_over_it_counts():
    """The last mount on / is the one that programs see."""
    assert root.is_closed(OPEN + CLOSED)
    assert not root.is_closed(CLOSED + OPEN)


def test_a_device_without_those_files_is_open(tmp_path):
    """A container without fstab says nothing wrong."""
    assert root.check(tmp_path / "none", tmp_path / "none").state == "ok"
