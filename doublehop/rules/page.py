"""A page that was reached: who its thread is, and who goes out of it."""

from doublehop.frontend import ImpersonateAs
from doublehop.rules import hop2
from doublehop.rules.asked import Asked
from doublehop.rules.carried import Caller, Leaving, identity_of, pool_account
from doublehop.rules.world import Place


def leaving(asked: Asked, place: Place, caller: Caller, act_as: str = "") -> Leaving:
    """Who goes out of a page that this caller reached; `act_as` is whom the page takes on by itself."""
    impersonate, pool = place.application.impersonate, pool_account(place)
    fixed = impersonate.userName if isinstance(impersonate, ImpersonateAs) else ""
    who = asked.decide(hop2.THREAD, {
        "acts as": bool(act_as), "impersonate": "fixed" if fixed else "caller" if impersonate else "no",
        "anonymous": not caller.user, "TGT": caller.has_tgt, "ticketless": caller.ticketless,
        "identity": identity_of(place.pool),
    })
    signed_in = {"the fixed account": fixed, "the caller": caller.user, "the pool's identity": pool}
    if who in signed_in:
        return Leaving(signed_in[who], signed_in[who], "TGT")
    match who:
        case "the named user, by S4U2Self":
            return _transition(asked, act_as, pool)
        case "the caller, by S4U2Self":
            made = _transition(asked, caller.user, caller.opened_by)
            return Leaving(caller.user, caller.user) if made.refused else made  # the page goes on without
        case "the caller, by S4U2Proxy":
            by = caller.opened_by
            return Leaving(caller.user, caller.user, "proxy", by, _evidence(asked, caller.user, by))
    return Leaving(act_as or ("IUSR" if impersonate else ""))


def _transition(asked: Asked, user: str, pool: str) -> Leaving:
    world = asked.world
    answer = asked.decide(hop2.SELF, {
        "has an SPN": bool(pool) and any(world.same(label, pool) for label, _ in world.registered()),
        "itself": bool(pool) and world.same(user, pool),
    })
    if answer != "issued":
        return Leaving(user, user, refused=answer)
    return Leaving(user, user, "proxy", pool, _evidence(asked, user, pool, made=True))


def _evidence(asked: Asked, user: str, asking: str, *, made: bool = False) -> str:
    whose, asker = asked.world.facts(user), asked.world.facts(asking)
    return asked.decide(hop2.EVIDENCE, {
        "sensitive": whose.account_not_delegated, "protected": whose.protected_user, "S4U2Self": made,
        "asker sensitive": asker.account_not_delegated,
        "trusted to authenticate": asker.trusted_to_auth_for_delegation,
        "empty list": not asker.allowed_to_delegate_to,
    })
