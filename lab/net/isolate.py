# SPDX-License-Identifier: EUPL-1.2
"""Runs a function as first process of its own pid, mount and network namespaces, which the kernel ends with it.

The whole zone lives below that one process. When it ends, or when the process that started it ends, by Ctrl-C, a crash
or kill -9, the kernel kills every process inside (pid_namespaces(7)), and with the last of them go the network
namespaces, interfaces, rules and mounts. Nothing has a name outside, so nothing can be left behind.
"""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType

from lab.net import kernel
from lab.net.allowed import Ground

_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_isolated(inside: Callable[[], int], ground: Ground, *, network: bool) -> int:
    """Run `inside` and return its exit code. Call it before any thread exists: user namespaces demand it.

    `ground` "none" isolates nothing, but still ties the child's life to ours.
    """
    if ground == "user":
        _become_mapped_root()
    if ground != "none":
        kernel.unshare(kernel.NEW_PID)
    held, watched = os.pipe()  # the child sees its end close when we are gone before it could ask to die with us
    child = os.fork()
    if child == 0:
        os.close(watched)
        os._exit(_as_first_process(inside, ground, network=network, held=held))
    os.close(held)
    return _wait(child)


def _become_mapped_root() -> None:
    user, group = os.geteuid(), os.getegid()
    kernel.unshare(kernel.NEW_USER)
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1", encoding="ascii")


def _as_first_process(inside: Callable[[], int], ground: Ground, *, network: bool, held: int) -> int:
    code = 1
    try:
        kernel.die_with_parent(signal.SIGKILL)
        os.setsid()  # the terminal's Ctrl-C reaches our parent alone, which forwards it: one signal, one orderly end
        os.set_blocking(held, False)
        with suppress(BlockingIOError):
            if os.read(held, 1) == b"":
                return code
        if ground != "none":
            _own_mounts()
        if ground != "none" and network:
            kernel.unshare(kernel.NEW_NET)
        for number in _FORWARDED:  # a first process has no default: without a handler, a signal does nothing
            signal.signal(number, _leave)
        code = inside()
    except SystemExit as left:
        code = int(left.code or 0)
    except BaseException:  # noqa: BLE001 - the last frame of a process: whatever it is must be seen, then it ends
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _own_mounts() -> None:
    kernel.unshare(kernel.NEW_MOUNT)
    kernel.mount("none", "/", "none", kernel.MOUNT_RECURSIVE_PRIVATE)
    # Refused in some containers that mask parts of /proc: the zone works without, only the pids shown differ.
    with suppress(OSError):
        kernel.mount("proc", "/proc", "proc", kernel.MOUNT_NOSUID_NODEV_NOEXEC)


def _wait(child: int) -> int:
    def forward(number: int, _frame: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            os.kill(child, number)

    for number in _FORWARDED:
        signal.signal(number, forward)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)
