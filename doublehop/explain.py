"""Says in words what a scenario configures and expects, and why an observation differs. Pure.

Several misconfigurations give the client the same error text; only the KDC's reason joined with what the
directory holds tells them apart. That join is made here.
"""

import dataclasses
from collections.abc import Iterator

from doublehop.codes import labelled
from doublehop.directory import NO_RECORD
from doublehop.frontend import FrontEnd, ImpersonateAs, Pool, Site, TokenChecking
from doublehop.model import (
    AfterSignIn,
    Given,
    KdcLine,
    Observation,
    Principal,
    Program,
    Registration,
    Request,
    RestrictNtlm,
    Result,
    Right,
    Scenario,
    Trust,
)
from doublehop.scope import Scope, referral_to, scope_of
from doublehop.topology import Topology

FACTS = {
    "spns": "holds the SPN {}",
    "without_spns": "does not hold the SPN {}",
    "allowed_to_delegate_to": "may delegate to {}",
    "principals_allowed_to_retrieve_managed_password": "is a gMSA whose password {} may retrieve",
    "principals_allowed_to_delegate_to_account": "lets {} act on behalf of others (RBCD)",
}
ENCRYPTION_FACTS = {
    "supported_encryption_types": "supports {} (msDS-SupportedEncryptionTypes)",
    "keytab_encryption_types": "has keys for {} in its keytab",
}
CLAIMS = {
    "trusted_for_delegation": "is trusted for delegation to any service (unconstrained)",
    "trusted_to_auth_for_delegation": "is trusted to authenticate for delegation (protocol transition)",
    "account_not_delegated": "is sensitive and cannot be delegated",
    "protected_user": "is a member of Protected Users",
}


def describe(scenario: Scenario, topology: Topology) -> list[str]:
    """What a scenario configures, does and expects, a line each."""
    scope = scope_of(scenario.id, scenario.given, topology)
    lines = [f"{scenario.id}: {scenario.title}", "", scenario.why, f"Sources: {', '.join(scenario.sources)}"]
    if scenario.flips:
        lines.append(f"The same as {scenario.flips}, but for {', '.join(scenario.changed) or 'what is added'}.")
    if scenario.needs:
        lines.append(f"Needs: {', '.join(scenario.needs)}")
    lines += ["", "Given"]
    lines += [f"  {each}" for each in _given(scenario.given, scope)]
    lines += ["", "When", *(f"  {each}" for each in _when(scenario, scope))]
    lines += ["", "Expected", *(f"  {each}" for each in _expected(scenario, scope))]
    return lines


def _given(given: Given, scope: Scope) -> Iterator[str]:
    for label, text in given.names.items():
        yield f"DNS name {scope.host(label)}: {text if text != NO_RECORD else 'no record'}"
    for kind, table in (("user", given.users), ("account", given.accounts), ("computer", given.computers)):
        for label, facts in table.items():
            said = "; ".join(_facts(facts, scope))
            yield f"{kind} {scope.login(label)}" + (f": {said}" if said else "")
    if given.trust != Trust():
        types = ", ".join(given.trust.supported_encryption_types)
        yield f"the trust with {scope.topology.across.realm} supports {types}"
    for label, spn in given.duplicate_spns.items():
        yield f"{scope.account(label)} holds {scope.fill(spn)} as well, against the directory's own check"
    for name, machine in given.client_hosts.items():
        yield f"the client's hosts file says that {scope.fill(name)} is {machine}"
    for name, proxy in given.proxies.items():
        share = "each client has one of its own" if proxy.connection_affinity else "all clients share one"
        yield f"{name}: a reverse proxy on port {proxy.port}; of its connections to {proxy.to}, {share}"
    for name in given.back_ends:
        yield f"back end {name}: the page {scope.page(name)}"
    yield from _circumstances(given, scope)
    for name, front_end in given.front_ends.items():
        yield from (f"{name}: {each}" for each in _front_end(front_end, scope))


