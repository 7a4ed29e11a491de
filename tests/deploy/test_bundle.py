# SPDX-License-Identifier: EUPL-1.2
"""What a release for devices holds; nothing is fetched here."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def bundle():
    """The program, which stands beside the playbooks and in no package."""
    spec = importlib.util.spec_from_file_location("bundle", ROOT / "ansible" / "bundle.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def kept(bundle):
    """The part of the lock that goes to a device, by name."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    text = bundle.chosen(LOCK, bundle.needed(python, "x86_64"))
    return dict(re.findall(r"^([a-z0-9-]+)==\S+((?:.*\n(?: .*\n)*)?)", text, re.MULTILINE))


def test_what_the_services_import_is_there(kept):
    """Every library that our wheel declares goes along, and what these need in turn."""
    assert {"flask", "werkzeug", "gunicorn", "paho-mqtt", "tuf", "cryptography", "zstandard"} <= set(kept)


def test_the_laboratory_stays_at_home(kept):
    """Tools of development don't go to a device in public."""
    assert not {"pytest", "mypy", "ruff", "playwright", "hypothesis", "amqtt"} & set(kept)


def test_every_entry_carries_its_hashes(kept):
    """pip on the device checks each file: an entry without a hash would stop it."""
    assert all("--hash=sha256:" in entry for entry in kept.values())


def test_an_unknown_name_is_not_invented(bundle):
    """Only what the lock names is chosen."""
    assert bundle.chosen(LOCK, {"no-such-package"}).strip() == ""


def test_the_same_content_is_the_same_file(bundle, tmp_path):
    """Times and owners are left out, so a release's name can stand for its content."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    (folder / "a.whl").write_bytes(b"one")
    bundle.pack(folder, tmp_path / "first.tar")
    (folder / "a.whl").touch()
    bundle.pack(folder, tmp_path / "second.tar")
    assert (tmp_path / "first.tar").read_bytes() == (tmp_path / "second.tar").read_bytes()
