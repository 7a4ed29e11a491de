# SPDX-License-Identifier: EUPL-1.2
"""Provisions a machine with the project's own playbooks, as a technician does: ansible-playbook over ssh."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.machine.machine import Machine

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / "build" / "deploy-venv"
_SECONDS = 1800  # a browser with all that it needs, through a slow mirror
_RECAP = re.compile(r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """How a playbook ended; the numbers are those of the first device, `changes` those of each that it came to."""

    code: int
    text: str
    ok: int = field(default=0)
    changed: int = field(default=0)
    failed: int = field(default=0)
    changes: dict[str, int] = field(default_factory=dict)


def bundle() -> Path:
    """Build the release of this checkout and return its file; or take the one that PARVIS_BUNDLE names."""
    if "PARVIS_BUNDLE" in os.environ:
        return Path(os.environ["PARVIS_BUNDLE"]).absolute()
    python = "3.13" if os.environ.get("PARVIS_SUITE") == "trixie" else "3.11"
    words = [sys.executable, str(ROOT / "ansible" / "bundle.py"), "--python", python]
    return Path(subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()[-1])


def inventory(machine: Machine, role: str, values: dict[str, Any]) -> Path:
    """Write the inventory of one machine and return its file."""
    return site(machine.folder, role, {machine: values})


def site(folder: Path, role: str, machines: Mapping[Machine, dict[str, Any]]) -> Path:
    """Write the inventory of several machines of one role into a folder, and return its file."""
    hosts = {
        machine.name: {
            "ansible_host": machine.address, "ansible_user": "root",
            "ansible_ssh_common_args": " ".join(machine.ssh_options), "parvis_role": role, **values,
        }
        for machine, values in machines.items()
    }  # fmt: skip
    file = folder / "inventory.json"
    groups = {"gateways": {"hosts": {}}, "kiosks": {"hosts": {}}, f"{role}s": {"hosts": hosts}}
    file.write_text(json.dumps({"all": {"children": groups}}, indent=1), encoding="utf-8")
    return file


def play(machine: Machine, *words: str, book: str = "site.yml") -> Run:
    """Run a playbook against the machine of its inventory; its whole output is kept beside the machine."""
    command = [str(TOOLS / "bin" / "ansible-playbook"), "-i", str(machine.folder / "inventory.json"), *words, book]
    environment = {
        **os.environ, "PATH": f"{TOOLS / 'bin'}:{os.environ['PATH']}", "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_CONFIG": str(ROOT / "ansible" / "ansible.cfg"), "ANSIBLE_LOCAL_TEMP": str(machine.folder / "ansible"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(machine.folder / "control"),
    }  # fmt: skip
    done = subprocess.run(
        command, cwd=ROOT / "ansible", env=environment, capture_output=True, text=True, check=False, timeout=_SECONDS
    )
    text = done.stdout + done.stderr
    with (machine.folder / "ansible.log").open("a", encoding="utf-8") as log:
        log.write(f"$ {' '.join(command)}\n{text}\n")
    found = {name: [int(part) for part in parts] for name, *parts in _RECAP.findall(text)}
    counts = next(iter(found.values()), [0, 0, 1, 1])
    changes = {name: parts[1] for name, parts in found.items()}
    return Run(done.returncode, text, counts[0], counts[1], counts[2] + counts[3], changes)
