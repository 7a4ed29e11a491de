# SPDX-License-Identifier: EUPL-1.2
"""Boots a Debian tree with systemd-nspawn inside a namespace, and keeps it up through reboots until it is let go."""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from lab.machine import packages, tree
from lab.machine.cables import Cables

_REBOOT = 133  # what nspawn answers with --keep-unit when its machine asks for a reboot
_BOOT_SECONDS = 60.0
_CGROUPS = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup")


@dataclass(frozen=True)
class Machine:
    """A machine that runs. `log` is its console, `folder` holds its key for ssh."""

    name: str
    cables: Cables
    root: Path
    folder: Path

    @property
    def address(self) -> str:
        """Where it answers to ssh."""
        return str(self.cables.machine)

    @property
    def ssh_options(self) -> list[str]:
        """Options of ssh for a machine that is gone tomorrow."""
        chosen = {"StrictHostKeyChecking": "no", "UserKnownHostsFile": "/dev/null", "LogLevel": "ERROR"}
        words = [word for key, value in {**chosen, "ConnectTimeout": "3"}.items() for word in ("-o", f"{key}={value}")]
        return ["-i", str(self.folder / "key"), *words]

    def run(self, command: str, *, check: bool = True, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a shell command in the machine, as root."""
        words = ["ssh", *self.ssh_options, f"root@{self.address}", command]
        return subprocess.run(words, capture_output=True, text=True, check=check, timeout=seconds)

    def out(self, command: str) -> str:
        """Run a command that must end well, and return what it said."""
        return self.run(command).stdout.strip()

    def wait(self, seconds: float = _BOOT_SECONDS) -> None:
        """Wait until it has booted and answers."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with suppress(subprocess.TimeoutExpired):
                if self.run("systemctl is-system-running --wait", check=False, seconds=30).stdout.strip():
                    return
            time.sleep(0.2)
        raise TimeoutError(f"{self.name} does not answer; see {self.folder / 'console.log'}.")

    def boot_id(self) -> str:
        """Return what changes with each boot of a container: when its first process began."""
        return self.out("stat -c %Y:%Z /proc/1; cat /run/parvis-boot 2>/dev/null || date +%s%N | tee /run/parvis-boot")


@contextmanager
def booted(home: Path, cables: Cables, name: str, suite: str = "bookworm", *, data: bool = False) -> Iterator[Machine]:
    """Build what is missing, boot a fresh machine, and give it; afterwards nothing of it is left but its logs.

    With `data`, its /var is a file system of its own.
    """
    folder = home / f"{name}-{os.getpid()}"
    folder.mkdir(parents=True)
    pristine = tree.build(home, suite)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")], check=True)
    with (
        packages.proxy(home / "packages", str(cables.here)) as proxy,
        tree.copy(pristine, folder / "tree") as root,
        tree.data(root, folder / "data.img") if data else nullcontext(),
    ):
        tree.prepare(root, name, (folder / "key.pub").read_text(encoding="ascii"), proxy)
        machine = Machine(name, cables, root, folder)
        launcher = _Launcher(machine)
        try:
            machine.wait()
            machine.run("systemctl daemon-reexec")  # PID 1 began before udev knew the devices
            yield machine
        finally:
            launcher.end()
    shutil.rmtree(folder, ignore_errors=True)


class _Launcher:
    """Starts nspawn, again after each reboot, in a thread; its machine's cgroups are made and removed here."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._process: subprocess.Popen[bytes] | None = None
        self._ending = False
        self._groups = [Path(top) / f"parvis-{machine.cables.name}" for top in _CGROUPS if _writable(top)]
        self._thread = threading.Thread(target=self._keep_up, name="nspawn", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Power the machine off, and insist after ten seconds."""
        self._ending = True
        self._machine.run("systemctl poweroff", check=False, seconds=10)
        self._thread.join(15)
        if self._thread.is_alive() and self._process:
            self._process.kill()
            self._thread.join(5)
        self._clear(remove=True)

    def _keep_up(self) -> None:
        with (self._machine.folder / "console.log").open("wb") as log:
            while True:
                self._clear()
                self._process = subprocess.Popen(
                    self._words(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **_LAYOUT},
                )  # fmt: skip
                code = self._process.wait()
                if code != _REBOOT or self._ending:
                    return
                # The namespace and the mount outlive their machine; a real one comes up without any rule, and writable.
                space = self._machine.cables.machine_namespace
                subprocess.run(["ip", "netns", "exec", space, "nft", "flush", "ruleset"], check=False)
                subprocess.run(["mount", "-o", "remount,rw", str(self._machine.root)], check=False)

    def _words(self) -> list[str]:
        """Enter the cgroup and the namespace, then become nspawn (its own option for a namespace shows it our /sys)."""
        join = "".join(f"echo $$ >{group}/cgroup.procs; " for group in self._groups)
        nspawn = (
            f"exec nsenter --net=/run/netns/{self._machine.cables.machine_namespace} systemd-nspawn --quiet --boot"
            f" --directory={self._machine.root} --machine={self._machine.cables.name} --register=no --keep-unit"
            " --resolv-conf=off --console=pipe --capability=CAP_NET_ADMIN,CAP_BPF --system-call-filter=bpf"
        )
        return ["setpriv", "--pdeathsig", "KILL", "sh", "-c", join + nspawn]

    def _clear(self, *, remove: bool = False) -> None:
        for group in self._groups:
            for below in sorted(group.rglob("*/"), key=lambda path: -len(path.parts)):
                with suppress(OSError):
                    below.rmdir()
            with suppress(OSError):
                group.rmdir()
            if not remove:
                group.mkdir(exist_ok=True)


# Debian 12's own layout of cgroups whatever the host has; /sys writable, so that udevd runs inside.
_LAYOUT = {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1", "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "1"}


def _writable(top: str) -> bool:
    return (Path(top) / "cgroup.procs").exists()
