# SPDX-License-Identifier: EUPL-1.2
"""The wheel, unpacked outside the checkout, has all that the services need at run time."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.integration

START = """
import importlib, os, sys
from pathlib import Path
import captive_portal, kiosk, gateway_agent, sync, management, edge_core
home = Path(sys.argv[1])
for package in (captive_portal, kiosk, gateway_agent, sync, management, edge_core):
    assert Path(package.__file__).is_relative_to(home), package.__file__
from edge_core.settings import load
from edge_core.store import database
settings = load(sys.argv[2])
database.migrate(settings)
os.environ["PARVIS_CONFIG"] = sys.argv[2]
for package, module in ((captive_portal, "captive_portal.wsgi"), (kiosk, "kiosk.wsgi")):
    client = importlib.import_module(module).app.test_client()
    page = client.get("/", headers={"Host": "localhost"}, follow_redirects=True)
    assert page.status_code == 200, (package.__name__, page.status_code)
    assert b"<html" in page.data
print("well")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built as it is released."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("parvis-*.whl"))


def test_the_wheel_runs_outside_the_checkout(wheel, tmp_path):
    """Templates, catalogues, styles and commands are in the wheel: both web applications answer from it alone."""
    home = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(home)
    config = tmp_path / "device.toml"
    config.write_text(
        f'[site]\nid = "parc"\nname = "Parc"\n[device]\nid = "g1"\nstate_dir = "{tmp_path}/state"\n'
        '[portal]\nhostname = "portal.example.net"\n[enforcement]\nmode = "none"\n'
    )
    environment = {**os.environ, "PYTHONPATH": str(home)}
    command = [sys.executable, "-c", START, str(home), str(config)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "well", done.stderr


def test_the_wheel_holds_no_laboratory(wheel):
    """Tests and the world outside the box are not delivered; the licence is."""
    names = zipfile.ZipFile(wheel).namelist()
    assert not [name for name in names if name.startswith(("lab/", "tests/"))]
    assert [name for name in names if name.endswith("LICENSE")]
