# SPDX-License-Identifier: EUPL-1.2
"""What all tests share: no deadline for a property on a loaded machine, and workers that don't meet.

As root each of several workers (pytest-xdist) has a network and mounts of its own.
"""

import ctypes
import os
import signal
import subprocess

from hypothesis import settings

_CLONE_NEWNS, _CLONE_NEWNET = 0x00020000, 0x40000000
# `ip netns` keeps its names in /run/netns; /sys shows the network of whoever mounted it; cgroups stay where they are.
_SETTLE = """
ip link set lo up
mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns && mount --make-shared /run/netns
held=$(mktemp -d) && mount --rbind /sys/fs/cgroup $held && mount -t sysfs sysfs /sys
mount --rbind $held /sys/fs/cgroup && umount -l $held && rmdir $held
"""


settings.register_profile("parvis", deadline=None)  # judged by what comes out, never by how long it takes
settings.load_profile("parvis")


def pytest_configure(config):
    """Move a worker into namespaces of its own before it starts anything; alone, or without the right, stay."""
    # In the background of a shell, Ctrl-C is ignored, and what tests start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput") or os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS | _CLONE_NEWNET):
        return  # a container without the right: ports are picked by chance, and seldom meet
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["sh", "-ec", _SETTLE], check=True)
