"""Whole configurations and requests for Hypothesis: anything that a file may say and the reader admits."""

import dataclasses

from hypothesis import assume
from hypothesis import strategies as st

from doublehop.errors import InputError
from doublehop.frontend import (
    AnonymousAuthentication,
    Application,
    BasicAuthentication,
    ExtendedProtection,
    FrontEnd,
    HttpSys,
    ImpersonateAs,
    LogonMethod,
    Pool,
    PoolIdentity,
    Provider,
    Site,
    TokenChecking,
    WindowsAuthentication,
)
from doublehop.model import (
    AfterSignIn,
    ClientProfile,
    Domain,
    Encryption,
    Expect,
    Given,
    Principal,
    Program,
    Proxy,
    Registration,
    Request,
    RestrictNtlm,
    Right,
    Scenario,
    Trust,
    Zone,
)
from doublehop.rules.reach import unreachable
from doublehop.rules.world import World, url_at
from doublehop.sanity import check_question
from doublehop.sanity_directory import KEYTAB_TYPES
from doublehop.scope import scope_of

HOSTS = ["{portal}", "{www}", "{web1}", "{web2}", "{sql1}", "web1", "{web1.netbios}", "{web1.address}",
         "old.{portal}", "PORTAL", "{pool.account}"]
LABELS = ["pool", "other", "alice", "bob", "web1", "web2", "sql1", "web1$"]
hosts = st.sampled_from(HOSTS)
labels = st.sampled_from(LABELS)
ports = st.sampled_from(["", ":80", ":443", ":8080", ":5000"])
classes = st.sampled_from(["HTTP", "HTTP", "http", "HOST", "MSSQLSvc", "cifs", "HTTPS", ""])
spns = st.builds("{}/{}{}".format, classes, hosts,
                 st.sampled_from(["", ":80", ":8080", ":1433"])) | st.sampled_from(["nothing", "HTTP", "/", ""])
some_spns = st.lists(spns, max_size=3).map(tuple)


def principals(**more):
    return st.builds(
        Principal, spns=some_spns, trusted_for_delegation=st.booleans(), trusted_to_auth_for_delegation=st.booleans(),
        account_not_delegated=st.booleans(), allowed_to_delegate_to=some_spns, sql_login=st.booleans(),
        principals_allowed_to_delegate_to_account=st.lists(labels, max_size=2).map(tuple), **more)


types = st.lists(st.sampled_from(Encryption), max_size=3).map(tuple)
keytabs = st.lists(st.sampled_from(sorted(KEYTAB_TYPES)), min_size=1, max_size=3).map(tuple)
members = {"protected_user": st.booleans(), "groups": st.sampled_from([0, 3, 400]),
           "domain_local_groups": st.sampled_from([0, 3, 600]), "supported_encryption_types": types}
people = principals(**members)
visitors = st.builds(Principal, domain=st.just(Domain.PARTNER), trusted_for_delegation=st.booleans(),
                     account_not_delegated=st.booleans(), sql_login=st.booleans(), supported_encryption_types=types)
services = principals(**members, keytab_encryption_types=keytabs, aes_keys=st.booleans()) | principals(
    supported_encryption_types=types, principals_allowed_to_retrieve_managed_password=st.just(("web1", "web2")))
computers = principals(without_spns=some_spns, supported_encryption_types=types)
some_providers = st.lists(st.sampled_from(Provider), max_size=3).map(tuple)


def windows_with(**more):
    return st.builds(
        WindowsAuthentication, enabled=st.sampled_from([True, True, True, False]), useKernelMode=st.booleans(),
        useAppPoolCredentials=st.booleans(), authPersistNonNTLM=st.booleans(),
        providers=st.just((Provider.Negotiate, Provider.NTLM)) | some_providers,
        authPersistSingleRequest=st.booleans(), **more)


protection = st.builds(ExtendedProtection, tokenChecking=st.sampled_from(TokenChecking))
basic = st.builds(BasicAuthentication, enabled=st.booleans(), logonMethod=st.sampled_from(LogonMethod))
anonymous = st.builds(AnonymousAuthentication, enabled=st.sampled_from([False, False, False, True]))
pools = st.one_of(
    st.builds(Pool, identityType=st.sampled_from([each for each in PoolIdentity if each != "SpecificUser"])),
    st.builds(Pool, identityType=st.just(PoolIdentity.SpecificUser), userName=st.sampled_from(["pool", "other"])))


