"""NTLM messages as far as the front end looks at them: their type, how they come, and whether they name anybody.

Nothing is believed for what it says here; this only chooses who reads a token, and refuses what is nobody's.
"""

NTLM_SIGNATURE = b"NTLMSSP\0"
RAW = "squid-2.5-ntlmssp"
SPNEGO = "gss-spnego"
"""The helper's names for bare NTLM messages and for those inside SPNEGO."""
NTLM_OID = bytes.fromhex("060a2b06010401823702020a")
KERBEROS_OIDS = (bytes.fromhex("06092a864886f712010202"), bytes.fromhex("06092a864882f712010202"))
NEGOTIATE_MESSAGE, AUTHENTICATE_MESSAGE = 1, 3
SHORTEST_AUTHENTICATE = 64


def protocol_of(token: bytes) -> str:
    """How a token carries NTLM: bare, or as the mechanism that SPNEGO proposes first; empty when it does not.

    This only chooses who reads the token; whatever it is, its reader checks it whole.
    """
    if token.startswith(NTLM_SIGNATURE):
        return RAW
    ntlm = token.find(NTLM_OID)
    kerberos = [each for each in (token.find(oid) for oid in KERBEROS_OIDS) if each >= 0]
    return SPNEGO if 0 <= ntlm < min(kerberos, default=len(token)) else ""


def is_first(token: bytes) -> bool:
    """Whether a token opens a handshake, which it may do at any time."""
    return kind_of(token) == NEGOTIATE_MESSAGE


def kind_of(token: bytes) -> int:
    """The type of the NTLM message in a token (MS-NLMP 2.2.1); 0 when there is none."""
    start = token.find(NTLM_SIGNATURE)
    if start < 0:
        return 0
    return int.from_bytes(token[start + 8 : start + 12], "little")


def is_anonymous(token: bytes) -> bool:
    """Whether an AUTHENTICATE_MESSAGE names nobody (MS-NLMP 3.2.5.1.2), or is too short to name anybody."""
    message = token[token.find(NTLM_SIGNATURE) :]
    return len(message) < SHORTEST_AUTHENTICATE or int.from_bytes(message[36:38], "little") == 0
