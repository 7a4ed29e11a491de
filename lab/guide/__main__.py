# SPDX-License-Identifier: EUPL-1.2
"""`python -m lab.guide`: takes the pictures of docs/guides from a gateway and a kiosk that it provisions, as root."""

import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from lab.guide.terminal import picture
from lab.machine import cables, machine, operator, provision

ROOT = Path(__file__).parents[2]
OUT = ROOT / "docs" / "guides" / "pictures"
_BROWSER = ("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run")
_SITE = {"id": "parc-exemple", "name": "Parc d'activités de l'Exemple"}
_GATEWAY, _KIOSK = "gateway-esplanade", "kiosk-accueil"


def main() -> int:
    """Take all of them; takes about ten minutes."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        signer = operator.Operator(folder / "operator")
        one, two = (stack.enter_context(cables.laid(number)) for number in (0, 1))
        ticket = stack.enter_context(operator.desk(folder / "desk", str(one.here), _SITE["id"]))
        _labels(folder, {name: ticket(name) for name in (_GATEWAY, _KIOSK)})
        home = ROOT / "build" / "machine"
        gateway = stack.enter_context(machine.booted(home, one, _GATEWAY))
        kiosk = stack.enter_context(machine.booted(home, two, _KIOSK))
        url = stack.enter_context(operator.served(signer.repository, str(one.here)))
        away = stack.enter_context(operator.served(signer.repository, str(two.here)))
        _gateway(gateway, {**_common(signer, url), **_network(one)})
        enrolled = {
            "sync_ticket": ticket(_KIOSK),
            "parvis_mqtt": {"url": f"mqtt://{one.here}:1"},
            "kiosk_screen": False,
        }
        _kiosk(kiosk, {**_common(signer, away), **enrolled})
    return 0


def _common(signer: operator.Operator, url: str) -> dict[str, Any]:
    return {
        "parvis_bundle": str(provision.bundle()), "parvis_site": _SITE, "sync_content_root": signer.root,
        "parvis_content": {"url": url, "root": "/etc/parvis/root.json", "interval": 5},
    }  # fmt: skip


def _network(laid: cables.Cables) -> dict[str, Any]:
    return {
        "parvis_lan": {"interface": "lan0", "ipv4": "10.77.0.1/20", "dhcp_range": "10.77.1.0-10.77.15.250"},
        "parvis_wan": {"interface": "wan0", "dns": [str(laid.here)]},
        "parvis_portal": {"hostname": "portal.example.net"},
    }


def _labels(folder: Path, tickets: dict[str, str]) -> None:
    """Photograph the sheet of labels, as `parvis site labels` writes it."""
    rows = [{"site": _SITE["id"], "device": name, "ticket": text} for name, text in tickets.items()]
    (folder / "tickets.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    words = ["site", "labels", str(folder / "tickets.jsonl"), str(folder / "labels.html")]
    subprocess.run([sys.executable, "-m", "edge_core.cli", *words], check=True)
    shot = ["--window-size=760,250", f"--screenshot={OUT / 'labels.png'}", f"--user-data-dir={folder / 'profile'}"]
    subprocess.run([*_BROWSER, *shot, (folder / "labels.html").as_uri()], check=True, capture_output=True)


def _gateway(box: machine.Machine, values: dict[str, Any]) -> None:
    """Provision it as a technician does, and keep what they see on the way."""
    provision.inventory(box, "gateway", values)
    run = provision.play(box)
    _draw("ansible-playbook -i inventory/my-site site.yml", run.text[run.text.index("PLAY RECAP") :], "run.svg", 114)
    _draw("parvis doctor", _said(box, "parvis doctor --config /etc/parvis/parvis.toml"), "doctor.svg", 124)


def _kiosk(box: machine.Machine, values: dict[str, Any]) -> None:
    provision.inventory(box, "kiosk", values)
    provision.play(box)
    _draw("parvis enroll status", _said(box, "parvis enroll status"), "enrol.svg", 84)
    _draw("parvis doctor kiosk", _said(box, "parvis doctor kiosk --config /etc/parvis/parvis.toml"), "kiosk.svg", 124)


def _said(box: machine.Machine, command: str) -> str:
    """Return what a command says on a terminal with colours; it may end with a status of its own."""
    return box.run(f"FORCE_COLOR=1 COLUMNS=120 {command}", check=False).stdout


def _draw(title: str, said: str, name: str, width: int) -> None:
    (OUT / name).write_text(picture(title, said, Path(name).stem, width), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