def _circumstances(given: Given, scope: Scope) -> Iterator[str]:
    for name, by in given.clocks.items():
        yield f"the clock of {name} is off by {by}"
    for label, what in given.after_sign_in.items():
        yield from (f"once users have signed in, {each}" for each in _after_sign_in(scope.account(label), what))
    if given.restrict_ntlm_in_this_domain is not RestrictNtlm.DISABLE:
        yield f"the domain's policy on NTLM authentication is '{given.restrict_ntlm_in_this_domain}'"
    for name in given.dc_unreachable_from:
        yield f"{name} cannot reach the domain controller"
    for name in given.credential_guard_on:
        yield f"{name} runs Credential Guard"


def _after_sign_in(account: str, what: AfterSignIn) -> Iterator[str]:
    if what.password_reset:
        yield f"{account} gets a new password"
    if not what.enabled:
        yield f"{account} is disabled"
    if what.change_password_at_logon:
        yield f"{account}'s password expires"


def _facts(facts: Principal, scope: Scope) -> Iterator[str]:
    yield from _rights(facts, scope)
    if facts.full_control:
        yield f"gives full control of itself to {', '.join(facts.full_control)}"
    if not facts.sql_login:
        yield "has no login at the database"
    if facts.groups:
        yield f"is a member of {facts.groups} groups"
    if facts.domain_local_groups:
        yield f"is a member of {facts.domain_local_groups} domain local groups"
    for name, text in ENCRYPTION_FACTS.items():
        if getattr(facts, name) != getattr(Principal(), name):
            yield text.format(", ".join(getattr(facts, name)) or "nothing in particular")
    if not facts.aes_keys:
        yield "has a password that is older than AES keys, so it has none"


def _rights(facts: Principal | Right, scope: Scope) -> Iterator[str]:
    for name, text in CLAIMS.items():
        if getattr(facts, name, False):
            yield text
    for name, text in FACTS.items():
        values = getattr(facts, name, ())
        if values:
            yield text.format(", ".join(scope.fill(each) for each in values))


def _front_end(front_end: FrontEnd, scope: Scope) -> Iterator[str]:
    for each in dataclasses.fields(front_end.httpSys):
        if getattr(front_end.httpSys, each.name) != each.default:
            yield f"{each.name} is {getattr(front_end.httpSys, each.name)}"
    for name, site in front_end.sites.items():
        bindings = ", ".join(scope.fill(each) for each in site.bindings)
        yield f"site {name!r} on {bindings}, {_authentication(site)}"
        for path, application in site.applications.items():
            pool = front_end.applicationPools[application.applicationPool]
            impersonate = application.impersonate
            who = f"as {impersonate.userName}" if isinstance(impersonate, ImpersonateAs) else str(impersonate).lower()
            yield f"  {path} in {_pool(application.applicationPool, pool)}, impersonate={who}"


def _authentication(site: Site) -> str:
    windows, told_apart = site.windowsAuthentication, {"enabled", "providers", "extendedProtection"}
    changed = [
        f"{each.name}={getattr(windows, each.name)}" for each in dataclasses.fields(windows)
        if each.name not in told_apart and getattr(windows, each.name) != each.default
    ]
    checking = windows.extendedProtection.tokenChecking
    if checking is not TokenChecking.NONE:
        changed.append(f"extendedProtection {checking}")
    words = [f"Windows authentication {', '.join(windows.providers) if windows.enabled else 'off'}", *changed]
    if site.anonymousAuthentication.enabled:
        words.append("anonymous on")
    if site.basicAuthentication.enabled:
        words.append(f"Basic on ({site.basicAuthentication.logonMethod})")
    return "; ".join(words)


def _pool(name: str, pool: Pool) -> str:
    return f"pool {name} ({pool.userName or pool.identityType})"