def sites_on(bindings, windows):
    """Sites on such bindings; only those with TLS may check channel bindings."""
    applications = st.builds(
        Application, applicationPool=st.sampled_from(["One", "Two"]), windowsAuthentication=st.none() | windows,
        anonymousAuthentication=st.none() | anonymous, basicAuthentication=st.none() | basic,
        impersonate=st.booleans() | st.builds(ImpersonateAs, userName=st.sampled_from(["alice", "pool"])))
    return st.builds(
        Site, bindings=st.lists(bindings, min_size=1, max_size=3).map(tuple), windowsAuthentication=windows,
        anonymousAuthentication=anonymous, basicAuthentication=basic,
        applications=st.fixed_dictionaries({}, optional={
            "/": applications, "/app": applications, "/app/": applications, "": applications}))


def bindings_on(form, ports):
    return st.builds(form.format, st.sampled_from(["*", "*", "10.93.0.21"]), st.sampled_from(ports),
                     st.sampled_from(["", "", "{portal}", "{www}", "{web1}"]))


sites = (sites_on(bindings_on("{}:{}:{}", [80, 80, 8080]), windows_with())
         | sites_on(bindings_on("https/{}:{}:{}", [443, 443, 8443]), windows_with(extendedProtection=protection)))
limits = st.builds(HttpSys, MaxFieldLength=st.integers(64, 65534), MaxRequestBytes=st.integers(256, 16777216))
front_ends = st.builds(
    FrontEnd, applicationPools=st.fixed_dictionaries({"One": pools, "Two": pools}),
    sites=st.dictionaries(st.sampled_from(["A", "B"]), sites, max_size=2), httpSys=st.just(HttpSys()) | limits)
records = st.sampled_from(["A web1", "A web2", "A sql1", "CNAME web1", "CNAME portal", "CNAME www", "none"])
offsets = st.builds("{}{}".format, st.sampled_from("+-"), st.sampled_from(["1s", "299s", "301s", "2h"]))
pages = st.builds("http://{}{}/whoami".format, hosts, st.sampled_from(["", "", ":8080"]))
proxies = st.builds(Proxy, to=st.sampled_from(["http://web1", "https://web1"]), port=st.sampled_from([8081, 8444]),
                    connection_affinity=st.booleans())
givens = st.builds(
    Given, names=st.fixed_dictionaries({"portal": records, "www": records}),
    users=st.fixed_dictionaries({"alice": people | people | visitors, "bob": people}),
    accounts=st.fixed_dictionaries({"pool": services, "other": services}),
    computers=st.dictionaries(st.sampled_from(["web1", "web2", "sql1"]), computers, max_size=2),
    front_ends=st.dictionaries(st.sampled_from(["web1", "web2"]), front_ends, max_size=2),
    duplicate_spns=st.dictionaries(st.sampled_from(["pool", "other", "alice"]), spns, max_size=1),
    client_hosts=st.dictionaries(hosts, st.sampled_from(["web1", "web2", "sql1"]), max_size=1),
    back_ends=st.dictionaries(st.sampled_from(["api", "books"]), pages, max_size=2),
    proxies=st.dictionaries(st.just("web2"), proxies, max_size=1),
    dc_unreachable_from=st.sampled_from([(), (), (), ("client1",), ("web1",), ("web1", "web2"), ("sql1",)]),
    credential_guard_on=st.sampled_from([(), (), (), ("client1",), ("web1",)]),
    clocks=st.dictionaries(st.sampled_from(["web1", "web2", "client1"]), offsets, max_size=2),
    after_sign_in=st.dictionaries(st.sampled_from(["alice", "bob", "pool", "other"]), st.builds(
        AfterSignIn, password_reset=st.booleans(), enabled=st.booleans(), change_password_at_logon=st.booleans()),
        max_size=2) | st.dictionaries(st.sampled_from(["web1", "sql1", "web1$"]),
                                      st.just(AfterSignIn(password_reset=True)), max_size=1),
    trust=st.builds(Trust, supported_encryption_types=keytabs),
    restrict_ntlm_in_this_domain=st.sampled_from([RestrictNtlm.DISABLE, RestrictNtlm.DISABLE, RestrictNtlm.DENY_ALL]))
