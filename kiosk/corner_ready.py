# SPDX-License-Identifier: EUPL-1.2
"""`python -m kiosk.corner_ready --config FILE --to FOLDER`: writes what one opening of the corner needs, and ends.

`policies/managed/parvis.json`, `proxy.conf`, `hosts`, `bar/` (the extension with the way back, in the visitor's
language), `address`. Who browses can't write there (systemd/parvis-corner-rules.service).
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_core import clock, logs, settings
from edge_core.errors import ContentError, ParvisError
from edge_core.i18n import N_
from edge_core.store.replica import Replica
from kiosk import corner_rules as rules
from kiosk import corner_wish, frame

if TYPE_CHECKING:
    from edge_core.settings import Settings
    from edge_core.store.replica import Record

_log = logs.get(__name__)
_KIOSKS = Path("/etc/chromium/policies/managed/parvis.json")
_BAR = Path(__file__).parent / "corner_bar"
IDLE, WARNING = 90, 30
"""Seconds without a touch until the question, and from it until the end; longer than the kiosk's: forms are read."""
_WORDS = {
    "back": N_("Back"),
    "finish": N_("Finish and erase"),
    "move": N_("Move this bar"),
    "stay": N_("I'm still here"),
    "idle": N_("Are you still there? In %(seconds)s s all is erased."),
    "ends": N_("All is erased in %(minutes)s min. Finish what you are doing."),
    "refused": N_("This site can't be opened here."),
    "why": N_("Only the sites of the list open here. At home or on your phone, all of them do."),
    "away": N_("This site does not answer now."),
    "later": N_("Try again in a moment, or ask at the reception."),
    "again": N_("Back to the first site"),
    "space": N_("space"),
    "erase": N_("Erase"),
    "hide": N_("Hide the keyboard"),
    "accents": N_("Digits and accents"),
    "letters": N_("Letters"),
    "shift": N_("Capitals"),
    "next": N_("OK, go on"),
    "keyboard": N_("Keyboard on the screen"),
}


def write(here: Settings, folder: Path, kiosks: dict[str, Any], proxy: tuple[str, int] = rules.PROXY) -> None:
    """Write it all for the wish that waits. Raises ContentError where nothing can be opened, OSError."""
    sites = rules.administrations(Replica(here.content_db, here.blobs_dir)) if here.kiosk.public_corner else []
    wish = corner_wish.take(here.run_dir, clock.now())
    chosen = next((site for site in sites if wish is not None and site["id"] == wish.administration), None)
    if wish is None or chosen is None:
        raise ContentError("Nobody has chosen a site of the list.", remedy="Choose one on the kiosk's page.")
    names, bar = rules.hosts(sites), folder / "bar"
    managed = folder / "policies" / "managed"
    managed.mkdir(parents=True)
    ruled = rules.policies(kiosks, names, rules.extension_id(bar), proxy)
    (managed / "parvis.json").write_text(json.dumps(ruled), encoding="utf-8")
    (folder / "hosts").write_text(rules.proxy_filter(names), encoding="ascii")
    (folder / "proxy.conf").write_text(rules.proxy_configuration(folder / "hosts", proxy), encoding="ascii")
    (folder / "address").write_text(f"{chosen['web']}\n", encoding="ascii")
    shutil.copytree(_BAR, bar, copy_function=shutil.copyfile)
    (bar / "words.js").write_text(_words(wish.tongue, chosen), encoding="utf-8")


def _words(tongue: str, chosen: Record) -> str:
    language = frame.languages()[tongue]
    told = {
        "lang": language.code,
        "start": chosen["web"],
        "name": language.text(chosen.get("name")),
        "idle": IDLE,
        "warning": WARNING,
        "minutes": rules.MINUTES,
        "words": {key: language.gettext(text) for key, text in _WORDS.items()},
    }
    return f"globalThis.PARVIS = {json.dumps(told)};\n"


def main() -> int:
    """Write, or say why not; 1 then, and the kiosk's screen comes back by its unit."""
    parser = argparse.ArgumentParser(prog="python -m kiosk.corner_ready", description=__doc__)
    parser.add_argument("--config", required=True, type=Path, help="the device's configuration (TOML)")
    parser.add_argument("--to", required=True, type=Path, help="an empty folder of this process's own")
    given = parser.parse_args()
    logs.configure("corner")
    try:
        kiosks = json.loads(_KIOSKS.read_text(encoding="utf-8"))
        write(settings.load(given.config), given.to, kiosks)
    except (ParvisError, OSError, ValueError) as error:
        _log.error("corner_not_opened", reason=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
