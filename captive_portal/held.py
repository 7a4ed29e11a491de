# SPDX-License-Identifier: EUPL-1.2
"""Says what is held of a device, for how long; every page that tells it asks here, so that all tell the same."""

from __future__ import annotations

LEGAL_RECORD = False
"""Whether connections are recorded for a year. No such record exists; what writes one must also turn this on."""
