# SPDX-License-Identifier: EUPL-1.2
"""The management application as gunicorn starts it: `PARVIS_CONFIG=FILE gunicorn management.wsgi:app`."""

from __future__ import annotations

import os

from edge_core import logs, settings
from management.app import create_app

logs.configure("management")
app = create_app(settings.load(os.environ.get("PARVIS_CONFIG", "/etc/parvis/parvis.toml")))
