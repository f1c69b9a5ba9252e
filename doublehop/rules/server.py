"""What a web server makes of a ticket, whoever sends it: a browser on hop 1, or another server behind it."""

from doublehop.frontend import FrontEnd, Provider
from doublehop.rules import hop1, hop2, kdc, sizes
from doublehop.rules.asked import Asked
from doublehop.rules.carried import Ticket, identity_of, pool_account
from doublehop.rules.world import Place


def is_served(asked: Asked, place: Place | None) -> bool:
    """Whether there is a site for the URL that led to this place."""
    return asked.decide(hop1.SITE, {"application": place is not None}) == "served"


def key_of(asked: Asked, place: Place) -> tuple[str, str]:
    """Whose logon session takes callers in: of the computer, the pool or nobody, and that account's label."""
    key = asked.decide(hop1.KEY, {
        "identity": identity_of(place.pool), "kernel mode": place.windows.useKernelMode,
        "app pool credentials": place.windows.useAppPoolCredentials,
    })
    return key, {"computer": place.machine, "pool": pool_account(place), "nobody": ""}[key]


def opens(asked: Asked, key: str, opener: str, ticket: Ticket) -> str:
    """Why a ticket does not open with this account's keys, or nothing when it does."""
    answer = asked.decide(hop1.OPEN, {
        "key": key, "same account": bool(opener) and asked.world.same(opener, ticket.owner),
        "type held": bool(opener) and kdc.holds_key(asked.world, opener, ticket.sealed),
        "old": asked.world.old_key(ticket.owner)})
    return "" if answer == "opened" else answer


def is_too_long(asked: Asked, place: Place, user: str, owner: str, *, forwarded: bool) -> bool:
    """Whether HTTP.sys refuses a request with a token of this user for an account before any site sees it."""
    config = asked.world.front_end(place.machine) or FrontEnd()
    size = sizes.estimate(asked.world.facts(user), asked.world.facts(owner), forwarded=forwarded)
    return asked.decide(sizes.FITS, sizes.facts(size, config.httpSys)) != "read"


def forwarded(asked: Asked, user: str, owner: str, *, machine: str, has_tgt: bool, looks: bool,
              asks: bool) -> bool:
    """Whether the TGT of whoever asks, from this machine, comes along; `looks` says that they honour ok-as-delegate.

    `asks` is whether they are set up to delegate to the site at all.
    """
    whose = asked.world.facts(user)
    return asked.decide(hop1.FORWARD, {
        "has TGT": has_tgt, "sensitive": whose.account_not_delegated, "protected": whose.protected_user,
        "owner trusted": asked.world.facts(owner).trusted_for_delegation, "client looks": looks, "asks": asks,
        "trusted forest": asked.world.beyond(user),
        "Credential Guard": machine in asked.world.given.credential_guard_on,
    }) == "forwarded"


def takes(asked: Asked, place: Place) -> str:
    """Why a page does not look at a ticket that another server sends it, or nothing when it does."""
    answer = asked.decide(hop2.TOKEN, {
        "windows": place.windows.enabled,
        "negotiate": any(each is not Provider.NTLM for each in place.windows.providers),
    })
    return "" if answer == "taken" else answer
