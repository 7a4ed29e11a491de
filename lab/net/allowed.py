# SPDX-License-Identifier: EUPL-1.2
"""Finds out which isolation this machine allows; only tries it in a child, changes nothing."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import Literal

Ground = Literal["root", "user", "none"]

_TRIAL = "mount --make-rprivate / && ip link add name a type veth peer name b && nft add table inet parvis_trial"
_TOOLS = {"ip": "iproute2", "nft": "nftables", "dnsmasq": "dnsmasq", "unshare": "util-linux", "nsenter": "util-linux"}


@dataclass(frozen=True)
class Allowance:
    """The best ground found, and for people why it is not a better one ("" when nothing is lacking)."""

    ground: Ground
    why: str


def missing_tools() -> list[str]:
    """Debian packages that the zone needs and this machine lacks."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return sorted({package for tool, package in _TOOLS.items() if shutil.which(tool, path=path) is None})


def _refusal(ground: Ground) -> str:
    """Return what the kernel says against namespaces made as `ground`; "" when they work."""
    user = ["--user", "--map-root-user"] if ground == "user" else []
    command = ["unshare", *user, "--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", _TRIAL]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]


def allowed() -> Allowance:
    """Return the ground to stand on: as root, else in a user namespace, else none with the reason."""
    if missing := missing_tools():
        return Allowance("none", f"not installed: {', '.join(missing)} (apt install {' '.join(missing)})")
    reasons = []
    grounds: list[Ground] = ["root", "user"] if os.geteuid() == 0 else ["user"]
    for ground in grounds:
        refusal = _refusal(ground)
        if not refusal:
            return Allowance(ground, "")
        reasons.append(f"{'as root' if ground == 'root' else 'in a user namespace'}: {refusal}")
    return Allowance("none", "the kernel refuses network namespaces " + "; ".join(reasons))
