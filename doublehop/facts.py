"""What a scenario gives as single facts, and how those of an environment that already stands differ. Pure.

A fact is about something, has a name and a value. What a scenario wants and what an environment holds are brought into
the same form; holding is being equal, fact by fact. A fact that was neither seen nor stated does not hold.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from doublehop.frontend import FrontEnd, ImpersonateAs, parse_binding
from doublehop.model import Domain, Given, Need, Principal, Request, RestrictNtlm, Role, Scenario
from doublehop.rules.world import World
from doublehop.scope import Scope, web_servers

Value = bool | int | str | frozenset[str]
Key = tuple[str, str]
Facts = dict[Key, Value]


@dataclass(frozen=True, slots=True)
class Held:
    """What an environment has to say of a fact: its value, and whether that was seen or only stated."""

    value: Value
    seen: bool


IN_DIRECTORY = "is in the directory"
OWNER = "is held by"
SQL_LOGIN = "sql_login"
SQL = "sql"
SERVICES = ("http", "host", "mssqlsvc")
"""The classes of SPNs that decide who is asked, at the front end and at the database."""

BY_DIRECTORY = {
    "spns", "trusted_for_delegation", "trusted_to_auth_for_delegation", "account_not_delegated",
    "allowed_to_delegate_to", "principals_allowed_to_delegate_to_account", "protected_user", "groups",
    "domain_local_groups", "supported_encryption_types", "principals_allowed_to_retrieve_managed_password",
}
"""Facts about an account that a directory tells whoever may read it."""
BY_STATEMENT = {"aes_keys", "keytab_encryption_types", SQL_LOGIN}
"""Those that only the people who run the environment can tell."""
ELSEWHERE = {"without_spns": "what the computer's `spns` come to", "domain": "the need `trust`",
             "full_control": "attempts to write, which are never made here"}
"""Those that are no facts of their own here, and what they are part of instead."""
OF_COMPUTERS = ("trusted_for_delegation", "trusted_to_auth_for_delegation", "account_not_delegated",
                "allowed_to_delegate_to", "principals_allowed_to_delegate_to_account", "protected_user")
UNUSUAL = {"supported_encryption_types", "groups", "domain_local_groups"}
"""What counts of a computer, and the types also of a user, only where a scenario departs from the usual."""


def account(label: str) -> str:
    """How an account is called in a fact."""
    return f"account {label}"


def front_end(machine: str, what: str) -> str:
    """How a part of a web server's configuration is called in a fact."""
    return f"front end {machine}, {what}"


def wanted(scenario: Scenario, scope: Scope) -> Facts:
    """Everything that a scenario gives."""
    given = scenario.given
    return {
        **{(f"DNS name {scope.host(label)}", "record"): text for label, text in given.names.items()},
        **_accounts(scenario, scope),
        **owners(World(scope), hosts(scenario, scope)),
        **{key: value for name in configured(scenario, scope)
           for key, value in configuration(name, given.front_ends.get(name, FrontEnd()), scope).items()},
        **{(f"back end {name}", "page"): scope.page(name) for name in given.back_ends},
        **{(f"reverse proxy on {name}", "configuration"): repr(each) for name, each in given.proxies.items()},
        **_ntlm(scenario),
    }


def servers(scenario: Scenario, scope: Scope) -> list[str]:
    """The web servers that the scenario has to do with."""
    return web_servers(scenario.given, scenario.when, scope.topology)


def configured(scenario: Scenario, scope: Scope) -> list[str]:
    """Those of them whose own configuration matters: that is given, or somebody may come there."""
    given = scenario.given
    ways = repr((given.names, given.back_ends, given.proxies, scenario.when))
    return [each for each in servers(scenario, scope) if each in given.front_ends or each in ways]


def asks_sql(scenario: Scenario) -> bool:
    """Whether a page is to ask the database."""
    when = scenario.when
    return isinstance(when, Request) and any(each.rpartition(".")[2] == SQL for each in when.back_ends)


def computers(scenario: Scenario, scope: Scope) -> dict[str, Principal]:
    """The machines whose own accounts matter: those that the scenario speaks of, and those that it asks."""
    asked = [*servers(scenario, scope), *([scope.topology.only(Role.BACK_END)] if asks_sql(scenario) else [])]
    return {**dict.fromkeys(asked, Principal()), **scenario.given.computers}


