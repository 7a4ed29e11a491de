# SPDX-License-Identifier: EUPL-1.2
"""The public service corner as its units run it: its own policies, bar and proxy, in a browser on a display in memory.

What systemd does around it (one way out by the kernel, a folder that is wiped) is tried on a machine (tests/deploy).
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kiosk import corner_ready
from lab import kiosk_browser
from lab.kiosk_browser import Browser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_core.settings import Settings

NEEDED = (*kiosk_browser.NEEDED, "tinyproxy")
_START = Path(__file__).parents[1] / "ansible/roles/kiosk/templates/opt/parvis/screen/corner.j2"


def missing() -> list[str]:
    """Return the programs that are not installed."""
    return [name for name in NEEDED if shutil.which(name) is None]


def flags(bar: Path) -> list[str]:
    """Return the browser's flags as the corner's script has them, without those of Wayland."""
    found = re.findall(r"--[a-z-]+(?:=\S+)?", _START.read_text(encoding="utf-8").partition("/usr/bin/chromium")[2])
    left = {"--ozone-platform", "--user-data-dir", "--load-extension"}
    return [*(flag for flag in found if flag.partition("=")[0] not in left), f"--load-extension={bar}"]


@contextmanager
def opened(
    folder: Path, settings: Settings, names: dict[str, str], authority: bytes, proxy: tuple[str, int]
) -> Iterator[Browser]:
    """Open what the waiting wish says; one policy is given up, that on DevTools, to look into it.

    `names` is what the proxy resolves, host to address; `authority` a certificate (DER) that the browser trusts.
    """
    ready = folder / "rules"
    ready.mkdir(parents=True)
    trusted = {"CACertificates": [base64.b64encode(authority).decode("ascii")], "DeveloperToolsAvailability": 1}
    corner_ready.write(settings, ready, {**kiosk_browser.policies(8081), **trusted}, proxy)
    address = (ready / "address").read_text(encoding="ascii").strip()
    size = (1080, 1920)
    (folder / "policies").symlink_to(ready / "policies")
    with (
        kiosk_browser.display(size) as there,
        _proxied(ready, names),
        Browser(folder, there, address, size, flags(ready / "bar")) as browser,
    ):
        yield browser


@contextmanager
def _proxied(ready: Path, names: dict[str, str]) -> Iterator[None]:
    """Run the proxy as its unit does, with a resolver of its own: /etc/hosts in a mount namespace."""
    table = ready / "etc-hosts"
    table.write_text("".join(f"{address} {name}\n" for name, address in names.items()), encoding="ascii")
    inside = f'mount --bind {table} /etc/hosts && exec tinyproxy -d -c "{ready / "proxy.conf"}"'
    process = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", inside], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def ruled(folder: Path) -> dict[str, object]:
    """Return the policies that hold in an opened corner."""
    found: dict[str, object] = json.loads((folder / "rules/policies/managed/parvis.json").read_text(encoding="utf-8"))
    return found
