"""Finding the Kerberos token inside a SPNEGO one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doublehop.machine.iis.tokens import KERBEROS_AP_REQ, kerberos_token


def _der(tag, content):
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 + len(size)]) + size + content


def _ap_req(size):
    return _der(0x60, KERBEROS_AP_REQ + b"a" * size)


def _spnego(inner):
    return _der(0x60, bytes.fromhex("06062b0601050502") + _der(0xA0, _der(0x30, _der(0xA2, _der(0x04, inner)))))


@pytest.mark.parametrize("size", [0, 100, 115, 200, 300, 3000, 70_000])
def test_the_kerberos_token_is_found_at_any_size(size):
    assert kerberos_token(_spnego(_ap_req(size)) + b"after") == _ap_req(size)


def test_a_bare_kerberos_token_is_itself():
    assert kerberos_token(_ap_req(500)) == _ap_req(500)


@pytest.mark.parametrize("token", [
    b"", KERBEROS_AP_REQ, b"NTLMSSP\0", _spnego(b"other"), b"\x61\x10" + KERBEROS_AP_REQ,
])
def test_there_may_be_none(token):
    assert kerberos_token(token) == b""


@given(st.binary(max_size=300))
def test_no_bytes_make_it_fail(token):
    kerberos_token(token)
    kerberos_token(token + KERBEROS_AP_REQ)
