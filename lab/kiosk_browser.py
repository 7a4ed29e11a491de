# SPDX-License-Identifier: EUPL-1.2
"""The kiosk's real browser on a real X display in memory: its own flags and managed policies, real keys by xdotool.

Policies are bound over /etc/chromium in a mount namespace of the browser alone, so that no other browser sees them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROLE = Path(__file__).parents[1] / "ansible/roles/kiosk/templates"
_POLICIES = _ROLE / "etc/chromium/policies/managed/parvis.json.j2"
_START = _ROLE / "opt/parvis/screen/browser.j2"
NEEDED = ("Xvfb", "xdotool", "unshare", "chromium")
_SECONDS = 60.0


def missing() -> list[str]:
    """Return the programs that are not installed."""
    return [name for name in NEEDED if shutil.which(name) is None]


def policies(port: int) -> dict[str, Any]:
    """Return the managed policies as they are installed, for pages on another port."""
    text = _POLICIES.read_text(encoding="utf-8")
    body = text[text.index("{{ {") + 3 : text.rindex("} |") + 1]
    words = re.sub(r"\bfalse\b", "False", re.sub(r"\btrue\b", "True", body)).replace(":8081", f":{port}")
    found: dict[str, Any] = eval(words, {"__builtins__": {}})  # noqa: S307  a literal of our own file
    return found


def flags() -> list[str]:
    """Return the browser's flags as the screen's script has them, without those of Wayland."""
    found = re.findall(r"--[a-z-]+(?:=\S+)?", _START.read_text(encoding="utf-8").partition("/usr/bin/chromium")[2])
    left = {"--ozone-platform", "--user-data-dir"}
    return [flag for flag in dict.fromkeys(found) if flag.partition("=")[0] not in left]


@contextmanager
def shown(
    folder: Path, address: str, width: int = 1080, height: int = 1920, *, looked_into: bool = False
) -> Iterator[Browser]:
    """Show `address`; its policies and profile are in `folder`. `looked_into` gives up one policy, that on DevTools."""
    port = int(address.rsplit(":", 1)[1].partition("/")[0])
    managed = folder / "policies" / "managed"
    managed.mkdir(parents=True)
    ruled = policies(port) | ({"DeveloperToolsAvailability": 1} if looked_into else {})
    (managed / "parvis.json").write_text(json.dumps(ruled), encoding="utf-8")
    size = (width, height)
    with display(size) as there, Browser(folder, there, address, size, flags()) as browser:
        yield browser


@contextmanager
def display(size: tuple[int, int]) -> Iterator[str]:
    """Run an X display in memory, of `size` pixels; give its name."""
    read, write = os.pipe()
    screen = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{size[0]}x{size[1]}x24", "-nolisten", "tcp"],
        pass_fds=[write], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(write)
    try:
        with os.fdopen(read) as told:
            yield f":{told.readline().strip()}"
    finally:
        screen.terminate()
        screen.wait()


class Browser:
    """The running browser, whose policies are in `folder`; `debugging` is where the test looks into it."""

    def __init__(self, folder: Path, display: str, address: str, size: tuple[int, int], flags: list[str]) -> None:
        self.folder, self.profile = folder, folder / "profile"
        self._display, self._address, self._size, self._flags = display, address, size, flags
        self._process: subprocess.Popen[bytes] | None = None
        self.debugging = ""

    def __enter__(self) -> Self:
        """Start it; what did not start whole is ended."""
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.stop()

    def start(self) -> None:
        """Start it, with an empty profile."""
        shutil.rmtree(self.profile, ignore_errors=True)
        words = [
            "chromium", *self._flags, "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
            f"--user-data-dir={self.profile}", f"--window-size={self._size[0]},{self._size[1]}",
            "--window-position=0,0", "--touch-events=enabled", self._address,
        ]  # fmt: skip
        bind = f"mkdir -p /etc/chromium/policies && mount --bind {self.folder / 'policies'} /etc/chromium/policies"
        inside = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user", "--user"])]
        self._process = subprocess.Popen(
            [*inside, "sh", "-c", f'{bind} && exec "$@"', "sh", *words],
            env={**os.environ, "DISPLAY": self._display, "HOME": str(self.folder)},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        self.debugging = self._wait_for_port()

    def stop(self) -> None:
        """End it and its children."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def process(self) -> psutil.Process:
        """Return the browser's first process."""
        if self._process is None:
            raise ProcessLookupError("the browser doesn't run")
        return psutil.Process(self._process.pid)

    def key(self, *names: str) -> None:
        """Press keys as a keyboard does, such as "ctrl+n"."""
        self._x("key", "--clearmodifiers", *names)

    def click(self, x: int, y: int) -> None:
        """Press the pointer's button, as a finger does where no touch panel is."""
        self._x("mousemove", str(x), str(y), "click", "1")

    def pages(self) -> list[str]:
        """Return the addresses of all that is open."""
        with urllib.request.urlopen(f"{self.debugging}/json/list", timeout=_SECONDS) as answer:
            return [str(each["url"]) for each in json.load(answer) if each["type"] == "page"]

    def alive(self) -> bool:
        """Tell whether it still runs."""
        return self._process is not None and self._process.poll() is None

    def windows(self) -> int:
        """Return how many windows can be seen."""
        return len(self._x("search", "--onlyvisible", "--name", ".").split())

    def _x(self, *words: str) -> str:
        done = subprocess.run(
            ["xdotool", *words],
            env={**os.environ, "DISPLAY": self._display},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout

    def _wait_for_port(self) -> str:
        deadline = time.monotonic() + _SECONDS
        file = self.profile / "DevToolsActivePort"
        while time.monotonic() < deadline:
            if file.exists() and "\n" in (text := file.read_text(encoding="ascii")):
                return f"http://127.0.0.1:{text.splitlines()[0]}"
            if not self.alive():
                raise OSError("the browser ended at its start")
            time.sleep(0.1)
        raise OSError("the browser didn't start")
