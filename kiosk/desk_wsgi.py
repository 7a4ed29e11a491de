# SPDX-License-Identifier: EUPL-1.2
"""The reception desk as gunicorn starts it: `PARVIS_CONFIG=FILE gunicorn kiosk.desk_wsgi:app`."""

from __future__ import annotations

import os

from edge_core import logs, settings
from kiosk.app import create_desk

logs.configure("desk")
app = create_desk(settings.load(os.environ.get("PARVIS_CONFIG", "/etc/parvis/parvis.toml")))
