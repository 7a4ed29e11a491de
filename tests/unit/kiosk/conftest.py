# SPDX-License-Identifier: EUPL-1.2
"""A kiosk over real SQLite files, in a folder of the test's own."""

import runpy
import time
from importlib import import_module
from pathlib import Path

import pytest

from kiosk.app import _TOPICS, create_app

# Topics say at their import that they read scans: all are there before a test puts its own readers in their place.
for topic in _TOPICS:
    import_module(f"kiosk.{topic}")

SAMPLE = runpy.run_path(str(Path(__file__).with_name("sample.py")))


@pytest.fixture
def sample():
    """What makes the sample content."""
    return SAMPLE


@pytest.fixture
def now():
    """The present, since pages read the clock themselves."""
    return time.time()


@pytest.fixture
def settings(tmp_path, now):
    """A kiosk's settings, its content laid."""
    return SAMPLE["lay"](tmp_path / "state", now)


@pytest.fixture
def app(settings):
    return create_app(settings)


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def empty(tmp_path, now):
    """A client of a kiosk that has no content yet."""
    return create_app(SAMPLE["lay"](tmp_path / "empty", now, {})).test_client()
