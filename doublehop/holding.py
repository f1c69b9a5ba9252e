"""What an environment that already stands holds, from what was seen there and what its inventory states. Pure.

It ends in the form of `facts`, so that a scenario's given can be held against it; and it says what of a verdict rests
on hops that cannot be seen into from outside.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from doublehop import facts
from doublehop.directory import ENCRYPTION_BITS, FLAGS, NO_RECORD
from doublehop.facts import Facts, Held, Key, account
from doublehop.inventory import Inventory, accounts
from doublehop.model import (
    ClientSaw,
    Difference,
    KdcLine,
    Principal,
    Request,
    Scenario,
    Scheme,
    Verdict,
    VerdictKind,
)
from doublehop.rules.world import Place, World, url_at
from doublehop.scope import PLACEHOLDER, Scope, scope_of
from doublehop.topology import Topology
from doublehop.verdict import TOKENS

Look = Mapping[str, Any]
"""What a visitor tells of names or accounts, by their real names."""
GIVEN_BY_NOBODY = ("nothing", "never asked")
"""How the verdict shows what was not to be seen."""
REFUSED = "HTTP_401"
REASONS = ("KRB_AP_ERR_", "SEC_E_", "STATUS_")
"""How the names of a web server's own reasons for a 401 begin."""
OK_AS_DELEGATE = "ok_as_delegate"
UNAUTHORIZED = 401
SAID_BY_PAGES = ("scheme", "mechanism", "user", "level", "thread", "pool")
SAID_OF_BACK_ENDS = ({"identity", "login", "scheme", "encrypted"}, {"error", "native"})


def unnamed(scenario: Scenario, inventory: Inventory, lab: Topology) -> list[str]:
    """What the scenario speaks of and the inventory does not, in sentences."""
    given, text = scenario.given, repr((scenario.given, scenario.when))
    own = scope_of(scenario.id, given, lab)
    machines = {*facts.computers(scenario, own), *(
        each.partition(".")[0] for each in PLACEHOLDER.findall(text) if each.partition(".")[0] in lab.machines)}
    told = [f"the inventory has no names.{each}" for each in given.names if each not in inventory.names]
    told += [f"the inventory has no accounts.{each}" for each in {**given.users, **given.accounts}
             if each not in inventory.accounts]
    told += [f"the inventory has no machines.{each}" for each in sorted(machines) if each not in inventory.machines]
    told += [f"the scenario names an address of the lab's, {each.address}" for each in lab.machines.values()
             if str(each.address) in text]
    told += [f"the inventory has no machines.{name}.address" for name, entry in sorted(inventory.machines.items())
             if f"{{{name}.address}}" in text and not int(entry.address)]
    if isinstance(scenario.when, Request):
        host = url_at(scenario.when.get).host
        told += [] if PLACEHOLDER.search(host) else [f"the scenario asks for {host!r}, which no inventory can name"]
        told += [f"accounts.{each} is not of the role `user`, so nobody can sign in as {each}"
                 for each in {scenario.when.user, scenario.when.after} - {""}
                 if each in inventory.accounts and inventory.accounts[each].role != "user"]
        told += [f"the inventory has no back_ends.{facts.SQL}" for _ in range(1)
                 if facts.asks_sql(scenario) and facts.SQL not in inventory.back_ends]
    return told


def stated(scenario: Scenario, inventory: Inventory, scope: Scope) -> dict[Key, Held]:
    """What the inventory says by itself."""
    held: dict[Key, Held] = {}

    def say(found: Facts) -> None:
        held.update({key: Held(value, seen=False) for key, value in found.items()})

    names = {**dict.fromkeys(inventory.names, ""), **scenario.given.names}
    everything = replace(scope, given=replace(scenario.given, names=names))  # for sites that this scenario has not
    sql = inventory.back_ends.get(facts.SQL)
    for label, entry in inventory.accounts.items():
        say({(account(label), "aes_keys"): entry.aes_keys,
             (account(label), "keytab_encryption_types"): frozenset(entry.keytab_encryption_types)})
    if sql:
        say({(account(label), facts.SQL_LOGIN): label in sql.logins
             for label in {**inventory.accounts, **inventory.machines}})
    own = facts.hosts(scenario, scope)
    for name, config in inventory.front_ends.items():
        if name in facts.configured(scenario, scope):
            say({key: value for key, value in facts.configuration(name, config, everything).items()
                 if any(facts.takes(config, host, everything) for host in own)})
    say({(f"back end {name}", "page"): everything.fill(entry.page) for name, entry in inventory.back_ends.items()
         if entry.page})
    if inventory.domain.restrict_ntlm_in_this_domain is not None:
        say({("the domain", "restrict_ntlm_in_this_domain"): str(inventory.domain.restrict_ntlm_in_this_domain)})
    if not inventory.domain.ldap:
        say(_of_unread_directory(scenario, inventory, scope))
    return held