def hosts(scenario: Scenario, scope: Scope) -> list[str]:
    """The hosts whose SPNs matter."""
    return sorted({*map(scope.host, scenario.given.names), *map(scope.host, computers(scenario, scope))})


def _accounts(scenario: Scenario, scope: Scope) -> Facts:
    given, found = scenario.given, Facts()
    for label, facts in {**given.users, **given.accounts}.items():
        held = replace(facts, spns=(*facts.spns, *filter(None, [given.duplicate_spns.get(label)])))
        found |= principal(label, held, scope, user=label in given.users)
        found[account(label), "aes_keys"] = facts.aes_keys
        if label in given.accounts:
            found[account(label), "keytab_encryption_types"] = frozenset(facts.keytab_encryption_types)
    for label, facts in computers(scenario, scope).items():
        found |= computer(label, facts, scope)
    if asks_sql(scenario):
        everybody = {**given.users, **given.accounts, **dict.fromkeys(servers(scenario, scope), Principal()),
                     **given.computers}
        found |= {(account(label), SQL_LOGIN): facts.sql_login for label, facts in everybody.items()}
    return found


def principal(label: str, facts: Principal, scope: Scope, *, user: bool) -> Facts:
    """What a directory holds of an account with these facts."""
    found: Facts = {(account(label), IN_DIRECTORY): True}
    for name in sorted(BY_DIRECTORY):
        # No ticket is ever for a user without SPNs, so what such an account supports decides nothing.
        unusual = getattr(facts, name) != getattr(Principal(), name) or bool(facts.spns)
        if name != "supported_encryption_types" or not user or unusual:
            found[account(label), name] = _value(name, facts, scope)
    return found


def computer(label: str, facts: Principal, scope: Scope) -> Facts:
    """What a directory holds of a machine's account; of its SPNs only those that the scenario speaks of."""
    found: Facts = {(account(label), IN_DIRECTORY): True}
    found |= {(account(label), name): _value(name, facts, scope) for name in OF_COMPUTERS}
    found |= {(account(label), name): _value(name, facts, scope) for name in sorted(UNUSUAL)
              if getattr(facts, name) != getattr(Principal(), name)}
    found |= {(account(label), f"SPN {scope.fill(each)}"): True for each in facts.spns}
    found |= {(account(label), f"SPN {scope.fill(each)}"): False for each in facts.without_spns}
    return found


def _value(name: str, facts: Principal, scope: Scope) -> Value:
    value = getattr(facts, name)
    if isinstance(value, bool | int):
        return value
    if name.startswith("principals_"):
        return frozenset(each.rstrip("$") for each in value)
    return frozenset(scope.fill(each) for each in value)


def owners(world: World, among: list[str]) -> Facts:
    """Who holds each SPN of these hosts, as the scenario has it."""
    found: dict[str, set[str]] = {}
    for label, spn in world.registered():
        if of_interest(spn, among):
            found.setdefault(spn, set()).add(label)
    return {(f"SPN {spn}", OWNER): frozenset(labels) for spn, labels in found.items()}


def of_interest(spn: str, among: list[str]) -> bool:
    """Whether an SPN is of one of these hosts and of a class that decides who is asked."""
    service, _, rest = spn.lower().partition("/")
    return service in SERVICES and rest.partition(":")[0] in {each.lower() for each in among}


def configuration(machine: str, config: FrontEnd, scope: Scope) -> Facts:
    """A web server's configuration: each site by what it is bound to, since its own name decides nothing."""
    found: Facts = {(front_end(machine, "HTTP.sys"), each.name): getattr(config.httpSys, each.name)
                    for each in fields(config.httpSys)}
    for site in config.sites.values():
        bound = ", ".join(sorted(map(scope.fill, site.bindings)))
        for path, application in site.applications.items():
            about = front_end(machine, f"{bound}, {path or '/'}")
            pool = config.applicationPools[application.applicationPool]
            windows = application.windowsAuthentication or site.windowsAuthentication
            as_whom = application.impersonate
            found |= {
                (about, "identityType"): str(pool.identityType), (about, "userName"): pool.userName,
                (about, "impersonate"): as_whom.userName if isinstance(as_whom, ImpersonateAs) else as_whom,
                (about, "anonymousAuthentication"):
                    (application.anonymousAuthentication or site.anonymousAuthentication).enabled,
            }
            basic = application.basicAuthentication or site.basicAuthentication
            found[about, "basicAuthentication"] = str(basic.logonMethod) if basic.enabled else False
            found[about, "providers"] = " ".join(windows.providers) if windows.enabled else ""
            found[about, "tokenChecking"] = str(windows.extendedProtection.tokenChecking)
            found |= {(about, name): getattr(windows, name) for name in (
                "useKernelMode", "useAppPoolCredentials", "authPersistNonNTLM", "authPersistSingleRequest")}
    return found


