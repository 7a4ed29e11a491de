# SPDX-License-Identifier: EUPL-1.2
"""What gunicorn serves: the application of the configuration that PARVIS_CONFIG names."""

from __future__ import annotations

import os

from captive_portal import front, turns
from captive_portal.app import create_app
from edge_core import logs, settings

logs.configure("portal")
app = create_app(settings.load(os.environ.get("PARVIS_CONFIG", "/etc/parvis/parvis.toml")))
app.wsgi_app = turns.taking(front.behind(app.wsgi_app))  # type: ignore[method-assign, assignment]  # so Flask means it
