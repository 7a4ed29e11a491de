# SPDX-License-Identifier: EUPL-1.2
"""What the kit can't do by itself: commands that stop, start or break the thing under test, given by who runs it."""

from __future__ import annotations

import subprocess

from contracts.conformance.verdict import Failed, Skipped

NAMES = {
    "kill": "end the thing under test as a power cut would (kill -9)",
    "start": "start it again",
    "wipe-broker": "end the broker with kill -9 and start it with an empty memory",
    "break-store": "make the platform's disk or database refuse writes",
    "mend-store": "undo break-store",
    "dump-store": "print all that the platform stores, as bytes, to be searched",
    "publish": "publish a new version of the content repository",
    "act": "make the device record a handful of events",
    "book": "make somebody ask for one of event `kit`, as a page of the device does",
    "restore": "stop the device, put an older copy of its database back, start it",
    "fill": "make the device record more than its budget holds, so that it must drop",
}


class Hooks:
    """The commands that were given, by name; each is run by the shell."""

    def __init__(self, commands: dict[str, str]) -> None:
        self._commands = commands

    def need(self, *names: str) -> None:
        """Skip the check unless all of these were given."""
        missing = [name for name in names if name not in self._commands]
        if missing:
            raise Skipped("needs " + " and ".join(f"--hook {name}=COMMAND ({NAMES[name]})" for name in missing))

    def has(self, *names: str) -> bool:
        """Tell whether all of these were given."""
        return all(name in self._commands for name in names)

    def run(self, name: str) -> bytes:
        """Run it and return what it prints; its failure fails the check, for nothing can be seen then."""
        self.need(name)
        done = subprocess.run(["/bin/sh", "-c", self._commands[name]], capture_output=True, timeout=60, check=False)
        if done.returncode:
            raise Failed(f"the hook {name} ended with {done.returncode}: {done.stderr[-200:].decode(errors='replace')}")
        return done.stdout