def _of_unread_directory(scenario: Scenario, inventory: Inventory, scope: Scope) -> Facts:
    """What accounts say of themselves where no directory does; machines are then what they are in every domain."""
    given, found = scenario.given, Facts()
    said = {label: entry.stated for label, entry in inventory.accounts.items() if entry.stated is not None}
    for label, each in said.items():
        found |= facts.principal(label, each, scope, user=label in given.users)
    for label in facts.computers(scenario, scope):
        found |= facts.computer(label, Principal(), scope)
    as_said = replace(given, users={}, accounts=said, computers={}, duplicate_spns={})
    return found | facts.owners(World(replace(scope, given=as_said)), facts.hosts(scenario, scope))


def seen(scenario: Scenario, inventory: Inventory, scope: Scope, names: Look,
         directory: Look | None) -> dict[Key, Held]:
    """What was seen of names and, where it was read, of the directory."""
    held = {(f"DNS name {scope.host(label)}", "record"): Held(_record(label, text, scope, names), seen=True)
            for label, text in scenario.given.names.items()}
    if directory is None:
        return held
    labels = {real.lower(): label for label, real in accounts(inventory).items()}

    def named(real: Sequence[str]) -> frozenset[str]:
        return frozenset(labels.get(each.lower(), each) for each in real)

    wants = facts.wanted(scenario, scope)
    everybody = {**scenario.given.users, **scenario.given.accounts, **facts.computers(scenario, scope)}
    for label in everybody:
        entry = directory["accounts"].get(scope.account(label))
        found = {facts.IN_DIRECTORY: entry is not None} if entry is None else _of_entry(entry, named)
        held |= {(account(label), name): Held(value, seen=True) for name, value in found.items()}
        spns = {each.lower() for each in (entry or {}).get("spns", ())}
        held |= {key: Held(key[1].removeprefix("SPN ").lower() in spns, seen=True) for key in wants
                 if key[0] == account(label) and key[1].startswith("SPN ") and entry is not None}
    own = facts.hosts(scenario, scope)
    owners: dict[str, frozenset[str]] = {}
    for spn, holders in directory["spns"].items():
        if facts.of_interest(spn, own):
            owners[spn.lower()] = owners.get(spn.lower(), frozenset()) | named(holders)
    return held | {(f"SPN {spn}", facts.OWNER): Held(who, seen=True) for spn, who in owners.items()}


def _of_entry(entry: Look, named: Any) -> dict[str, facts.Value]:
    """An account's facts out of its attributes; a control that is hidden hides the rest of them too."""
    if entry["control"] is None:
        return {facts.IN_DIRECTORY: True}
    bits = entry["encryption"] or 0
    return {
        facts.IN_DIRECTORY: True,
        **{name: bool(entry["control"] & bit) for name, bit in FLAGS.items()},
        "spns": frozenset(entry["spns"]),
        "allowed_to_delegate_to": frozenset(entry["delegates"]),
        "principals_allowed_to_delegate_to_account": named(entry["act"]),
        "principals_allowed_to_retrieve_managed_password": named(entry["retrieve"]),
        "protected_user": entry["protected"],
        "groups": entry["groups"],
        "domain_local_groups": entry["local_groups"],
        "supported_encryption_types": frozenset(
            name for name, each in ENCRYPTION_BITS.items() if bits & each == each),
    }


def _record(label: str, text: str, scope: Scope, names: Look) -> str:
    """What the DNS has for a name, in a scenario's words; the target that the scenario gives goes before others."""
    host = scope.host(label)
    found = names.get(host)
    if found is None:
        return NO_RECORD
    kind, _, target = text.partition(" ")
    if found["canonical"].lower() == host.lower():
        for machine in (*((target,) if kind == "A" else ()), *scope.topology.machines):
            there = names.get(scope.host(machine)) or {"addresses": ()}
            if set(there["addresses"]) & set(found["addresses"]):
                return f"A {machine}"
        return f"A {' '.join(found['addresses'])}"
    leads = names.get(scope.host(target)) if kind == "CNAME" else None
    if leads is not None and leads["canonical"].lower() == found["canonical"].lower():
        return text
    return f"CNAME {found['canonical']}"


def lookups(scenario: Scenario, scope: Scope) -> list[str]:
    """The names whose records have to be seen, and those of the machines that they may lead to."""
    given = scenario.given
    targets = [text.partition(" ")[2] for text in given.names.values() if text != NO_RECORD]
    return sorted({scope.host(each) for each in (*given.names, *targets, *scope.topology.named.hosts)
                   if each in given.names or each in scope.topology.machines})


def place(scenario: Scenario, lab: Topology) -> Place | None:
    """The application that the scenario's page is; found with the lab's own names, which mean the same."""
    if not isinstance(scenario.when, Request):
        return None
    own = scope_of(scenario.id, scenario.given, lab)
    return World(own).place(url_at(own.fill(scenario.when.get)))


