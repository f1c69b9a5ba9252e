"""What the front end reads of an NTLM message, and how a membership is written."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doublehop.machine.iis import ntlmssp
from doublehop.machine.iis.ntlmssp import RAW, SPNEGO, is_anonymous, is_first, kind_of, protocol_of
from doublehop.machine.member import DOM_SID_BYTES, dom_sid

NEGOTIATE = b"NTLMSSP\0" + struct.pack("<I", 1) + bytes(20)
KERBEROS, MS_KERBEROS = ntlmssp.KERBEROS_OIDS
START = bytes.fromhex("604806062b0601050502a03e303ca00e300c")


def _authenticate(user: bytes) -> bytes:
    """An AUTHENTICATE_MESSAGE with nothing in it but a user (MS-NLMP 2.2.1.3)."""
    def field(length: int, offset: int = 64) -> bytes:
        return struct.pack("<HHI", length, length, offset)

    return b"NTLMSSP\0" + struct.pack("<I", 3) + field(0) * 3 + field(len(user)) + field(0) * 2 + bytes(4) + user


TOKENS = {
    "bare": (NEGOTIATE, RAW),
    "NTLM alone in SPNEGO": (START + ntlmssp.NTLM_OID + NEGOTIATE, SPNEGO),
    "NTLM before Kerberos": (START + ntlmssp.NTLM_OID + KERBEROS, SPNEGO),
    "Kerberos before NTLM": (START + KERBEROS + ntlmssp.NTLM_OID, ""),
    "Microsoft's Kerberos before NTLM": (START + MS_KERBEROS + ntlmssp.NTLM_OID, ""),
    "Kerberos alone": (START + KERBEROS, ""),
    "nothing": (b"", ""),
}


@pytest.mark.parametrize(("token", "protocol"), TOKENS.values(), ids=TOKENS)
def test_how_a_token_carries_ntlm(token, protocol):
    assert protocol_of(token) == protocol


def test_the_first_message_may_come_at_any_time():
    assert is_first(NEGOTIATE)
    assert is_first(START + NEGOTIATE)
    assert not is_first(_authenticate(b"e\0"))


@pytest.mark.parametrize(("message", "anonymous"), [
    pytest.param(_authenticate(b"e\0v\0e\0"), False, id="a user"),
    pytest.param(_authenticate(b""), True, id="nobody"),
    pytest.param(_authenticate(b"e\0v\0e\0")[:40], True, id="too short to name anybody"),
    pytest.param(START + _authenticate(b""), True, id="nobody inside SPNEGO"),
])
def test_who_is_anonymous(message, anonymous):
    assert is_anonymous(message) == anonymous


@given(st.binary(max_size=200))
def test_no_bytes_are_too_strange_to_read(token):
    assert protocol_of(token) in {"", RAW, SPNEGO}
    assert kind_of(b"NTLMSSP\0" + token) >= 0
    assert is_anonymous(b"NTLMSSP\0" + token) in {True, False}


def test_a_sid_is_written_as_samba_keeps_it():
    packed = dom_sid("S-1-5-21-1-2-3")
    assert len(packed) == DOM_SID_BYTES
    assert packed.hex().startswith("0104" "000000000005" "15000000" "01000000" "02000000" "03000000")
    assert not any(packed[24:])
