# SPDX-License-Identifier: EUPL-1.2
"""Makes a minimal Debian tree with debootstrap, once, and hands out throw-away copies of it (overlays)."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What a freshly flashed board has: an init, a way in, and Python for Ansible.
_PACKAGES = (
    "systemd,systemd-sysv,dbus,udev,python3,python3-apt,openssh-server,iproute2,ca-certificates,procps,sudo,kmod,"
    "netbase,iputils-ping"
)
_ARCHIVE = "http://deb.debian.org/debian"
_SECURITY = "http://deb.debian.org/debian-security"


def build(home: Path, suite: str = "bookworm") -> Path:
    """Return the folder of the pristine tree, making it where it is missing; takes about a minute."""
    tree = home / suite
    done = home / f"{suite}.done"
    if done.exists():
        return tree
    shutil.rmtree(tree, ignore_errors=True)
    home.mkdir(parents=True, exist_ok=True)
    cache = home / "debs"
    cache.mkdir(exist_ok=True)
    words = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", f"--cache-dir={cache}"]
    with (home / "debootstrap.log").open("w") as log:
        subprocess.run([*words, suite, str(tree), _ARCHIVE], stdout=log, stderr=log, check=True)
    places = ((_ARCHIVE, suite), (_ARCHIVE, f"{suite}-updates"), (_SECURITY, f"{suite}-security"))
    sources = "".join(f"deb {archive} {name} main\n" for archive, name in places)
    (tree / "etc/apt/sources.list").write_text(sources, encoding="ascii")
    _quieten(tree)
    done.touch()
    return tree


@contextmanager
def copy(tree: Path, folder: Path) -> Iterator[Path]:
    """Give a writable copy of the tree in `folder`; it is gone afterwards."""
    parts = [folder / name for name in ("upper", "work", "root")]
    for part in parts:
        part.mkdir(parents=True)
    options = f"lowerdir={tree},upperdir={parts[0]},workdir={parts[1]}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(parts[2])], check=True)
    try:
        yield parts[2]
    finally:
        subprocess.run(["umount", "--lazy", str(parts[2])], check=False)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def data(root: Path, image: Path) -> Iterator[None]:
    """Give the tree a /var on a file system of its own, as the card's image has; the tree must not run yet."""
    with image.open("wb") as file:
        file.truncate(4_000_000_000)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", str(root / "var"), str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(root / "var")], check=True)
    # The kernel's view of its root is a plain one; systemd mounts it again with the options that stand here.
    (root / "etc/fstab").write_text("overlay / overlay defaults 0 0\n", encoding="ascii")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(root / "var")], check=False)


def prepare(root: Path, name: str, key: str, proxy: str) -> None:
    """Make a copy somebody's machine: its name, who may come in by ssh, where packages come from."""
    (root / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    (root / "root/.ssh/authorized_keys").write_text(key, encoding="ascii")
    (root / "etc/hostname").write_text(f"{name}\n", encoding="ascii")
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost {name}\n::1 localhost\n", encoding="ascii")
    (root / "etc/machine-id").write_text("", encoding="ascii")
    (root / "etc/apt/apt.conf.d/01proxy").write_text(f'Acquire::http::Proxy "{proxy}";\n', encoding="ascii")


def _quieten(tree: Path) -> None:
    """Leave out what only disturbs in a container: a console without a terminal, and apt in the background."""
    units = tree / "etc/systemd/system"
    for name in ("console-getty.service", "apt-daily.timer", "apt-daily-upgrade.timer"):
        (units / name).symlink_to("/dev/null")
    (tree / "etc/apt/apt.conf.d/02test").write_text('Acquire::Check-Valid-Until "false";\n', encoding="ascii")