def _when(scenario: Scenario, scope: Scope) -> Iterator[str]:
    match scenario.when:
        case Request() as request:
            yield f"{request.user} opens {scope.fill(request.get)}"
            client = {each.name: (getattr(request.client, each.name), each.default)
                      for each in dataclasses.fields(request.client) if each.name != "program"}
            changed = [f"{name}={_told(value)}" for name, (value, usual) in client.items() if value != usual]
            if changed:
                name = "a browser" if request.client.program is Program.BROWSER else request.client.program
                yield f"with {name} that has {', '.join(changed)}"
            if request.after:
                yield f"just after {request.after} did"
            if request.act_as:
                yield f"and the page takes on {request.act_as} by itself"
            if request.times > 1:
                yield f"{request.times} times on one connection"
            yield f"and the page asks {', '.join(request.back_ends) or 'no back end'}"
        case Registration() as registration:
            if registration.register:
                yield f"{registration.by} registers {scope.fill(registration.register)} on {registration.on}"
            yield from (f"{registration.by} writes that {registration.on} {each}"
                        for each in _rights(registration.grant, scope))


def _told(value: object) -> str:
    return "+".join(value) if isinstance(value, tuple) else str(value)


def _expected(scenario: Scenario, scope: Scope) -> Iterator[str]:
    expect = scenario.expect
    if expect.directory:
        yield f"the directory answers {expect.directory}"
        return
    if expect.unasked:
        yield f"the page is never asked for: {expect.unasked}"
        return
    if expect.spn:
        yield f"client asks the KDC for {scope.fill(expect.spn)}: {expect.kdc or 'gets a ticket'}"
    if expect.encryption or expect.session_key:
        yield f"the ticket is encrypted with {expect.encryption or 'any type'}, its session key is " \
              f"{expect.session_key or 'of any type'}"
    if expect.ticket_flags is not None:
        yield f"klist shows it as {', '.join(expect.ticket_flags) or 'neither forwardable nor ok_as_delegate'}"
    yield f"HTTP {expect.status}" + (f", because {expect.error}" if expect.error else "")
    if expect.scheme:
        yield f"front end: {expect.scheme} {expect.user or 'nobody'} {expect.level}".rstrip()
    for name, identity in expect.sees.items():
        yield f"{name} sees {identity}"
    for name, error in expect.fails.items():
        yield f"{name} is not reached: {error}"


def explain(result: Result, topology: Topology) -> list[str]:
    """Why a scenario ended as it did, with each hop's evidence."""
    lines = [f"{result.scenario.id}: {result.verdict.kind}"]
    if result.verdict.reason:
        lines += [f"  {each}" for each in result.verdict.reason.splitlines()]
    lines += [f"  {each.hop}: {each.field}: expected {each.expected}, observed {each.observed}"
              for each in result.verdict.differences]
    seen = result.observation
    if seen is not None:
        lines += [f"  evidence: {each}" for each in _evidence(seen)]
    lines += [f"  evidence: {each.machine}: {each.log}: {each.text}" for each in result.logged]
    if seen is not None:
        scope = scope_of(result.scenario.id, result.scenario.given, topology)
        lines += [f"  likely cause: {each}" for each in dict.fromkeys(causes(seen, scope))]
    return lines


def _evidence(observation: Observation) -> Iterator[str]:
    client = observation.client
    if client.session_key:
        yield f"klist: {client.spn}: {', '.join(client.ticket_flags) or 'no flags'}; session key {client.session_key}"
    if observation.front_end and observation.front_end.native:
        yield _quoted("front end", observation.front_end.error, observation.front_end.native)
    for name, saw in observation.back_ends.items():
        if saw.native:
            yield _quoted(name, saw.error, saw.native)
    for line in observation.kdc:
        if line.error != "KDC_ERR_PREAUTH_REQUIRED":  # the first leg of every sign-in
            yield f"KDC: {line.kind} {line.client} -> {line.service}: {_outcome(line)}"


def _quoted(hop: str, error: str, native: str) -> str:
    return ": ".join(each for each in (hop, labelled(error), native) if each)


def _outcome(line: KdcLine) -> str:
    if not line.error:
        return f"issued in the name of {line.impersonated}" if line.impersonated else "issued"
    error = labelled(line.error)
    return f"{error}: {line.reason}" if line.reason else error


