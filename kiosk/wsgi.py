# SPDX-License-Identifier: EUPL-1.2
"""The kiosk as gunicorn starts it: `PARVIS_CONFIG=FILE gunicorn kiosk.wsgi:app`."""

from __future__ import annotations

import os

from edge_core import logs, settings
from kiosk.app import create_app

logs.configure("kiosk")
app = create_app(settings.load(os.environ.get("PARVIS_CONFIG", "/etc/parvis/parvis.toml")))