def takes(config: FrontEnd, host: str, scope: Scope) -> bool:
    """Whether some site of a web server would take requests for this host."""
    return any(parse_binding(scope.fill(text)).host in {"", host.lower()}
               for site in config.sites.values() for text in site.bindings)


def _ntlm(scenario: Scenario) -> Facts:
    policy = scenario.given.restrict_ntlm_in_this_domain
    if Need.NTLM in scenario.needs or policy is not RestrictNtlm.DISABLE:
        return {("the domain", "restrict_ntlm_in_this_domain"): str(policy)}
    return {}


def differences(wants: Mapping[Key, Value], held: Mapping[Key, Held]) -> list[str]:
    """Each fact that differs, in a sentence; nothing when the scenario's given holds.

    SPNs and sites that are there and that the scenario does not give are differences too.
    """
    absent = {about for (about, name), each in held.items() if name == IN_DIRECTORY and each.value is False}
    told = [f"{each} is not to be seen in the directory" for each in sorted(absent & {about for about, _ in wants})]
    for key in [*wants, *(each for each in held if each not in wants and (each[1] == OWNER or _is_site(each)))]:
        about, name = key
        if about in absent:
            continue
        if key not in held and name != OWNER:
            told.append(f"{about}: {name} is neither seen nor stated, the scenario gives {shown(wants[key])}")
        elif key not in wants and name != OWNER:
            if about not in {each for each, _ in wants} and name == "identityType":
                told.append(f"{about}: the inventory states this site, the scenario gives none")
        else:
            nobody: frozenset[str] = frozenset()
            has, wants_it = held.get(key, Held(nobody, seen=True)).value, wants.get(key, nobody)
            if has != wants_it:
                told.append(_told(about, name, has, wants_it, stated=key in held and not held[key].seen))
    return told


def _is_site(key: Key) -> bool:
    return key[0].startswith("front end ")


def _told(about: str, name: str, has: Value, wants_it: Value, *, stated: bool) -> str:
    if name == OWNER:
        return (f"{about} is on {shown(has, nothing='no account')}, "
                f"the scenario gives it to {shown(wants_it, nothing='nobody')}")
    source = " by the inventory" if stated else ""
    return f"{about}: {name} is {shown(has)}{source}, the scenario gives {shown(wants_it)}"


def shown(value: Value, nothing: str = "nothing") -> str:
    """A fact's value in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (", ".join(sorted(value)) if isinstance(value, frozenset) else str(value)) or nothing


def taken(wants: Mapping[Key, Value], held: Mapping[Key, Held]) -> list[str]:
    """What of this scenario's facts was not seen but taken from the inventory, a line for each thing."""
    found: dict[str, list[str]] = {}
    for about, name in wants:
        if (about, name) in held and not held[about, name].seen:
            found.setdefault(about, []).append(name)
    counts = Counter(about for about, _ in wants)
    return [about if len(names) == counts[about] else f"{about}: {', '.join(names)}" for about, names in found.items()]


def cannot_hold(given: Given) -> list[str]:
    """What a scenario does to its lab beside configuring it; nothing is done to an environment that stands."""
    happens = {
        "after_sign_in": "changes accounts after they have signed in", "clocks": "sets clocks wrong",
        "client_hosts": "changes the client's hosts file", "dc_unreachable_from": "cuts machines off",
        "credential_guard_on": "turns Credential Guard on",
    }
    told = [f"the scenario {text}, and nothing is changed here"
            for name, text in happens.items() if getattr(given, name)]
    if any(each.domain is not Domain.OWN for each in given.users.values()):
        told.append("the scenario has a user of a second domain")
    return told
