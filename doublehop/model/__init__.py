"""What a scenario says and what a run of it saw, as frozen records and closed sets.

Nothing here decides anything: records are read by the pure layer and filled by the effects.
"""

from doublehop.model.given import AfterSignIn, Domain, Encryption, Given, Principal, Proxy, RestrictNtlm, Trust
from doublehop.model.lab import OF_FRONT_ENDS, Need, Role
from doublehop.model.scenario import (
    ClientProfile,
    Expect,
    Level,
    Program,
    Registration,
    Request,
    Right,
    Scenario,
    Scheme,
    When,
    Zone,
)
from doublehop.model.seen import (
    BackEndSaw,
    ClientSaw,
    Difference,
    FrontEndSaw,
    KdcLine,
    Logged,
    Observation,
    Result,
    Verdict,
    VerdictKind,
)

__all__ = [
    "OF_FRONT_ENDS", "AfterSignIn", "BackEndSaw", "ClientProfile", "ClientSaw", "Difference", "Domain",
    "Encryption", "Expect", "FrontEndSaw", "Given", "KdcLine", "Level", "Logged", "Need", "Observation",
    "Principal", "Program", "Proxy", "Registration", "Request", "RestrictNtlm", "Result", "Right", "Role",
    "Scenario", "Scheme", "Trust", "Verdict", "VerdictKind", "When", "Zone",
]