def offers_contradict(where: Place | None, told: Look, url: str) -> str:
    """Whether a page asks for other proofs than the inventory states, in a sentence."""
    if where is None or where.proxy:
        return ""
    schemes = [each.partition(":")[0] for each in where.windows.providers] if where.windows.enabled else []
    schemes += ["Basic"] if where.basic.enabled else []
    if where.anonymous.enabled:
        refused = f"{url} lets nobody in without proof, the inventory states that it does"
        return refused if told["status"] == UNAUTHORIZED else ""
    if sorted({each.lower() for each in schemes}) != sorted({each.lower() for each in told["schemes"]}):
        offered = ", ".join(told["schemes"]) or f"nothing (HTTP {told['status']})"
        return f"{url} offers {offered}, the inventory states {', '.join(schemes) or 'nothing'}"
    return ""


def not_the_contract(body: str) -> str:
    """Why an answer is not `/whoami` as lab/contract/whoami.schema.json has it, in a few words; nothing if it is."""
    try:
        page = json.loads(body)
    except ValueError:
        return "it is no JSON"
    if not isinstance(page, dict):
        return "it is no object"
    for name in SAID_BY_PAGES:
        if not isinstance(page.get(name), str):
            return f"it has no text {name!r}"
    back_ends = page.get("back_ends")
    if not isinstance(back_ends, dict) or not all(isinstance(each, dict) for each in back_ends.values()):
        return "it has no back_ends"
    for name, each in back_ends.items():
        if each.keys() not in SAID_OF_BACK_ENDS:
            return f"what it says of the back end {name} is neither an identity nor an error"
    return ""


def page_contradicts(where: Place | None, page: Mapping[str, Any], scope: Scope) -> str:
    """Whether the page says that it runs as somebody else than the inventory states, in a sentence."""
    if where is None or not page:
        return ""
    pool = where.pool.userName or (f"{where.machine}$" if where.pool.identityType.is_machine else "")
    says = scope.label(page["pool"]) if page["pool"] else ""
    told = {pool.lower(), pool.removesuffix("$").lower()} if pool in scope.given.accounts else {pool.lower()}
    return "" if says.lower() in told else (
        f"the page says that its pool runs as {page['pool'] or 'nobody'}, the inventory states {pool or 'nobody'}")


def ticket_contradicts(client: ClientSaw, where: Place | None, inventory: Inventory) -> str:
    """Whether the KDC marks the page's ticket otherwise than is stated of the account it is for."""
    if inventory.domain.ldap or where is None or not client.ticket_flags or not where.pool.userName:
        return ""
    said = inventory.accounts[where.pool.userName].stated or Principal()
    if said.trusted_for_delegation == (OK_AS_DELEGATE in client.ticket_flags):
        return ""
    marked = "not " if said.trusted_for_delegation else ""
    return (f"the ticket for {client.spn} is {marked}{OK_AS_DELEGATE}, the inventory states otherwise "
            f"({account(where.pool.userName)}: trusted_for_delegation)")


def as_the_client_knows(client: ClientSaw, principal: str) -> tuple[KdcLine, ...]:
    """The KDC's answer for hop 1 as the client got it, where no log tells it: a ticket in its cache, or an error."""
    if not client.spn or not (client.session_key or client.error):
        return ()
    return (KdcLine(kind="TGS", client=principal.partition("@")[0], service=client.spn, error=client.error,
                    text="the client's own account of it"),)


def within_sight(verdict: Verdict, *, kdc_log: bool, active_directory: bool) -> tuple[Verdict, list[str]]:
    """The verdict without what nobody could see from here, and what that is.

    Only what was not seen at all is set aside: a hop that was seen and differs still differs. A token's size tells
    Kerberos only of a KDC that writes groups into its tickets, which another than Active Directory's need not.
    """
    unseen = [each for each in verdict.differences
              if (each.observed in GIVEN_BY_NOBODY and _hidden(each, kdc_log=kdc_log)) or _is_reason(each)
              or (not active_directory and _is_size(each))]
    left = tuple(each for each in verdict.differences if each not in unseen)
    kind = VerdictKind.DISAGREED if left else VerdictKind.AGREED
    return replace(verdict, kind=kind, differences=left), [
        f"{each.hop}: {each.field}, expected {each.expected}" for each in unseen]


def _hidden(difference: Difference, *, kdc_log: bool) -> bool:
    """Whether a difference is in what only the KDC's or the front end's own log tells."""
    return (difference.hop == "KDC" and not kdc_log) or (difference.hop, difference.field) == ("front end", "error")


def _is_reason(difference: Difference) -> bool:
    """Whether a page among the back ends refused as it should, for a reason that only its own log tells."""
    return difference.field == "error" and difference.observed == REFUSED and difference.expected.startswith(REASONS)


def _is_size(difference: Difference) -> bool:
    """Whether a token begins as Kerberos does and is only too short for the rule of thumb (row E-23)."""
    return (difference.hop, difference.field, difference.expected) == ("client", "token", Scheme.KERBEROS) and (
        difference.observed.startswith(TOKENS[Scheme.KERBEROS][0]))


def told(taken: Sequence[str], unseen: Sequence[str]) -> Iterator[str]:
    """What a result rests on beside what was seen."""
    if taken:
        yield f"taken from the inventory: {'; '.join(taken)}"
    if unseen:
        yield f"not seen here: {'; '.join(unseen)}"


