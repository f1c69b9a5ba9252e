"""A mistake in a scenario file is told with file, key and what was expected."""

import pytest

from doublehop import catalogue
from doublehop.errors import InputError
from tests.unit.texts import EXPECT_401, PAGE, REGISTRATION, entry

FRONT_END = "given.front_ends.web1"
SITE = f'{FRONT_END}.sites."Default Web Site"'

GMSA = "principals_allowed_to_retrieve_managed_password"
REFUSED = {  # what is written into a table -> the key that is named, and what is said
    "unknown key": (f"colour = 1\n{PAGE}", "colour", "unexpected key"),
    "unknown fact": (f"given.accounts.pool.trusted = true\n{PAGE}", "given.accounts.pool.trusted", "unexpected key"),
    "unknown field of expect": (f"{REGISTRATION}\nexpect.sses = 1", "expect.sses", "unexpected key"),
    "unknown field of when": (f"{PAGE}\nwhen.usr = 'alice'", "when.usr", "unexpected key"),
    "the inner name of from": (f"from_ = 'x'\n{PAGE}", "from_", "unexpected key"),
    "wrong type": (f"given.accounts.pool.spns = 'HTTP/x'\n{PAGE}", "given.accounts.pool.spns",
                   "Input should be a valid array, not 'HTTP/x'"),
    "wrong type in a list": (f"given.accounts.pool.spns = [1]\n{PAGE}", "given.accounts.pool.spns.0",
                             "Input should be a valid string, not 1"),
    "not a member of a set": (f"when.client.zone = 'extranet'\n{PAGE}", "when.client.zone",
                              "Input should be 'intranet', 'trusted' or 'internet', not 'extranet'"),
    "unknown need": (f"needs = ['luck']\n{PAGE}", "needs.0", "Input should be 'kerberos', 'rbcd',"),
    "missing when": (EXPECT_401, "when", "expected `get` with a URL, `register` with an SPN or `grant` with a right"),
    "missing status": ("when.get = 'http://{web1}/'\nexpect.scheme = 'Kerberos'", "expect.status",
                       "expected the HTTP status the client ends with"),
    "missing directory": (REGISTRATION.replace("directory", "error"), "expect.directory",
                          "expected the LDAP result of the registration"),
    "request and registration": (f"{PAGE}\nwhen.register = 'HTTP/x'", "when.register", "unexpected key"),
    "a front end's own word for an error": (
        "when.get = 'http://{web1}/'\nexpect = { status = 200, fails.sql = 'X', refused.sql = 'KDC_ERR_BADOPTION' }",
        "expect.refused", "`fails` has Kerberos's error"),
    "a back end that nobody is said to see": ("when.get = 'http://{web1}/'\nexpect.status = 200", "expect",
                                              "expected `sees` or `fails` for each back end that is asked"),
    "a back end seen and failed": (
        "when.get = 'http://{web1}/'\nexpect = { status = 200, sees.sql = 'alice', fails.sql = 'X' }", "expect",
        "expected `sees` or `fails` for each back end that is asked, and no other"),
    "another back end": ("when.get = 'http://{web1}/'\nexpect = { status = 200, sees = { sql = 'a', ldap = 'b' } }",
                         "expect", "and no other"),
    "a back end behind a refusal": ("when.get = 'http://{web1}/'\nexpect = { status = 401, sees.sql = 'alice' }",
                                    "expect", "and no other"),
    "unknown back end": (f"when.back_ends = ['ldap']\n{PAGE}", "when.back_ends",
                         "expected sql, partner-sql, not 'ldap'"),
    "unknown machine in a name": (f"given.names.portal = 'A web9'\n{PAGE}", "given.names.portal",
                                  "no machine is called 'web9'"),
    "unknown target of an alias": (f"given.names.portal = 'CNAME www'\n{PAGE}", "given.names.portal",
                                   "no name or machine is called 'www'"),
    "unknown kind of record": (f"given.names.portal = 'MX web1'\n{PAGE}", "given.names.portal",
                               "expected 'A MACHINE' or 'CNAME NAME', not 'MX web1'"),
    "a record without target": (f"given.names.portal = 'A'\n{PAGE}", "given.names.portal", "expected 'A MACHINE'"),
    "unknown front end": (f"given.front_ends.sql1 = {{}}\n{PAGE}", "given.front_ends", "no front end is called 'sql1'"),
    "unknown computer": (f"given.computers.client1 = {{}}\n{PAGE}", "given.computers",
                         "no member of the domain is called 'client1'"),
    "unknown name in an SPN": (f"given.accounts.pool.spns = ['HTTP/{{www}}']\n{PAGE}", "given: pool",
                               "no name is called 'www'"),
    "unknown name in a right": (f"given.accounts.pool.allowed_to_delegate_to = ['MSSQLSvc/{{sql9}}']\n{PAGE}",
                                "given: pool", "no name is called 'sql9'"),
    "unknown form of a name": (f"given.accounts.pool.spns = ['HTTP/{{web1.ip}}']\n{PAGE}", "given: pool",
                               "no name is called 'web1.ip'"),
    "unknown account for RBCD": (
        f"given.computers.sql1.principals_allowed_to_delegate_to_account = ['pol']\n{PAGE}", "given: sql1",
        "no account is called 'pol'"),
    "unknown account for a planted SPN": (f"given.duplicate_spns.pol = 'HTTP/x'\n{PAGE}", "given.duplicate_spns",
                                          "no user or account is called 'pol'"),
    "unknown name in a planted SPN": (f"given.duplicate_spns.alice = 'HTTP/{{www}}'\n{PAGE}",
                                      "given.duplicate_spns.alice", "no name is called 'www'"),
    "unknown name in the hosts file": (f"given.client_hosts.'{{www}}' = 'web1'\n{PAGE}", "given.client_hosts",
                                       "no name is called 'www'"),
    "unknown machine in the hosts file": (f"given.client_hosts.'{{web1}}' = 'web9'\n{PAGE}", "given.client_hosts",
                                          "no machine is called 'web9'"),
    "unknown user": (f"when.user = 'bob'\n{PAGE}", "when.user", "no user is called 'bob'"),
    "unknown user to act as": (f"when.act_as = 'bob'\n{PAGE}", "when.act_as", "no account is called 'bob'"),
    "unknown name in the URL": (PAGE.replace("web1", "www"), "when.get", "no name or machine is called 'www'"),
    "unknown name in the expected SPN": (PAGE.replace("{ status", "{ spn = 'HTTP/{www}', status"), "expect.spn",
                                         "no name is called 'www'"),
    "unknown account to register on": (REGISTRATION.replace('"web1"', '"pol"'), "when.on",
                                       "no account is called 'pol'"),
    "registering on nobody's account": (REGISTRATION.replace('"web1"', '"administrator"'), "when.on",
                                        "no account is called 'administrator'"),
    "unknown account to register by": (REGISTRATION.replace(" }", ", by = 'pol' }"), "when.by",
                                       "no account is called 'pol'"),
    "unknown pool": (f"{SITE}.applications.'/'.applicationPool = 'Portal'\n{PAGE}",
                     "given.front_ends.web1.sites.Default Web Site.applications./.applicationPool",
                     "no pool is called 'Portal'"),
    "SpecificUser without userName": (f"{FRONT_END}.applicationPools.P.identityType = 'SpecificUser'\n{PAGE}",
                                      "given.front_ends.web1.applicationPools.P",
                                      "expected userName with SpecificUser, and only then"),
    "userName without SpecificUser": (f"{FRONT_END}.applicationPools.P.userName = 'pool'\n{PAGE}",
                                      "given.front_ends.web1.applicationPools.P",
                                      "expected userName with SpecificUser, and only then"),
    "a pool of nobody's account": (
        f"{FRONT_END}.applicationPools.P = {{ identityType = 'SpecificUser', userName = 'pol' }}\n{PAGE}",
        "given.front_ends.web1.applicationPools.P.userName", "no account is called 'pol'"),
    "impersonating nobody": (f"{SITE}.applications.'/'.impersonate.userName = 'pol'\n{PAGE}",
                             "given.front_ends.web1.sites.Default Web Site.applications./.impersonate.userName",
                             "no user or account is called 'pol'"),
    "bad binding": (f"{SITE}.bindings = ['*:80']\n{PAGE}", "given.front_ends.web1.sites.Default Web Site.bindings",
                    "expected address:port:host such as '*:80:', not '*:80'"),
    "unknown name in a binding": (f"{SITE}.bindings = ['*:80:{{www}}']\n{PAGE}",
                                  "given.front_ends.web1.sites.Default Web Site.bindings", "no name is called 'www'"),
    "long label": (f"given.accounts.thirteen-long = {{}}\n{PAGE}", "given",
                   "'thirteen-long' is too long for an account name"),
    "user and account of one name": (f"given.accounts.alice = {{}}\n{PAGE}", "given.accounts",
                                     "'alice' is a user already"),
    "account and machine of one name": (f"given.accounts.web1 = {{}}\n{PAGE}", "given", "'web1' is a machine already"),
    "unknown encryption type": (f"given.accounts.pool.supported_encryption_types = ['RC5']\n{PAGE}",
                                "given.accounts.pool.supported_encryption_types.0", "'RC4', 'AES128'"),
    "no key in a keytab": (f"given.accounts.pool.keytab_encryption_types = []\n{PAGE}",
                           "given: pool.keytab_encryption_types", "expected some of AES128, AES256, RC4"),
    "no key of that type": (f"given.accounts.pool.keytab_encryption_types = ['DES']\n{PAGE}",
                            "given: pool.keytab_encryption_types", "expected some of AES128, AES256, RC4"),
    "keytab of a user": (f"given.users.alice.keytab_encryption_types = ['RC4']\n{PAGE}",
                         "given.users.alice.keytab_encryption_types", "unexpected for this kind of account"),
    "computer without AES keys": (f"given.computers.web1.aes_keys = false\n{PAGE}",
                                  "given.computers.web1.aes_keys", "unexpected for this kind of account"),
    "too many groups": (f"given.users.alice.groups = 1011\n{PAGE}", "given: alice.groups", "at most 1010 groups"),
    "nobody happens to": (f"given.after_sign_in.bob.enabled = false\n{PAGE}", "given.after_sign_in",
                          "no account is called 'bob'"),
    "a client happens to": (f"given.after_sign_in.client1.password_reset = true\n{PAGE}", "given.after_sign_in",
                            "no member of the domain is called 'client1'"),
    "a disabled machine": (f"given.after_sign_in.web1.enabled = false\n{PAGE}", "given.after_sign_in.web1",
                           "expected password_reset only"),
    "unreachable from itself": (f"given.dc_unreachable_from = ['dc1']\n{PAGE}", "given.dc_unreachable_from",
                                "no client, front end or back end is called 'dc1'"),
    "Credential Guard on the KDC": (f"given.credential_guard_on = ['dc1']\n{PAGE}", "given.credential_guard_on",
                                    "no client or front end is called 'dc1'"),
    "clock of the KDC": (f"given.clocks.dc1 = '+10m'\n{PAGE}", "given.clocks",
                         "no client or front end is called 'dc1'"),
    "clock that is no offset": (f"given.clocks.web1 = '10m'\n{PAGE}", "given.clocks.web1",
                                "expected an offset such as '+10m', not '10m'"),
    "clock that outlives a TGT": (f"given.clocks.web1 = '-181m'\n{PAGE}", "given.clocks.web1", "at most three hours"),
    "limit that HTTP.sys has not": (f"given.front_ends.web1.httpSys.MaxFieldLength = 65535\n{PAGE}",
                                    "given.front_ends.web1.httpSys.MaxFieldLength", "expected 64 to 65534"),
    "gMSA of a user": (f"given.users.alice.{GMSA} = ['web1']\n{PAGE}", f"given.users.alice.{GMSA}",
                       "unexpected for this kind of account"),
    "gMSA for a back end": (f"given.accounts.pool.{GMSA} = ['sql1']\n{PAGE}", f"given.accounts.pool.{GMSA}",
                            "no front end is called 'sql1'"),
    "gMSA of another server": (
        f"given.accounts.pool.{GMSA} = ['web2']\n"
        "given.front_ends.web1.applicationPools.P = { identityType = 'SpecificUser', userName = 'pool' }\n"
        f"given.front_ends.web1.sites = {{}}\n{PAGE}",
        "given.front_ends.web1.applicationPools.P.userName", "web1 may not retrieve the managed password of 'pool'"),
    "gMSA with a long name": (f"given.accounts.frontend.{GMSA} = ['web1']\n{PAGE}", "given.accounts.frontend",
                              "'frontend' is too long for the name of a gMSA"),
    "gMSA whose password is reset": (f"given.accounts.pool.{GMSA} = ['web1']\n"
                                     f"given.after_sign_in.pool.password_reset = true\n{PAGE}",
                                     "given.accounts.pool", "nothing to happen to a gMSA"),
    "account of another domain": (f"given.accounts.pool.domain = 'partner'\n{PAGE}", "given: pool.domain",
                                  "unexpected for this kind of account"),
    "unknown domain": (f"given.users.alice.domain = 'moon'\n{PAGE}", "given.users.alice.domain",
                       "'own' or 'partner'"),
    "SPN of a user of another domain": (f"given.users.alice = {{ domain = 'partner', spns = ['HTTP/x'] }}\n{PAGE}",
                                        "given.users.alice.spns", "unexpected for this kind of account"),
    "user of another domain happens to": (
        f"given.users.alice.domain = 'partner'\ngiven.after_sign_in.alice.enabled = false\n{PAGE}",
        "given.after_sign_in.alice", "unexpected for a user of the partner's domain"),
    "client of another time and domain": (
        f"given.users.alice.domain = 'partner'\ngiven.clocks.client1 = '+1m'\n{PAGE}", "given.clocks",
        "unexpected of the client with accounts of the partner's domain"),
    "client of another time and computer of another domain": (
        "given.computers.sql2.principals_allowed_to_delegate_to_account = ['web1']\n"
        f"given.clocks.client1 = '+1m'\n{PAGE}", "given.clocks",
        "unexpected of the client with accounts of the partner's domain"),
    "user of another domain with a password": (
        f"given.users.alice.domain = 'partner'\n{PAGE}", "when.client", "the lab's trust carries Kerberos alone"),
    "trust with DES": (f"given.trust.supported_encryption_types = ['DES']\n{PAGE}",
                       "given.trust.supported_encryption_types", "expected some of AES128, AES256, RC4"),
    "trust with nothing": (f"given.trust.supported_encryption_types = []\n{PAGE}",
                           "given.trust.supported_encryption_types", "expected some of AES128, AES256, RC4"),
    "the partner's SPN in this domain": (f"given.accounts.pool.spns = ['MSSQLSvc/{{sql2}}:1433']\n{PAGE}", "given",
                                         "no SPN for a machine of the partner's domain"),
    "client without AES256": (f"when.client.encryption_types = ['RC4']\n{PAGE}", "when.client.encryption_types",
                              "AES256, which the user's TGT is of"),
    "curl where anybody may come": (
        f"given.front_ends.web1.sites.A.anonymousAuthentication.enabled = true\n"
        f"when.client = {{ program = 'curl', canonicalise = false, ntlm = false }}\n{PAGE}",
        "when.get", "a site that takes Negotiate"),
    "client with DES": (f"when.client.encryption_types = ['DES']\n{PAGE}", "when.client.encryption_types",
                        "expected some of AES128, AES256, RC4"),
    "unknown program": (f"when.client.program = 'wget'\n{PAGE}", "when.client.program",
                        "Input should be 'browser', 'curl' or 'dotnet', not 'wget'"),
    "dotnet with a browser's ways": (f"when.client.program = 'dotnet'\n{PAGE}", "when.client",
                                     "expected of dotnet ntlm = false, delegate = false and nothing else"),
    "browser over HTTP/2": (f"when.client.http2 = true\n{PAGE}", "when.client.http2", "expected only with program"),
    "dotnet over HTTP/2": (
        f"when.client = {{ program = 'dotnet', ntlm = false, delegate = false, http2 = true }}\n{PAGE}",
        "when.client", "expected of dotnet"),
    "curl with a browser's ways": (f"when.client.program = 'curl'\n{PAGE}", "when.client",
                                   "expected of curl canonicalise = false, ntlm = false"),
    "curl without channel bindings": (
        "when.client = { program = 'curl', canonicalise = false, ntlm = false, channel_binding = false }\n" + PAGE,
        "when.client", "nothing of a browser's"),
    "what curl does not count": (
        "when = { get = 'http://{web1}/', client = { program = 'curl', canonicalise = false, ntlm = false } }\n"
        "expect = { status = 401, handshakes = 1 }", "expect", "expected neither offers nor handshakes of curl"),
    "no such policy": (f"given.restrict_ntlm_in_this_domain = 'Deny'\n{PAGE}", "given.restrict_ntlm_in_this_domain",
                       "Input should be 'Disable' or 'Deny all', not 'Deny'"),
    "NTLM denied and a client out of time": (
        f"given.restrict_ntlm_in_this_domain = 'Deny all'\ngiven.clocks.client1 = '+2m'\n{PAGE}",
        "given.restrict_ntlm_in_this_domain", "expected not together with a clock of the client"),
    "NTLM denied and a web server's new password": (
        f"given.restrict_ntlm_in_this_domain = 'Deny all'\ngiven.after_sign_in.web1.password_reset = true\n{PAGE}",
        "given.restrict_ntlm_in_this_domain", "expected not together with a new password of a web server"),
    "NTLM denied to a registration": (
        f"given.restrict_ntlm_in_this_domain = 'Deny all'\n{REGISTRATION}", "given.restrict_ntlm_in_this_domain",
        "expected only with a request"),
    "nothing granted": ("when = { grant = {}, on = 'web1' }\nexpect.directory = 'success'", "when",
                        "expected `register` with an SPN or `grant` with one right to delegate"),
    "an SPN and a right": (
        "when = { register = 'HTTP/x', grant.trusted_for_delegation = true, on = 'web1' }\n"
        "expect.directory = 'success'", "when", "expected `register` with an SPN or `grant` with one right"),
    "a right that is there": (
        "given.accounts.pool.trusted_for_delegation = true\n"
        "when = { grant.trusted_for_delegation = true, on = 'pool' }\n"
        "expect.directory = 'success'", "when.grant.trusted_for_delegation", "a right that pool does not have already"),
    "a right that nobody knows": ("when = { grant.trusted = true, on = 'web1' }\nexpect.directory = 'success'",
                                  "when.grant.trusted", "unexpected key"),
    "granting to nobody": (
        "when = { grant.principals_allowed_to_delegate_to_account = ['pol'], on = 'web1' }\n"
        "expect.directory = 'success'", "when.grant.principals_allowed_to_delegate_to_account",
        "no account is called 'pol'"),
    "full control of a machine": (f"given.computers.web1.full_control = ['alice']\n{PAGE}",
                                  "given.computers.web1.full_control", "unexpected for this kind of account"),
    "full control for nobody": (f"given.accounts.pool.full_control = ['pol']\n{PAGE}", "given: pool",
                                "no account is called 'pol'"),
    "a word for a truth value": (f"{SITE}.applications.'/'.impersonate = 'yes'\n{PAGE}",
                                 "given.front_ends.web1.sites.Default Web Site.applications./.impersonate.bool",
                                 "Input should be a valid boolean, not 'yes'"),
    "a number for a truth value": (f"given.accounts.pool.trusted_for_delegation = 1\n{PAGE}",
                                   "given.accounts.pool.trusted_for_delegation",
                                   "Input should be a valid boolean, not 1"),
    "a word for a number": (f"when.times = '2'\n{PAGE}", "when.times", "Input should be a valid integer, not '2'"),
    "a truth value for a number": (f"given.users.alice.groups = true\n{PAGE}", "given.users.alice.groups",
                                   "Input should be a valid integer, not True"),
    "half a status": ("when.get = 'http://{web1}/'\nexpect.status = 200.5", "expect.status",
                      "Input should be a valid integer"),
    "a date for a word": (f"when.user = 2026-11-23\n{PAGE}", "when.user", "no user is called '2026-11-23'"),
    "an outcome of a page that nobody asks for": (
        "when.get = 'http://{web1}/'\nexpect = { unasked = 'NAME_NOT_RESOLVED', status = 401 }", "expect.unasked",
        "expected alone: whoever does not ask sees nothing else"),
    "from itself": (f"from = 'it'\n{PAGE}", "from", "topic::it starts from this one"),
    "unknown from": (f"from = 'base'\n{PAGE}", "from", "no scenario is called topic::base"),
    "unknown from in another file": (f"from = 'other::base'\n{PAGE}", "from", "no scenario is called other::base"),
    "change without from": (f"change.when.times = 2\n{PAGE}", "change", "expected only together with `from`"),
    "change outside given and when": (f"from = 'it'\nchange.expect.status = 401\n{PAGE}", "change.expect",
                                      "unexpected key, expected given or when"),
}


