"""How large a token gets with its user's groups, and what HTTP.sys makes of it.

Sizes are Microsoft's published estimate (row B-27), a little on the safe side; whether a token really fits is known
only away from the limit.
"""

from doublehop.frontend import HttpSys
from doublehop.model import Encryption, Principal
from doublehop.rules.table import Rule, Table

BASE, WHOLE_SID, SHORT_SID = 1200, 40, 8
HEAD = 200
"""What the published values of MaxFieldLength and MaxRequestBytes leave for all that is no token."""

FITS = Table(
    name="fits", question="Does HTTP.sys read a request with this token?",
    facts={
        "field": "the estimate of 4/3 (1200 + 40 d + 8 s) + 200 bytes, with a forwarded TGT beside it that has no "
                 "local groups, is within MaxFieldLength; d are SIDs written in full, s the others",
        "request": "it is within MaxRequestBytes",
    },
    rules=(
        Rule(id="fits.field-too-long", when={"field": False}, then="400",
             why="The token is one header field, and that has a limit of its own.", sources=("B-26", "B-27")),
        Rule(id="fits.request-too-long", when={"request": False}, then="400",
             why="The request's head as a whole is too long.", sources=("B-26", "B-27")),
        Rule(id="fits.read", then="read",
             why="There is room for the token.", sources=("B-26", "B-27")),
    ),
)

TABLES = (FITS,)


def estimate(user: Principal, service: Principal, *, forwarded: bool) -> int:
    """The bytes of a token for a service, coded in base64, with what else is in the head."""
    whole = Encryption.RESOURCE_SID_COMPRESSION_DISABLED in service.supported_encryption_types
    local = user.domain_local_groups * (WHOLE_SID if whole else SHORT_SID)
    tgt = BASE + user.groups * SHORT_SID  # local groups are a service ticket's alone
    return (tgt + local + (tgt if forwarded else 0)) * 4 // 3 + HEAD


def facts(size: int, limits: HttpSys) -> dict[str, bool]:
    """What FITS asks."""
    return {"field": size <= limits.MaxFieldLength, "request": size <= limits.MaxRequestBytes}
