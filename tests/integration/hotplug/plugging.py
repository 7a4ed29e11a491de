# SPDX-License-Identifier: EUPL-1.2
"""Plays with a mock of udev (umockdev) and prints what edge_core.hotplug tells, a line each; run by test_hotplug."""

import sys
from pathlib import Path

import gi

gi.require_version("UMockdev", "1.0")
from gi.repository import UMockdev  # noqa: E402

from edge_core.hotplug import Hotplug  # noqa: E402

STICK = "/sys/devices/pci0000:00/0000:00:14.0/usb1/1-3/1-3:1.0/host6/target6:0:0/6:0:0:0/block/sdb/sdb1"


def tell(what, changes):
    for change in changes:
        device = change.device
        print(what, "+" if change.came else "-", device.role, device.node, device.label, sep="|")


testbed = UMockdev.Testbed.new()
hotplug = Hotplug()
tell("empty", hotplug.changes(0.0))
testbed.add_from_file(str(Path(__file__).with_name("kiosk.umockdev")))
tell("plugged", hotplug.changes(2.0))
tell("idle", hotplug.changes(0.3))
testbed.uevent(STICK, "remove")
testbed.remove_device(STICK)
tell("pulled", hotplug.changes(2.0))
# An event that was lost: nothing is told by the kernel, the next list finds it.
testbed.add_device("usbmisc", "lp1", "/sys/devices/pci0000:00/0000:00:14.0/usb1/1-2", ["ieee1284_id", "MFG:A;MDL:B;"],
                   ["DEVNAME", "/dev/usb/lp1"])  # fmt: skip
while hotplug._monitor.poll(timeout=0.2) is not None:  # thrown away on purpose
    pass
tell("rescanned", hotplug.changes(0.3))
sys.stdout.flush()