browsers = st.builds(ClientProfile, zone=st.sampled_from(Zone), integrated=st.sampled_from([True, True, False]),
                     canonicalise=st.booleans(),
                     port_in_spn=st.booleans(), honour_ok_as_delegate=st.booleans(), ntlm=st.booleans(),
                     channel_binding=st.booleans(), basic=st.booleans(),
                     delegate=st.booleans(),
                     encryption_types=st.just(()) | keytabs.map(lambda some: (*some, Encryption.AES256)))
curls = st.builds(ClientProfile, program=st.just(Program.CURL), canonicalise=st.just(False), ntlm=st.just(False),
                  honour_ok_as_delegate=st.booleans(), delegate=st.booleans(), http2=st.booleans())
http_clients = st.builds(ClientProfile, program=st.just(Program.DOTNET), ntlm=st.just(False), delegate=st.just(False),
                         port_in_spn=st.booleans())
profiles = browsers | browsers | curls | http_clients
asked = st.sampled_from([(), ("sql",), ("sql", "sql"), ("api.sql",), ("api", "sql"), ("api.api.books.sql", "books"),
                         ("partner-sql",), ("api.partner-sql", "sql")])
paths = st.sampled_from(["", "/", "/app", "/app/x", "/appl"])


def requests_for(addresses):
    return st.builds(
        Request, get=st.builds("{}{}".format, st.sampled_from(addresses), paths), client=profiles, back_ends=asked,
        user=st.sampled_from(["alice", "bob"]), act_as=st.just("") | labels, times=st.integers(1, 3),
        after=st.sampled_from(["", "", "bob"]))


rights = st.sampled_from([
    Right(trusted_for_delegation=True), Right(trusted_to_auth_for_delegation=True),
    Right(allowed_to_delegate_to=("MSSQLSvc/{sql1}",)), Right(principals_allowed_to_delegate_to_account=("web1",))])
writers = st.just("administrator") | labels
registrations = st.builds(Registration, register=spns, on=labels, by=writers) | st.builds(
    Registration, grant=rights, on=labels, by=writers)


def addresses_of(configured):
    """Where something may listen: each host on each port that a site or a proxy has, and some where nothing does."""
    texts = [text for each in configured.front_ends.values() for site in each.sites.values() for text in site.bindings]
    places = {("https", text.split(":")[1]) if text.startswith("https") else ("http", text.split(":")[1])
              for text in texts} | {("http", "80")}
    places |= {(each.to.partition(":")[0], str(each.port)) for each in configured.proxies.values()}
    return [f"{scheme}://{host}:{port}" for scheme, port in sorted(places) for host in HOSTS]


@st.composite
def any_question(draw, topology):
    """A scenario that the reader admits, whether or not a lab could do anything sensible with it."""
    configured = draw(givens)
    world = World(scope_of("any::one", configured, topology))
    there = {name: text for name, text in configured.back_ends.items()
             if not unreachable(world, url_at(world.scope.fill(text)), from_client=False)}
    configured = dataclasses.replace(configured, back_ends=there)
    reachable = [each for each in addresses_of(configured) if not unreachable(world, url_at(world.scope.fill(each)))]
    requests = requests_for(reachable or ["http://{web1}"])
    when = draw(requests | requests | registrations)
    if isinstance(when, Request):
        known = tuple(each for each in when.back_ends if set(each.split(".")) <= {"sql", "partner-sql", *there})
        after = "" if when.user == "bob" or when.client.program is Program.CURL else when.after
        when = dataclasses.replace(when, back_ends=known, after=after)
        if Domain.PARTNER in {configured.users[each].domain for each in (when.user, after) if each}:
            when = dataclasses.replace(when, client=dataclasses.replace(when.client, ntlm=False, basic=False))
    scenario = Scenario(id="any::one", title="", why="", sources=(), given=configured, expect=Expect(), when=when)
    try:
        check_question(scenario, topology, "any")
    except InputError:
        assume(condition=False)
    return scenario
