"""Looks into Negotiate tokens as bytes, where the Kerberos library tells too little. Pure."""

KERBEROS_AP_REQ = bytes.fromhex("06092a864886f712010202") + b"\x01\x00"
"""The mechanism and the token id that a Kerberos AP-REQ begins with (RFC 4121 section 4.1)."""
APPLICATION_0 = 0x60
LONG_LENGTH = 0x80


def kerberos_token(token: bytes) -> bytes:
    """The AP-REQ token inside a SPNEGO token (RFC 4178 section 4.2.1); empty when there is none."""
    at = token.find(KERBEROS_AP_REQ)
    for width in range(4):  # how many bytes of DER length follow the first
        start = at - 2 - width
        if at < 0 or start < 0 or token[start] != APPLICATION_0:
            continue
        first, rest = token[start + 1], token[start + 2 : at]
        if (width == 0 and first < LONG_LENGTH) or (width and first == LONG_LENGTH + width):
            length = int.from_bytes(rest, "big") if width else first
            return token[start : at + length]
    return b""
