# SPDX-License-Identifier: EUPL-1.2
"""The kiosk as gunicorn finds it."""

import importlib

import pytest

from edge_core.errors import ConfigurationError


def test_the_application_is_made_from_the_configuration_of_the_environment(settings, monkeypatch):
    """`PARVIS_CONFIG` names the file; nothing else is needed."""
    monkeypatch.setenv("PARVIS_CONFIG", str(settings.source))
    module = importlib.reload(importlib.import_module("kiosk.wsgi"))
    assert module.app.test_client().get("/health").json["ok"]


def test_a_missing_configuration_is_refused_with_its_path(tmp_path, monkeypatch):
    """It doesn't start with made-up settings."""
    monkeypatch.setenv("PARVIS_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(ConfigurationError, match=r"none\.toml"):
        importlib.reload(importlib.import_module("kiosk.wsgi"))
