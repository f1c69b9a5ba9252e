"""A page that was reached: who its thread is, and who goes out of it."""

from doublehop.frontend import ImpersonateAs
from doublehop.rules import hop2, kdc
from doublehop.rules.asked import Asked
from doublehop.rules.carried import Caller, Leaving, identity_of, pool_account
from doublehop.rules.world import Place, World


def leaving(asked: Asked, place: Place, caller: Caller, act_as: str = "") -> Leaving:
    """Who goes out of a page that this caller reached; `act_as` is whom the page takes on by itself."""
    impersonate, pool = place.application.impersonate, pool_account(place)
    fixed = impersonate.userName if isinstance(impersonate, ImpersonateAs) else ""
    who = asked.decide(hop2.THREAD, {
        "acts as": bool(act_as), "impersonate": "fixed" if fixed else "caller" if impersonate else "no",
        "anonymous": not caller.user, "TGT": caller.has_tgt, "ticketless": caller.ticketless,
        "identity": identity_of(place.pool),
    })
    machine = place.machine
    signed_in = {"the fixed account": fixed, "the caller": caller.user}
    if who in signed_in:
        return Leaving(signed_in[who], machine, signed_in[who], "TGT")
    match who:
        case "the pool's identity":
            return Leaving(pool, machine, pool, "none" if kdc.not_signed_in(asked, pool, machine) else "TGT")
        case "the named user, by S4U2Self":
            return _transition(asked, act_as, pool, machine)
        case "the caller, by S4U2Self" | "the caller, by S4U2Proxy":
            made = _in_the_callers_name(asked, caller, machine)
            return Leaving(caller.user, machine, caller.user) if made.refused else made  # the page goes on without
    return Leaving(act_as or ("IUSR" if impersonate else ""), machine)


def _in_the_callers_name(asked: Asked, caller: Caller, machine: str) -> Leaving:
    """What the account that let the caller in shows the KDC: the ticket that was brought, or else one it asks for."""
    user, by = caller.user, caller.opened_by
    if caller.ticketless:
        return _transition(asked, user, by, machine)
    refused = kdc.not_signed_in(asked, by, machine)
    return Leaving(user, machine, user, "proxy", by, "" if refused else _evidence(asked, user, by), refused)


def _transition(asked: Asked, user: str, pool: str, machine: str) -> Leaving:
    """S4U2Self: an account asks for a ticket to itself in a user's name."""
    problem = _not_to_itself(asked, user, pool, machine)
    if problem:
        return Leaving(user, machine, user, refused=problem)
    return Leaving(user, machine, user, "proxy", pool, _evidence(asked, user, pool, made=True))


def _not_to_itself(asked: Asked, user: str, pool: str, machine: str) -> str:
    """Why an account gets no ticket to itself in a user's name, or nothing when it does."""
    problem = pool and (kdc.not_signed_in(asked, pool, machine) or kdc.unheard(asked, machine))
    if problem:
        return problem
    world = asked.world
    answer = asked.decide(hop2.SELF, {
        "a service": bool(pool) and _is_service(world, pool),
        "itself": bool(pool) and world.same(user, pool), "trusted forest": world.beyond(user),
    })
    if answer == "KDC_ERR_S_PRINCIPAL_UNKNOWN":
        return answer
    return (kdc.seal(asked, pool)[0] or kdc.problem_of_holder(asked, pool, s4u=True)
            or kdc.problem_of_subject(asked, user, to_itself=True) or ("" if answer == "issued" else answer))


def _is_service(world: World, account: str) -> bool:
    is_machine = account.rstrip("$") in world.scope.topology.machines or world.facts(account).managed
    return is_machine or any(world.same(label, account) for label, _ in world.registered())


def _evidence(asked: Asked, user: str, asking: str, *, made: bool = False) -> str:
    whose, asker = asked.world.facts(user), asked.world.facts(asking)
    return asked.decide(hop2.EVIDENCE, {
        "sensitive": whose.account_not_delegated, "protected": whose.protected_user, "S4U2Self": made,
        "asker sensitive": asker.account_not_delegated,
        "trusted to authenticate": asker.trusted_to_auth_for_delegation,
        "empty list": not asker.allowed_to_delegate_to,
    })
