# SPDX-License-Identifier: EUPL-1.2
"""The schemas of enrolment are valid, and so are their examples."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

FILES = sorted((Path(__file__).parents[2] / "contracts" / "enrolment").glob("*.schema.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_each_schema_takes_its_examples_and_not_less(file):
    """Every example is valid, and no more when a required member is gone."""
    schema = json.loads(file.read_text())
    Draft202012Validator.check_schema(schema)
    judge = Draft202012Validator(schema)
    for example in schema["examples"]:
        judge.validate(example)
        for name in schema["required"]:
            assert not judge.is_valid({key: value for key, value in example.items() if key != name})


def test_the_refusals_of_the_text_are_those_of_the_schema():
    """README and schema name the same reasons."""
    text = (FILES[0].parent / "README.md").read_text()
    pattern = json.loads((FILES[0].parent / "problem.schema.json").read_text())["properties"]["type"]["pattern"]
    words = pattern.partition("(")[2].partition(")")[0].split("|")
    assert [word for word in words if f"| `{word}` |" not in text] == []
