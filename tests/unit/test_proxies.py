"""Reverse proxies of a scenario: where they may stand, and how they are told."""

import pytest

from doublehop.errors import InputError
from doublehop.explain import describe
from doublehop.model import Need

GIVEN = """
given.users = { alice = {}, bob = {} }
given.proxies.web2 = { to = "http://web1", connection_affinity = false }
when = { get = "http://{web2}:8080/", after = "bob" }
expect = { status = 200, sees.sql = "alice" }
"""
CURL = '{ program = "curl", canonicalise = false, ntlm = false }'


def test_a_proxy_is_described_and_needs_its_machine(scenario, topology):
    made = scenario(GIVEN)
    assert Need.TWO_FRONT_ENDS in made.needs
    lines = describe(made, topology)
    assert "  web2: a reverse proxy on port 8080; of its connections to http://web1, all clients share one" in lines
    assert "  just after bob did" in lines
    own = "\n".join(describe(scenario(GIVEN.replace("false", "true")), topology))
    assert "of its connections to http://web1, each client has one of its own" in own


@pytest.mark.parametrize(("old", "new", "problem"), [
    ("proxies.web2", "proxies.sql1", "no front end is called 'sql1'"),
    ('to = "http://web1"', 'to = "http://web2"', "expected another front end such as"),
    ('to = "http://web1"', 'to = "ftp://web1"', "expected another front end such as"),
    ('to = "http://web1"', 'to = "http://web1", port = 80', "expected a port that no site of web2 is bound to"),
    ('to = "http://web1"', 'to = "http://web1", port = 0', "expected a port that no site of web2 is bound to"),
    ('to = "http://web1"', 'to = "http://web1", port = 70000', "expected a port that no site of web2 is bound to"),
    ('after = "bob"', 'after = "carol"', "expected another user, not 'carol'"),
    ('to = "http://web1"', 'to = "https://web1"', "the proxy on web2 speaks https"),
    ("http://{web2}:8080/", "http://{web2}:8081/", "nothing listens at http on port 8081 of web2"),
    ('after = "bob"', f'after = "bob", client = {CURL}', "unexpected with curl"),
    ('after = "bob"', 'after = "alice"', "expected another user, not 'alice'"),
])
def test_what_makes_no_sense_is_refused(scenario, old, new, problem):
    with pytest.raises(InputError, match=problem):
        scenario(GIVEN.replace(old, new))
