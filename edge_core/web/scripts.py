# SPDX-License-Identifier: EUPL-1.2
"""Serves an application's own scripts, each under an address that changes with it; templates link to `script(name)`."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from flask import Response, abort

if TYPE_CHECKING:
    from pathlib import Path

    from flask import Flask

_FOREVER = "public, max-age=31536000, immutable"


def install(app: Flask, folder: Path) -> None:
    """Serve the `*.js` of `folder`, read once, without their comments of whole lines."""
    files = {path.stem: _shrunk(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.js"))}
    versions = {name: hashlib.sha256(body.encode()).hexdigest()[:12] for name, body in files.items()}

    @app.get("/-/<name>.<version>.js", endpoint="script")
    def serve(name: str, version: str) -> Response:
        if name not in files:
            abort(404)
        caching = _FOREVER if version == versions[name] else "no-cache"
        return Response(files[name], mimetype="text/javascript", headers={"Cache-Control": caching})

    app.jinja_env.globals["script"] = lambda name: f"/-/{name}.{versions[name]}.js"


def _shrunk(script: str) -> str:
    return re.sub(r"\n\s*", "\n", re.sub(r"^\s*//.*$", "", script, flags=re.MULTILINE)).strip()
