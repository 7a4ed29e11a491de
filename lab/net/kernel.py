# SPDX-License-Identifier: EUPL-1.2
"""The few system calls about namespaces that Python 3.11 lacks; the only file of the lab that uses ctypes."""

import ctypes
import os

NEW_MOUNT = 0x00020000
NEW_USER = 0x10000000
NEW_PID = 0x20000000
NEW_NET = 0x40000000

MOUNT_BIND = 0x1000
MOUNT_RECURSIVE_PRIVATE = 0x4000 | (1 << 18)  # MS_REC | MS_PRIVATE, mount(2)
MOUNT_NOSUID_NODEV_NOEXEC = 2 | 4 | 8
_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Put the calling thread into new namespaces (unshare(2)); OSError where the kernel refuses."""
    _checked(_libc.unshare(flags), "unshare")


def enter(descriptor: int, kind: int) -> None:
    """Move the calling thread into the namespace behind an open descriptor (setns(2))."""
    _checked(_libc.setns(descriptor, kind), "setns")


def mount(source: str, target: str, kind: str, flags: int = 0) -> None:
    """Attach a file system in the caller's mount namespace, as the system call of this name does."""
    _checked(
        _libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), None), f"mount {target}"
    )


def die_with_parent(signal_number: int) -> None:
    """Ask for a signal when the thread that made this process ends (PR_SET_PDEATHSIG, prctl(2))."""
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl")
