"""The front end's answers follow the contract that every front end of a lab has to follow."""

import json

import jsonschema
import pytest

from doublehop import catalogue, topology
from doublehop.data import LAB
from doublehop.model import Need, Request

SCHEMA = json.loads((LAB / "contract" / "whoami.schema.json").read_text())
EVERY = catalogue.load(topology.load())
ANSWERED = [each for each in EVERY if isinstance(each.when, Request) and each.expect.status == 200
            and not {Need.DOTNET, Need.WINDOWS} & {*each.needs}]
"""What is answered in every local lab, whatever else this host has."""


@pytest.mark.parametrize("scenario", ANSWERED[:: max(1, len(ANSWERED) // 12)], ids=lambda each: each.id)
def test_an_answer_follows_the_contract(lab_session, scenario):
    result = lab_session.run(scenario)
    assert result.observation is not None, result.verdict
    jsonschema.validate(json.loads(result.observation.client.body), SCHEMA)


def test_an_answer_with_an_unknown_field_breaks_the_contract():
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"scheme": "Kerberos", "expected": "alice"}, SCHEMA)
