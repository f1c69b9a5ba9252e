"""What every request for a ticket has to pass, whoever sends it, and what seals a ticket."""

from doublehop.model import ClientProfile, Encryption, Principal, Role
from doublehop.rules import keys, standing
from doublehop.rules.asked import Asked
from doublehop.rules.world import World

TOLERANCE = 300
"""Seconds that clocks may differ (MS-KILE 3.3.5; row E-20)."""
STRENGTH = (Encryption.AES256, Encryption.AES128, Encryption.RC4)


def unheard(asked: Asked, machine: str, *, beyond: bool = False) -> str:
    """Why the KDC does not hear a request for a ticket from this machine, or nothing when it does.

    `beyond` says that the partner's KDC alone is asked, from which no machine can be cut off.
    """
    world = asked.world
    answer = asked.decide(standing.REACH, {
        "KDC reachable": beyond or reaches(world, machine), "clock": _near(world, machine)})
    return "" if answer == "heard" else answer


def reaches(world: World, machine: str) -> bool:
    """Whether a machine has a way to the domain controller."""
    return machine not in world.given.dc_unreachable_from


def hears(world: World, machine: str) -> bool:
    """Whether the KDC would hear anything from this machine."""
    return reaches(world, machine) and _near(world, machine)


def _near(world: World, machine: str) -> bool:
    return abs(world.clock(machine)) <= TOLERANCE


def seal(asked: Asked, owner: str) -> tuple[str, Encryption | None]:
    """Why there is no ticket for an account, or the type of the key that seals it."""
    facts = asked.world.facts(owner)
    answer = asked.decide(keys.SEAL, {"supported": _supported(facts), "AES keys": facts.aes_keys})
    return ("", Encryption(answer)) if answer in STRENGTH else (answer, None)


def session_key(asked: Asked, owner: str, client: ClientProfile) -> tuple[str, Encryption | None]:
    """Why a client gets no ticket for an account, or the type of the session key in it."""
    supported = set(asked.world.facts(owner).supported_encryption_types) or {Encryption.RC4, Encryption.AES256_SK}
    if Encryption.AES256_SK in supported:
        supported |= {Encryption.AES256, Encryption.AES128}
    common = [each.value for each in STRENGTH if each in supported & _allowed(client)]
    answer = asked.decide(keys.SESSION, {"common": common[0] if common else "none"})
    return ("", Encryption(answer)) if answer in STRENGTH else (answer, None)


def not_referred(asked: Asked, user: str, client: ClientProfile) -> str:
    """Why a user's own KDC does not lead a client on to the servers' KDC, or nothing when it does."""
    world = asked.world
    common = _allowed(client) & set(world.given.trust.supported_encryption_types)
    answer = asked.decide(keys.REFERRAL, {"trusted forest": world.beyond(user), "common": bool(common)})
    return "" if answer == "referred" else answer


def _allowed(client: ClientProfile) -> set[Encryption]:
    return set(client.encryption_types or STRENGTH)


def _supported(facts: Principal) -> str:
    if not facts.supported_encryption_types:
        return "unset"
    return next((each.value for each in STRENGTH if each in facts.supported_encryption_types), "none")


def holds_key(world: World, account: str, sealed: Encryption | None) -> bool:
    """Whether the machines that run an account hold its key of this type; machines and gMSAs have AES keys."""
    facts = world.facts(account)
    machine = account.rstrip("$") in world.scope.topology.machines
    held = Principal().keytab_encryption_types if machine or facts.managed else facts.keytab_encryption_types
    return sealed in held


def problem_of_holder(asked: Asked, account: str, *, s4u: bool) -> str:
    """Why the KDC does not take the account that asks, or nothing when it does."""
    answer = asked.decide(standing.HOLDER, {"state": asked.world.state(account), "S4U": s4u})
    return "" if answer == "taken" else answer


def problem_of_subject(asked: Asked, user: str, *, to_itself: bool) -> str:
    """Why the KDC gives nobody a ticket in this user's name, or nothing when it does."""
    answer = asked.decide(standing.SUBJECT, {"state": asked.world.state(user), "S4U2Self": to_itself})
    return "" if answer == "taken" else answer


def not_signed_in(asked: Asked, account: str, machine: str) -> str:
    """Why an account has no TGT on a machine, or nothing when it has one."""
    world = asked.world
    wanted = Encryption.AES256 if world.facts(account).aes_keys else Encryption.RC4
    answer = asked.decide(keys.SIGN_IN, {
        "key": holds_key(world, account, wanted),
        "KDC reachable": reaches(world, machine),
        "state": world.state(account)})
    return "" if answer == "yes" else answer


def untimely(asked: Asked, sender: str, server: str) -> str:
    """Why a server takes a ticket for one of another time, or nothing when it does not."""
    clock = asked.world.clock(server)
    answer = asked.decide(standing.TIME, {
        "ticket from the future": clock < -TOLERANCE,
        "clocks agree": abs(asked.world.clock(sender) - clock) <= TOLERANCE})
    return "" if answer == "near" else answer


def client(world: World) -> str:
    """The machine that browsers run on."""
    return world.scope.topology.only(Role.CLIENT)
