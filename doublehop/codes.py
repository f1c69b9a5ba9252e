"""The Kerberos error codes that a delegation fault shows, under their protocol names.

Names and numbers are RFC 4120 section 7.5.9; those a library maps differently say so in `ACCEPTOR_ALIASES`.
"""

from enum import IntEnum

MIT_ERROR_BASE = -1765328384
"""Start of MIT's `krb5` com_err table: minor status = base + protocol code for codes below 128."""


class KrbError(IntEnum):
    """A protocol error code; unknown numbers are labelled by `name_of`, never raised."""

    KDC_ERR_C_PRINCIPAL_UNKNOWN = 6
    KDC_ERR_S_PRINCIPAL_UNKNOWN = 7
    KDC_ERR_PRINCIPAL_NOT_UNIQUE = 8
    KDC_ERR_NULL_KEY = 9
    KDC_ERR_NEVER_VALID = 11
    KDC_ERR_POLICY = 12
    KDC_ERR_BADOPTION = 13
    KDC_ERR_ETYPE_NOSUPP = 14
    KDC_ERR_CLIENT_REVOKED = 18
    KDC_ERR_SERVICE_REVOKED = 19
    KDC_ERR_TGT_REVOKED = 20
    KDC_ERR_KEY_EXPIRED = 23
    KDC_ERR_PREAUTH_FAILED = 24
    KDC_ERR_PREAUTH_REQUIRED = 25
    KDC_ERR_SERVER_NOMATCH = 26
    KRB_AP_ERR_BAD_INTEGRITY = 31
    KRB_AP_ERR_TKT_EXPIRED = 32
    KRB_AP_ERR_TKT_NYV = 33
    KRB_AP_ERR_REPEAT = 34
    KRB_AP_ERR_NOT_US = 35
    KRB_AP_ERR_BADMATCH = 36
    KRB_AP_ERR_SKEW = 37
    KRB_AP_ERR_MODIFIED = 41
    KRB_AP_ERR_ILL_CR_TKT = 43  # of RFC 1510's time, and still told by KDCs
    KRB_AP_ERR_BADKEYVER = 44
    KRB_AP_ERR_NOKEY = 45
    KRB_ERR_GENERIC = 60


class LocalError(IntEnum):
    """Failures that never reached the wire, as offsets in MIT's com_err table."""

    KDC_KNOWS_NO_S4U = 16  # KDC_ERR_PADATA_TYPE_NOSUPP, which a client library raises by itself (MS-SFU 3.1.5.1)
    NO_KDC_REACHABLE = 156
    WRONG_PRINCIPAL = 144
    NO_MATCHING_KEY = 181  # KRB5_KT_NOTFOUND
    NO_MATCHING_KEY_VERSION = 230  # KRB5_KT_KVNONOTFOUND
    NO_CREDENTIALS_CACHE = 195  # KRB5_FCC_NOFILE
    TICKET_NOT_FOUND = 141  # KRB5_CC_NOTFOUND
    SIGN_IN_FAILED = 210  # KRB5_PREAUTH_FAILED: no key in the keytab that the KDC would take


NAMES: dict[int, str] = {each.value: each.name for table in (KrbError, LocalError) for each in table}

ACCEPTOR_ALIASES: dict[int, KrbError] = {
    KrbError.KRB_AP_ERR_BAD_INTEGRITY: KrbError.KRB_AP_ERR_MODIFIED,
    KrbError.KRB_AP_ERR_NOKEY: KrbError.KRB_AP_ERR_MODIFIED,
    KrbError.KRB_AP_ERR_BADKEYVER: KrbError.KRB_AP_ERR_MODIFIED,
    KrbError.KRB_AP_ERR_NOT_US: KrbError.KRB_AP_ERR_MODIFIED,
    LocalError.WRONG_PRINCIPAL: KrbError.KRB_AP_ERR_MODIFIED,
    LocalError.NO_MATCHING_KEY: KrbError.KRB_AP_ERR_MODIFIED,
    LocalError.NO_MATCHING_KEY_VERSION: KrbError.KRB_AP_ERR_MODIFIED,
}
"""What Windows calls a ticket that its key does not open (KB 558115): MIT tells several cases apart."""


def name_of(offset: int) -> str:
    """Name an error by its offset in the table, or label a number nobody has named."""
    return NAMES.get(offset, f"UNKNOWN ({offset})")


def labelled(name: str) -> str:
    """A protocol error with its number, as the field writes it: `KDC_ERR_BADOPTION (0xD)`; others as they are."""
    return f"{name} (0x{KrbError[name]:X})" if name in KrbError.__members__ else name


def from_minor(minor: int) -> int:
    """Turn a GSSAPI minor status of the krb5 mechanism into an offset in its error table.

    python-gssapi hands the 32 bits out unsigned, so both readings are accepted.
    """
    signed = minor - (1 << 32) if minor >= (1 << 31) else minor
    return signed - MIT_ERROR_BASE
