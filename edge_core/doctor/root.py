# SPDX-License-Identifier: EUPL-1.2
"""Says whether the root file system is as closed to writing as /etc/fstab says; reads two files of the system only."""

from __future__ import annotations

from pathlib import Path

from edge_core.doctor.finding import Finding

_MOUNTS, _FSTAB = Path("/proc/self/mountinfo"), Path("/etc/fstab")
_CHECK = "root"


def check(mounts: Path = _MOUNTS, fstab: Path = _FSTAB) -> Finding:
    """Compare what is (proc_pid_mountinfo(5)) with what the device's fstab(5) wants."""
    closed, wanted = is_closed(_read(mounts)), is_wanted_closed(_read(fstab))
    if closed and wanted:
        return Finding(_CHECK, "ok", "closed to writing: a power cut breaks nothing there")
    if closed:
        remedy = "See dmesg: most often the card fails. Flash another one, then replace.yml."
        return Finding(_CHECK, "failed", "the kernel closed it to writing", remedy)
    if wanted:
        remedy = "A run or an update is under way, or was cut: reboot, or mount -o remount,ro /"
        return Finding(_CHECK, "warning", "open to writing, though /etc/fstab closes it", remedy)
    return Finding(_CHECK, "ok", "open to writing (readonly_root would close it)")


def is_closed(mountinfo: str) -> bool:
    """Tell whether / is mounted read-only: the mount itself, or the file system under it; the last one on it counts."""
    found = False
    for line in mountinfo.splitlines():
        mount, _, system = line.partition(" - ")
        fields, under = mount.split(), system.split()
        if len(fields) > 5 and fields[4] == "/":
            found = "ro" in fields[5].split(",") or "ro" in (under[2] if len(under) > 2 else "").split(",")
    return found


def is_wanted_closed(fstab: str) -> bool:
    """Tell whether the line of / has the option ro."""
    lines = (line.split() for line in fstab.splitlines() if not line.lstrip().startswith("#"))
    return any("ro" in fields[3].split(",") for fields in lines if len(fields) > 3 and fields[1] == "/")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