OF_FRONT_ENDS = {
    "STATUS_ACCOUNT_RESTRICTION":
        "the domain controller refuses NTLM for this user, as it does for members of Protected Users",
    "STATUS_NTLM_BLOCKED":
        "NTLM is denied in this domain, so a client that gets no ticket gets in nowhere: see to the SPN",
    "KRB_AP_ERR_MODIFIED":
        "the ticket is for another account's key than the one the front end opens tickets with: compare the SPN's "
        "owner with useKernelMode, useAppPoolCredentials and the pool's identity, and the keytab's encryption types "
        "and age with the account's",
    "SEC_E_BAD_BINDINGS":
        "the token is not bound to the TLS connection it came on: the client sends no channel binding, or something "
        "between it and the front end ends its TLS (extendedProtection tokenChecking)",
    "KRB_AP_ERR_SKEW":
        "the clocks of front end and client differ by more than five minutes: synchronise both with the domain",
}
"""What an error of the front end's most often comes from, and what to do."""
OF_BACK_ENDS = {
    "KRB_AP_ERR_MODIFIED":
        "the KDC sealed the ticket for {0} with another account's key than the one that runs {0}",
    "CANNOT_GENERATE_SSPI_CONTEXT":
        "the SPN of {0} is registered and its ticket is of no use: another account holds the SPN than the one that "
        "runs {0}, or the two have no encryption type in common",
}
"""The same of an error at a back end, by its name."""


def causes(observation: Observation, scope: Scope) -> Iterator[str]:
    """Named causes with a remedy, from the KDC's reasons and the facts the scenario put into the directory."""
    given = scope.given
    facts = {scope.account(label).lower(): (label, each)
             for table in (given.users, given.accounts, given.computers) for label, each in table.items()}
    for line in observation.kdc:
        if line.error == "KDC_ERR_S_PRINCIPAL_UNKNOWN" and "/" not in line.service:
            yield f"{line.client} holds no SPN, so the KDC gives it no ticket in a user's name (S4U2Self)"
        elif line.error == "KDC_ERR_S_PRINCIPAL_UNKNOWN":
            yield (f"no account (or more than one) holds {line.service}: "
                   "register it on the account that opens the ticket")
        if line.error == "KDC_ERR_BADOPTION":
            yield _bad_option(line, facts, scope)
        if line.error == "KDC_ERR_ETYPE_NOSUPP" and line.service == referral_to(scope.topology.realm):
            yield (f"the trust between {scope.topology.across.realm} and {scope.topology.realm} supports no encryption "
                   "type that the client takes: let it support AES")
    if observation.front_end and observation.front_end.error in OF_FRONT_ENDS:
        yield OF_FRONT_ENDS[observation.front_end.error]
    for name, saw in observation.back_ends.items():
        if saw.error in OF_BACK_ENDS:
            yield OF_BACK_ENDS[saw.error].format(name)


def _bad_option(line: KdcLine, facts: dict[str, tuple[str, Principal]], scope: Scope) -> str:
    if line.service == referral_to(scope.topology.across.realm):
        return (f"the back end is of {scope.topology.across.realm}: {line.client}'s list reaches no other domain, and "
                "Samba's KDC follows no RBCD there")
    user = facts.get(line.impersonated.lower())
    if user and (user[1].account_not_delegated or user[1].protected_user):
        return f"{user[0]} is sensitive or a protected user, so no ticket of theirs can be delegated"
    account = facts.get(line.client.lower())
    if account is None or not account[1].allowed_to_delegate_to:  # nothing is said of it: nothing is allowed
        return f"{line.client} has no delegation right: list {line.service} in msDS-AllowedToDelegateTo, or use RBCD"
    if "forwardable" in line.reason:
        return (f"the evidence ticket is not forwardable: {line.client} needs TRUSTED_TO_AUTH_FOR_DELEGATION for "
                "protocol transition")
    return f"{line.service} is not on {line.client}'s list in msDS-AllowedToDelegateTo (it must match letter by letter)"
