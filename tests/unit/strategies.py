"""Whole configurations and requests for Hypothesis: anything that a file may say and the reader admits."""

from hypothesis import assume
from hypothesis import strategies as st

from doublehop.errors import InputError
from doublehop.frontend import (
    AnonymousAuthentication,
    Application,
    FrontEnd,
    HttpSys,
    ImpersonateAs,
    Pool,
    PoolIdentity,
    Provider,
    Site,
    WindowsAuthentication,
)
from doublehop.model import (
    AfterSignIn,
    ClientProfile,
    Encryption,
    Expect,
    Given,
    Principal,
    Registration,
    Request,
    Scenario,
    Zone,
)
from doublehop.sanity import KEYTAB_TYPES, check_question

HOSTS = ["{portal}", "{www}", "{web1}", "{web2}", "{sql1}", "web1", "{web1.netbios}", "{web1.address}",
         "old.{portal}", "PORTAL", "{pool.account}"]
LABELS = ["pool", "other", "alice", "bob", "web1", "web2", "sql1", "web1$"]
hosts = st.sampled_from(HOSTS)
labels = st.sampled_from(LABELS)
ports = st.sampled_from(["", ":80", ":443", ":8080", ":5000"])
spns = st.builds("{}/{}{}".format, st.sampled_from(["HTTP", "http", "HOST", "MSSQLSvc", "cifs", "HTTPS", ""]), hosts,
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
services = principals(**members, keytab_encryption_types=keytabs, aes_keys=st.booleans()) | principals(
    supported_encryption_types=types, principals_allowed_to_retrieve_managed_password=st.just(("web1", "web2")))
computers = principals(without_spns=some_spns, supported_encryption_types=types)
windows = st.builds(
    WindowsAuthentication, enabled=st.booleans(), useKernelMode=st.booleans(), useAppPoolCredentials=st.booleans(),
    providers=st.lists(st.sampled_from(Provider), max_size=3).map(tuple), authPersistNonNTLM=st.booleans(),
    authPersistSingleRequest=st.booleans())
anonymous = st.builds(AnonymousAuthentication, enabled=st.booleans())
pools = st.one_of(
    st.builds(Pool, identityType=st.sampled_from([each for each in PoolIdentity if each != "SpecificUser"])),
    st.builds(Pool, identityType=st.just(PoolIdentity.SpecificUser), userName=st.sampled_from(["pool", "other"])))
applications = st.builds(
    Application, applicationPool=st.sampled_from(["One", "Two"]), windowsAuthentication=st.none() | windows,
    anonymousAuthentication=st.none() | anonymous,
    impersonate=st.booleans() | st.builds(ImpersonateAs, userName=st.sampled_from(["alice", "pool"])))
bindings = st.builds("{}:{}:{}".format, st.sampled_from(["*", "10.93.0.21"]), st.sampled_from([80, 443, 8080]),
                     st.sampled_from(["", "{portal}", "{www}", "{web1}"]))
sites = st.builds(
    Site, bindings=st.lists(bindings, max_size=3).map(tuple), windowsAuthentication=windows,
    anonymousAuthentication=anonymous,
    applications=st.dictionaries(st.sampled_from(["/", "/app", "/app/", ""]), applications, max_size=2))
limits = st.builds(HttpSys, MaxFieldLength=st.integers(64, 65534), MaxRequestBytes=st.integers(256, 16777216))
front_ends = st.builds(
    FrontEnd, applicationPools=st.fixed_dictionaries({"One": pools, "Two": pools}),
    sites=st.dictionaries(st.sampled_from(["A", "B"]), sites, max_size=2), httpSys=st.just(HttpSys()) | limits)
records = st.sampled_from(["A web1", "A web2", "A sql1", "CNAME web1", "CNAME portal", "CNAME www"])
offsets = st.builds("{}{}".format, st.sampled_from("+-"), st.sampled_from(["1s", "299s", "301s", "2h"]))
givens = st.builds(
    Given, names=st.fixed_dictionaries({"portal": records, "www": records}),
    users=st.fixed_dictionaries({"alice": people, "bob": people}),
    accounts=st.fixed_dictionaries({"pool": services, "other": services}),
    computers=st.dictionaries(st.sampled_from(["web1", "web2", "sql1"]), computers, max_size=2),
    front_ends=st.dictionaries(st.sampled_from(["web1", "web2"]), front_ends, max_size=2),
    duplicate_spns=st.dictionaries(st.sampled_from(["pool", "other", "alice"]), spns, max_size=1),
    client_hosts=st.dictionaries(hosts, st.sampled_from(["web1", "web2", "sql1"]), max_size=1),
    dc_unreachable_from=st.sampled_from([(), (), (), ("client1",), ("web1",), ("web1", "web2"), ("sql1",)]),
    clocks=st.dictionaries(st.sampled_from(["web1", "web2", "client1"]), offsets, max_size=2),
    after_sign_in=st.dictionaries(st.sampled_from(["alice", "bob", "pool", "other"]), st.builds(
        AfterSignIn, password_reset=st.booleans(), enabled=st.booleans(), change_password_at_logon=st.booleans()),
        max_size=2) | st.dictionaries(st.sampled_from(["web1", "sql1", "web1$"]),
                                      st.just(AfterSignIn(password_reset=True)), max_size=1))
profiles = st.builds(ClientProfile, zone=st.sampled_from(Zone), integrated=st.booleans(), canonicalise=st.booleans(),
                     port_in_spn=st.booleans(), honour_ok_as_delegate=st.booleans(), ntlm=st.booleans())
requests = st.builds(
    Request, get=st.builds("http://{}{}{}".format, hosts, ports, st.sampled_from(["", "/", "/app", "/app/x", "/appl"])),
    user=st.sampled_from(["alice", "bob"]), client=profiles, act_as=st.just("") | labels,
    back_ends=st.sampled_from([(), ("sql",), ("sql", "sql")]), times=st.integers(1, 3), http2=st.booleans())
registrations = st.builds(Registration, register=spns, on=labels, by=st.just("administrator") | labels)


@st.composite
def any_question(draw, topology):
    """A scenario that the reader admits, whether or not a lab could do anything sensible with it."""
    scenario = Scenario(id="any::one", title="", why="", sources=(), given=draw(givens), expect=Expect(),
                        when=draw(requests | requests | registrations))
    try:
        check_question(scenario, topology, "any")
    except InputError:
        assume(condition=False)
    return scenario
