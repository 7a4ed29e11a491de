# SPDX-License-Identifier: EUPL-1.2
"""A caching proxy for Debian packages (apt-cacher-ng), so that a machine built again downloads nothing again."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PROGRAM = "/usr/sbin/apt-cacher-ng"
_USER = "apt-cacher-ng"


@contextmanager
def proxy(folder: Path, address: str) -> Iterator[str]:
    """Run the proxy on a free port of `address` with its files in `folder`; gives its URL."""
    port = _free_port(address)
    for name in ("cache", "log", "conf"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    # A folder of its own: the packaged configuration sends Debian's names to a list of mirrors.
    lines = {
        "CacheDir": folder / "cache", "LogDir": folder / "log", "SupportDir": "/usr/lib/apt-cacher-ng",
        "BindAddress": address, "Port": port, "ForeGround": 1, "SocketPath": "", "PidFile": "", "ReportPage": "",
        "ExThreshold": 30,
    }  # fmt: skip
    (folder / "conf/acng.conf").write_text("".join(f"{key}: {value}\n" for key, value in lines.items()), "ascii")
    for path in (folder, *folder.glob("*/")):
        shutil.chown(path, _USER, _USER)
    identity = ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups", "--pdeathsig=TERM"]
    with (folder / "out").open("w") as log:
        process = subprocess.Popen([*identity, _PROGRAM, "-c", str(folder / "conf")], stdout=log, stderr=log)
    try:
        _await(address, port)
        yield f"http://{address}:{port}"
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait()


def _free_port(address: str) -> int:
    """Return a free port below 32768: the proxy takes none above."""
    for port in range(20000, 32768):
        with suppress(OSError), socket.socket() as probe:
            probe.bind((address, port))
            return port
    raise OSError(f"No port of {address} is free.")


def _await(address: str, port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection((address, port), timeout=1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"The package proxy does not answer on {address}, port {port}.")
