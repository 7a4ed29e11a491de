# SPDX-License-Identifier: EUPL-1.2
"""Reads our units' lines from systemd's journal, and takes their fields apart. It writes nothing."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge_core.errors import ProcessError

if TYPE_CHECKING:
    from collections.abc import Iterator

_OWN = ("timestamp", "level", "process", "event")
LEVELS = ("debug", "info", "warning", "error", "critical")


@dataclass(frozen=True)
class Line:
    """One line: `at` in seconds since 1970, `fields` as their process wrote them; `text` where it isn't one of ours."""

    at: float
    unit: str
    level: str = ""
    process: str = ""
    event: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    text: str = ""


def command(*, since: str, count: int, follow: bool) -> list[str]:
    """Return the words that print the journal of our units as JSON lines. Raises ProcessError without journalctl."""
    program = shutil.which("journalctl")
    if program is None:
        raise ProcessError(
            "There is no systemd journal on this machine.",
            remedy="`parvis run` prints its log on standard error; on a device with systemd this command reads it.",
        )
    words = [program, "--unit=parvis*", "--output=json", "--no-pager", f"--lines={count}", "--quiet"]
    return [*words, *([f"--since={since}"] if since else []), *(["--follow"] if follow else [])]


def read(*, since: str, count: int, follow: bool = False) -> Iterator[Line]:
    """Yield lines, oldest first. Raises ProcessError where the journal can't be read."""
    words = command(since=since, count=count, follow=follow)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as journal:
        try:
            for raw in journal.stdout or ():
                if (line := parse(raw)) is not None:
                    yield line
        finally:
            journal.terminate()
        said = (journal.stderr.read() if journal.stderr else b"").decode("utf-8", "replace").strip()
    if said.endswith("No data available"):  # no unit of ours has ever said anything
        return
    if journal.returncode not in (0, -15) and said:
        raise ProcessError(
            f"The journal can't be read: {said.splitlines()[-1]}",
            remedy="Run this as root, or as a member of the group systemd-journal; --since takes journalctl's words.",
        )


def parse(raw: bytes) -> Line | None:
    """Return one entry of the journal's JSON (systemd.journal-fields(7)); None where it is none."""
    try:
        entry = json.loads(raw)
        at = int(entry["__REALTIME_TIMESTAMP"]) / 1e6
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    unit = str(entry.get("_SYSTEMD_UNIT", "")).removesuffix(".service")
    message = entry.get("MESSAGE")
    if isinstance(message, list):  # bytes that are not UTF-8 come as numbers
        message = bytes(each for each in message if isinstance(each, int) and 0 <= each < 256).decode(
            "utf-8", "replace"
        )
    return of_message(at, unit, str(message or ""))


def of_message(at: float, unit: str, message: str) -> Line:
    """Return a message with its fields taken apart, where it is logfmt as our processes write it."""
    try:
        found = dict(part.split("=", 1) for part in shlex.split(message) if "=" in part)
    except ValueError:
        found = {}
    if not {"level", "event"} <= found.keys() or found["level"] not in LEVELS:
        return Line(at, unit, text=message)
    rest = {name: value for name, value in found.items() if name not in _OWN}
    return Line(at, unit, found["level"], found.get("process", unit), found["event"], rest)
