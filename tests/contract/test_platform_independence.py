# SPDX-License-Identifier: EUPL-1.2
"""The reference platform knows the product by its contract only; otherwise the code would only agree with itself."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLATFORM = sorted((ROOT / "lab" / "platform").rglob("*.py"))
OURS = {"edge_core", "captive_portal", "kiosk", "gateway_agent", "sync", "contracts"}


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where they lead"
            yield node.module


@pytest.mark.parametrize("path", PLATFORM, ids=lambda path: path.name)
def test_the_platform_imports_nothing_of_the_product(path):
    """Nor anything of the lab but itself; and it names no module in a text that it could import by hand."""
    tree = ast.parse(path.read_text())
    for name in imported(tree):
        assert name.partition(".")[0] not in OURS, name
        assert not name.startswith("lab") or name.startswith(("lab.platform", "lab.ports")), name
        assert name.partition(".")[0] != "importlib", "nothing is imported by name"
    calls = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert "__import__" not in calls


def test_only_two_modules_speak_mqtt():
    """paho stays in the link, and in the device that tests use."""
    users = {
        path.name for path in PLATFORM if any(name.startswith("paho") for name in imported(ast.parse(path.read_text())))
    }
    assert users == {"link.py", "testing.py"}
