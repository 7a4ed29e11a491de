# SPDX-License-Identifier: EUPL-1.2
"""Whether guests may be told of the portal's API depends on its certificate, read from real files."""

from datetime import timedelta

import pytest

from edge_core import certificate, clock
from lab.ca import Authority

NAME = "portail.example.net"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


def judge(authority, *names, life=timedelta(days=30), after=timedelta()):
    path, _ = authority.issue(*names, life=life)
    return certificate.judge(path, NAME, clock.now() + after.total_seconds())


@pytest.mark.parametrize("name", [NAME, "*.example.net", "PORTAIL.example.NET"])
def test_a_good_certificate_may_be_told(authority, name):
    """The name itself, or a wildcard for its first label."""
    assert judge(authority, "other.example.org", name).usable


@pytest.mark.parametrize("name", ["example.net", "*.portail.example.net", "*.net", "autre.example.net", "192.0.2.1"])
def test_another_name_is_not_told(authority, name):
    """A wildcard stands for one label only."""
    verdict = judge(authority, name)
    assert not verdict.usable
    assert NAME in verdict.reason


@pytest.mark.parametrize(
    ("days", "usable", "word"), [(22, True, "8 days"), (23.5, False, "expires in 6.5"), (31, False, "has expired")]
)
def test_the_last_week_is_not_told(authority, days, usable, word):
    """Told until a week before the end, and no longer."""
    verdict = judge(authority, NAME, after=timedelta(days=days))
    assert verdict.usable is usable
    assert word in verdict.reason


def test_not_yet_valid_is_not_told(authority):
    """A gateway whose clock is years behind tells nothing that it can't know."""
    assert "not valid yet" in judge(authority, NAME, after=timedelta(days=-2)).reason


@pytest.mark.parametrize("content", [None, b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n", b"\xff" * 300_000])
def test_what_cannot_be_read_is_not_told(tmp_path, content):
    """A missing, empty or damaged file is a reason in words, never an exception."""
    path = tmp_path / "chain.pem"
    if content is not None:
        path.write_bytes(content)
    verdict = certificate.judge(path, NAME, clock.now())
    assert not verdict.usable
    assert str(path) in verdict.reason
    assert not certificate.judge(None, NAME, clock.now()).usable
