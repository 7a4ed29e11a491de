# SPDX-License-Identifier: EUPL-1.2
"""What people call a kiosk's devices and how these are, for the reception desk; words alone, translated where shown."""

from __future__ import annotations

from edge_core.i18n import N_

ROLES = {
    "scanner": N_("Code scanner"),
    "badge": N_("Badge reader"),
    "printer": N_("Printer"),
    "touch": N_("Touch screen"),
    "headphones": N_("Headphones"),
    "stick": N_("USB stick"),
    "keypad": N_("Number pad"),
    "keyboard": N_("Unknown keyboard"),
}
"""By edge_core.hotplug.Role."""
STATES = {
    "ready": N_("ready"),
    "printing": N_("printing"),
    "taken": N_("its content is taken"),
    "absent": N_("not plugged in"),
    "paper": N_("no paper"),
    "cover": N_("cover open"),
    "busy": N_("busy"),
    "fault": N_("out of order"),
    "denied": N_("may not be used here"),
    "in_use": N_("held by another program"),
    "refused": N_("refused"),
    "rejected": N_("its content is refused"),
}
"""By what the device service tells (contracts/, event.health.device); none has a gender in any of the languages."""
WELL = frozenset({"ready", "printing", "taken"})
"""States that need nobody."""