@pytest.mark.parametrize(("text", "key", "problem"), REFUSED.values(), ids=REFUSED)
def test_a_mistake_is_told_with_file_key_and_expectation(scenario, tmp_path, text, key, problem):
    with pytest.raises(InputError) as refusal:
        scenario(text)
    assert refusal.value.where == f"{tmp_path / 'topic.toml'}: it.{key}"
    assert problem in str(refusal.value)


def test_a_cycle_is_refused(load):
    loop = "".join(entry(name, f'from = "{other}"\n{EXPECT_401}') for name, other in
                   {"one": "two", "two": "three", "three": "two"}.items())
    with pytest.raises(InputError, match=r"topic\.toml: three\.from: topic::two starts from this one"):
        load(topic=loop)


FILES = {
    "bad syntax": (b"[one]\ntitle = \n", "Invalid value (at line 2, column 9)"),
    "a table twice": (b"[one]\n[one]\n", "Cannot declare ('one',) twice (at line 2, column 5)"),
    "not text": (b"\xff", "can't decode"),
    "missing": (None, "No such file"),
    "not a table": (b"one = 1", "expected a table, one for each scenario"),
    "no title": (b"[one]\nwhy = ''", "title: Field required"),
}


@pytest.mark.parametrize(("content", "problem"), FILES.values(), ids=FILES)
def test_a_file_that_cannot_be_read_is_named(tmp_path, topology, content, problem):
    path = tmp_path / "topic.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as refusal:
        catalogue.load_files([path], topology)
    assert str(refusal.value).startswith(str(path))
    assert problem in str(refusal.value)


