"""Tokens as clients send them, with the mechanism and the scheme that both pages of ASP.NET have to take them for."""

import spnego

SPNEGO, KERBEROS = bytes.fromhex("2b0601050502"), bytes.fromhex("2a864886f712010202")


def _framed(mechanism: bytes, rest: bytes) -> bytes:
    """A token with its framing (RFC 2743 section 3.1), short enough for lengths of one byte."""
    content = bytes([0x06, len(mechanism)]) + mechanism + rest
    return bytes([0x60, len(content)]) + content


def _offering(mechanism: bytes, inner: bytes) -> bytes:
    """What SPNEGO begins with: one mechanism, and its own first token (RFC 4178 section 4.2.1)."""
    offered = bytes([0x06, len(mechanism)]) + mechanism
    kinds = bytes([0xA0, len(offered) + 2, 0x30, len(offered)]) + offered
    first = bytes([0xA2, len(inner) + 2, 0x04, len(inner)]) + inner
    both = kinds + first
    return _framed(SPNEGO, bytes([0xA0, len(both) + 2, 0x30, len(both)]) + both)


TICKET = _framed(KERBEROS, b"\x01\x00" + b"AP-REQ")
NTLM = spnego.client("u", "p", hostname="h", protocol="ntlm").step() or b""
WRAPPED = spnego.client("u", "p", hostname="h", protocol="negotiate",
                        options=spnego.NegotiateOptions.use_negotiate).step() or b""
TOLD = {TICKET: "Kerberos Kerberos", _offering(KERBEROS, TICKET): "SPNEGO Kerberos", NTLM: "NTLM NTLM",
        WRAPPED: "SPNEGO NTLM"}
