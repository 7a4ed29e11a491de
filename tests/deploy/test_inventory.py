# SPDX-License-Identifier: EUPL-1.2
"""What a technician writes: every setting of a device can be given and is typed; the example names a whole site."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from edge_core.settings import SECTIONS
from edge_core.settings_sections import Zone

ANSIBLE = Path(__file__).parents[2] / "ansible"
WORDS = {"type", "required", "default", "choices", "elements", "options", "description"}
# A device's own folder, and addresses that its units hold: not the technician's to choose.
FIXED = {"device.state_dir", "portal.bind", "kiosk.bind"}


def read(path):
    """Return a YAML file of the playbooks."""
    return yaml.safe_load((ANSIBLE / path).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def options():
    """What the role base takes, by name."""
    return read("roles/base/meta/argument_specs.yml")["argument_specs"]["main"]["options"]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_can_be_given_and_is_typed(section, options):
    """A setting that the inventory can't give, or that is given without being checked, would be a trap."""
    typed = set(options[f"parvis_{section}"]["options"])
    known = {row.name for row in fields(SECTIONS[section]) if f"{section}.{row.name}" not in FIXED}
    assert typed == known


def test_every_setting_of_a_zone_can_be_given_and_is_typed(options):
    """Further zones are a list of their own, each with all that a zone takes."""
    assert set(options["parvis_zones"]["options"]) == {row.name for row in fields(Zone)}


def test_every_section_is_written():
    """The template writes each section that the inventory may give."""
    assert {"site", "device", *read("roles/base/vars/main.yml")["base_sections"]} == set(SECTIONS)


@pytest.mark.parametrize("role", sorted(path.name for path in (ANSIBLE / "roles").iterdir()))
def test_every_knob_is_typed(role):
    """What a role has a default for is described in its argument_specs."""
    defaults = ANSIBLE / "roles" / role / "defaults" / "main.yml"
    known = read(f"roles/{role}/meta/argument_specs.yml")["argument_specs"]["main"].get("options", {})
    assert set(yaml.safe_load(defaults.read_text()) if defaults.exists() else {}) <= set(known)
    assert all(option.get("type") and option.get("description") for option in known.values())
    assert all(set(option) <= WORDS for option in every(known)), "a comma without quotes ends a description"


def every(known):
    """Yield each option, those within options too."""
    for option in known.values():
        yield option
        yield from every(option.get("options", {}))


class Strict(yaml.SafeLoader):
    """Reads YAML and refuses a key that stands twice, of which Ansible would take the last."""

    def construct_mapping(self, node, deep=False):
        """Return the mapping, each of whose keys stands once."""
        keys = [self.construct_object(key) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        assert len(keys) == len(set(keys)), f"twice in {node.start_mark}: {keys}"
        return super().construct_mapping(node, deep)


def conditions(found):
    """Yield each `when` in what a YAML file holds, at any depth."""
    if isinstance(found, list):
        for part in found:
            yield from conditions(part)
    elif isinstance(found, dict):
        yield from found["when"] if isinstance(found.get("when"), list) else [found.get("when", "")]
        for part in found.values():
            yield from conditions(part)


@pytest.mark.parametrize("path", sorted(ANSIBLE.rglob("*.yml")), ids=lambda path: str(path.relative_to(ANSIBLE)))
def test_no_file_says_something_else_than_it_seems_to(path):
    """No key stands twice, and no condition is a mapping because of a colon in it."""
    found = yaml.load(path.read_text(encoding="utf-8"), Loader=Strict)  # noqa: S506  it is the safe loader
    assert all(isinstance(condition, (str, bool)) for condition in conditions(found))


def test_the_example_is_a_whole_site():
    """Two gateways and three kiosks, as a technician finds them on a park."""
    groups = read("inventory/example/hosts.yml")["all"]["children"]
    assert (len(groups["gateways"]["hosts"]), len(groups["kiosks"]["hosts"])) == (2, 3)