def test_an_empty_folder_is_an_error(tmp_path, topology):
    with pytest.raises(InputError, match="expected scenario files, found none"):
        catalogue.load(topology, tmp_path)


def test_two_files_cannot_hold_one_id(tmp_path, topology):
    paths = [tmp_path / folder / "topic.toml" for folder in ("one", "two")]
    for path in paths:
        path.parent.mkdir()
        path.write_text(entry("it", PAGE))
    with pytest.raises(InputError, match=r"two/topic\.toml: it: .*one/topic\.toml has a scenario topic::it already"):
        catalogue.load_files(paths, topology)


@pytest.mark.parametrize(("client", "scheme"), [("{ ntlm = false }", "NTLM"), ("{}", "Basic")])
def test_an_outcome_that_the_client_rules_out_is_refused(tmp_path, topology, client, scheme):
    path = tmp_path / "topic.toml"
    path.write_text(
        f'[it]\ntitle = "t"\nwhy = "w"\nsources = []\nwhen.get = "http://{{web1}}/"\nwhen.client = {client}\n'
        f'expect = {{ status = 200, scheme = "{scheme}", sees.sql = "alice" }}\n'
    )
    with pytest.raises(InputError, match=f"expect.scheme: unexpected of a client without `{scheme.lower()}`"):
        catalogue.load_files([path], topology)


@pytest.mark.parametrize(("line", "text"), [
    pytest.param('names."Portal X" = "A web1"', "given: expected a label", id="a label that is no DNS name"),
    pytest.param("computers.web1.protected_user = true", "given.computers.web1.protected_user: unexpected",
                 id="a fact that a computer cannot have"),
    pytest.param('users.alice.without_spns = ["HTTP/x"]', "alice.without_spns: unexpected",
                 id="taking an SPN from an account that has none"),
])
def test_facts_that_would_be_passed_over_are_refused(tmp_path, topology, line, text):
    path = tmp_path / "topic.toml"
    path.write_text(
        f'[it]\ntitle = "t"\nwhy = "w"\nsources = []\ngiven.{line}\n'
        'when.get = "http://{web1}/"\nexpect.status = 401\n'
    )
    with pytest.raises(InputError, match=text):
        catalogue.load_files([path], topology)
