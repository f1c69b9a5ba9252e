"""TLS and extended protection in a scenario: bindings, what makes no sense, and how it is told."""

import pytest

from doublehop.errors import InputError
from doublehop.explain import describe

IT = """
given.names.portal = "A web1"
given.front_ends.web1.sites.Portal.bindings = ["https/*:443:{portal}"]
given.front_ends.web1.sites.Portal.windowsAuthentication.extendedProtection.tokenChecking = "Require"
when = { get = "https://{portal}/", client = { channel_binding = false } }
expect.status = 401
"""
CURL = 'program = "curl", canonicalise = false, ntlm = false'
PORT = 'given.front_ends.web1.sites.Other.bindings = ["*:443:"]'
APPLICATION = 'given.front_ends.web1.sites.Other.applications."/".windowsAuthentication'
INHERITED = f'{APPLICATION}.extendedProtection = {{ tokenChecking = "Allow" }}'


def test_extended_protection_is_described(scenario, topology):
    lines = describe(scenario(IT), topology)
    (site,) = [each for each in lines if "site 'Portal'" in each]
    assert site.partition(" on ")[2].startswith("https/*:443:portal.")
    assert site.endswith("Windows authentication Negotiate, NTLM; extendedProtection Require")
    assert "  with a browser that has channel_binding=False" in lines


@pytest.mark.parametrize(("old", "new", "problem"), [
    ("https/*:443", "*:443", "expected https bindings alone where extendedProtection checks tokens"),
    ('"https/*:443:{portal}"', '"https/*:443:{portal}", "*:80:"', "expected https bindings alone"),
    ("Require", "Maybe", "Input should be 'None', 'Allow' or 'Require'"),
    ("https/*", "tls/*", "expected address:port:host"),
    ("channel_binding = false", f"{CURL}, http2 = true", "expected only with http"),
    ("https://{portal}/", "https://{web1}/", "the certificate of web1 is not for web1.doublehop.test"),
    ("https://{portal}/", "https://{web1.address}/", "certificates here are for names"),
    ("https://{portal}/", "http://{portal}:443/", "nothing listens at http on port 443 of web1"),
    ("expect.status", f"{PORT}\nexpect.status", "port 443 is bound to both http and https"),
    ("expect.status", f"{INHERITED}\nexpect.status", "expected https bindings alone"),
])
def test_what_makes_no_sense_is_refused(scenario, old, new, problem):
    with pytest.raises(InputError, match=problem):
        scenario(IT.replace(old, new))
