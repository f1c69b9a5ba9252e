"""Error codes: their names, and where a library's number leads.

The numbers are RFC 4120 section 7.5.9 and, above 127, MIT's krb5 error table; the minor codes are those
that MIT's own messages show to people.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doublehop.codes import ACCEPTOR_ALIASES, MIT_ERROR_BASE, KrbError, LocalError, from_minor, name_of

KNOWN = {
    7: "KDC_ERR_S_PRINCIPAL_UNKNOWN",
    8: "KDC_ERR_PRINCIPAL_NOT_UNIQUE",
    12: "KDC_ERR_POLICY",
    13: "KDC_ERR_BADOPTION",
    14: "KDC_ERR_ETYPE_NOSUPP",
    37: "KRB_AP_ERR_SKEW",
    41: "KRB_AP_ERR_MODIFIED",
    60: "KRB_ERR_GENERIC",
}

SHOWN_BY_MIT = {
    -1765328243: LocalError.TICKET_NOT_FOUND,  # Matching credential not found
    -1765328240: LocalError.WRONG_PRINCIPAL,  # Wrong principal in request
    -1765328228: LocalError.NO_KDC_REACHABLE,  # Cannot contact any KDC for requested realm
    -1765328203: LocalError.NO_MATCHING_KEY,  # Key table entry not found
    -1765328189: LocalError.NO_CREDENTIALS_CACHE,  # No credentials cache found
    -1765328154: LocalError.NO_MATCHING_KEY_VERSION,  # Key version number for principal in key table is incorrect
    -1765328377: KrbError.KDC_ERR_S_PRINCIPAL_UNKNOWN,  # Server not found in Kerberos database
    -1765328371: KrbError.KDC_ERR_BADOPTION,  # KDC can't fulfill requested option
    -1765328343: KrbError.KRB_AP_ERR_MODIFIED,  # Message stream modified
}


@pytest.mark.parametrize(("number", "name"), KNOWN.items(), ids=KNOWN.values())
def test_a_code_has_its_protocol_name(number, name):
    assert name_of(number) == name


@pytest.mark.parametrize(("minor", "code"), SHOWN_BY_MIT.items(), ids=lambda each: getattr(each, "name", None))
def test_a_minor_status_leads_to_the_code_that_mit_means(minor, code):
    assert name_of(from_minor(minor)) == code.name


def test_every_code_has_one_name():
    numbers = [each.value for table in (KrbError, LocalError) for each in table]
    assert len(numbers) == len(set(numbers)) == len(KrbError.__members__) + len(LocalError.__members__)


@given(st.integers().filter(lambda number: number not in {*KrbError, *LocalError}))
def test_an_unknown_number_is_labelled_and_not_raised(number):
    assert name_of(number) == f"UNKNOWN ({number})"


@given(st.integers(0, 255))
def test_a_minor_status_is_read_signed_and_unsigned(offset):
    signed = MIT_ERROR_BASE + offset
    assert from_minor(signed) == from_minor(signed + (1 << 32)) == offset


def test_every_way_not_to_open_a_ticket_is_called_modified():
    assert set(ACCEPTOR_ALIASES.values()) == {KrbError.KRB_AP_ERR_MODIFIED}
    assert {LocalError.NO_MATCHING_KEY, LocalError.NO_MATCHING_KEY_VERSION} <= ACCEPTOR_ALIASES.keys()
