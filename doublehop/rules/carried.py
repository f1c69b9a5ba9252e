"""What somebody carries from one hop to the next: who a server takes them for, and who goes out in whose name."""

from dataclasses import dataclass

from doublehop.frontend import Pool, PoolIdentity
from doublehop.model import Encryption
from doublehop.rules.world import Place


@dataclass(frozen=True, slots=True)
class Caller:
    """Who was authenticated by a server: with their TGT or not, by which account. `user` is empty for nobody.

    `ticketless` is a caller who came without any ticket of their own, as by NTLM.
    """

    user: str = ""
    has_tgt: bool = False
    opened_by: str = ""
    ticketless: bool = False


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket: the account whose key seals it, the type of that key, and where it matters the session key's."""

    owner: str
    sealed: Encryption | None
    session: Encryption | None = None


@dataclass(frozen=True, slots=True)
class Leaving:
    """Who goes out on the next hop: from where, as whom, on which credentials, and which account asks the KDC for them.

    `credentials` are `none`, `TGT` (of whoever goes out) or `proxy` (S4U2Proxy), for which `evidence` is shown.
    `refused` is why nobody could go out at all.
    """

    thread: str
    machine: str
    account: str = ""
    credentials: str = "none"
    asking: str = ""
    evidence: str = ""
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of a back end: whom it saw, or why it saw nobody."""

    account: str = ""
    problem: str = ""


def identity_of(pool: Pool) -> str:
    """What kind of account a pool is on the network."""
    if pool.identityType.is_machine:
        return "machine"
    return "domain account" if pool.identityType is PoolIdentity.SpecificUser else "LocalService"


def pool_account(place: Place) -> str:
    """The label of whoever a worker process is on the network; nothing for LocalService."""
    return {"machine": place.machine, "domain account": place.pool.userName, "LocalService": ""}[
        identity_of(place.pool)]
