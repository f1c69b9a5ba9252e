"""NTLM belongs to a connection, is checked by the domain controller, and leaves nothing behind."""

import json
from pathlib import Path

import pytest

from doublehop import catalogue, generated
from doublehop.execute import execute
from doublehop.frontend import BasicAuthentication, FrontEnd, Provider, Site, WindowsAuthentication
from doublehop.model import Principal, Scheme
from doublehop.wait import until

CLIENT = (Path(__file__).parent / "ntlm_client.py").read_text()
IDLE_HELPERS = 2
"""How many the front end keeps for the next handshake (`machine/iis/ntlm.py`, which no host can import)."""
SITE = FrontEnd(sites={"Portal": Site(
    bindings=("*:80:{portal}",),
    windowsAuthentication=WindowsAuthentication(
        providers=(Provider.Negotiate, Provider.NTLM), authPersistNonNTLM=False,
    ),
    basicAuthentication=BasicAuthentication(enabled=True),
)})


@pytest.fixture
def eve(lab, directory, front_end, client):
    """What eve's programs know: where the portal is, and her name and password."""
    directory.add(names={"portal": "A web1"}, users={"eve": Principal()})
    front_end.configure(SITE)
    bench = client._bench
    return {"host": directory.fill("{portal}"), "user": f"{lab.topology.domain}\\{directory.account('eve')}",
            "password": bench.passwords["eve"]}


@pytest.fixture
def steps(lab, eve):
    """Run steps of `ntlm_client.py` in the client machine."""

    def run(*names):
        done = lab.machines["client1"].run("python3", "-c", CLIENT, stdin=json.dumps(eve | {"steps": names}),
                                           timeout=120)
        return json.loads(done.check().stdout)

    return run


def test_the_connection_is_authenticated_and_no_other_is(steps, directory):
    same, other, apart = steps("same_connection", "another_connection", "legs_on_two_connections")
    assert same == [200, 200, f"{directory.account('eve')}@DOUBLEHOP.TEST"]
    assert other == [200, 401]
    assert apart == 401


def test_bare_messages_are_taken_inside_negotiate(steps):
    assert steps("inside_negotiate") == [200]


def test_spnego_may_carry_them(steps):
    assert steps("wrapped_in_spnego") == [[[401, ""], [200, "SPNEGO"]]]


def test_a_site_that_takes_kerberos_only_refuses_them(steps, front_end):
    front_end.configure(FrontEnd(sites={"Portal": Site(
        bindings=("*:80:{portal}",),
        windowsAuthentication=WindowsAuthentication(providers=(Provider.NegotiateKerberos,)),
    )}))
    assert steps("first_inside_negotiate") == [401]
    assert [each["error"] for each in front_end.log()] == ["SEC_E_UNSUPPORTED_FUNCTION"]


def test_a_wrong_password_is_refused_and_the_right_one_still_taken(steps, front_end):
    assert steps("wrong_password", "wrong_then_right") == [401, [401, 200]]
    errors = {each["error"]: each["native"] for each in front_end.log() if each["error"]}
    assert errors == {"SEC_E_LOGON_DENIED": "NT_STATUS_LOGON_FAILURE"}


def test_a_message_is_no_good_twice_and_nobody_is_somebody(steps):
    assert steps("second_message_twice", "anonymous") == [401, [401, 401]]


def test_spoilt_messages_authenticate_nobody(steps):
    second, first, alone, whole = steps("spoilt", "spoilt_first", "second_message_first", "same_connection")
    assert len(second) == 48
    assert {status for _, status in second} == {401}, second
    assert set(first) == {401}
    assert alone == 401
    assert whole[:2] == [200, 200], "the front end still serves whoever proves who they are"


def test_half_done_handshakes_end_with_their_connections(lab, eve):
    talk = lab.machines["client1"].open("python3", "-c", CLIENT)
    try:
        talk.send(json.dumps(eve | {"steps": ["half_done"]}).encode() + b"\n")
        assert talk.receive(30).strip() == b"held {401}"
        assert _helpers(lab) >= 12
    finally:
        talk.close()
    until("the helpers of closed connections to end", 10, lambda: _helpers(lab) <= IDLE_HELPERS or None)


def _helpers(lab):
    return len(lab.machines["web1"].run("pgrep", "-x", "ntlm_auth").stdout.split())


@pytest.mark.parametrize("prefix", ["", "DOUBLEHOP\\"])
def test_curl_speaks_the_same_ntlm(lab, eve, prefix):
    """The guard of the others: a client that shares no code with the lab's own."""
    assert _curl(lab, eve, "ntlm", prefix, eve["password"]) == 200
    assert _curl(lab, eve, "ntlm", prefix, "certainly not") == 401


@pytest.mark.parametrize("prefix", ["", "DOUBLEHOP\\"])
def test_basic_takes_the_right_password_and_no_other(lab, eve, prefix):
    assert _curl(lab, eve, "basic", prefix, eve["password"]) == 200
    assert _curl(lab, eve, "basic", prefix, "certainly not") == 401
    assert _curl(lab, eve, "basic", prefix, "") == 401


def _curl(lab, eve, scheme, prefix, password):
    """The status curl ends with; what is secret goes in by its standard input."""
    user = prefix + eve["user"].rpartition("\\")[2]
    text = f'user = "{user}:{password}"'.replace("\\", "\\\\")
    done = lab.machines["client1"].run(
        "curl", "--silent", f"--{scheme}", "--config", "-", "--output", "/dev/null", "--write-out", "%{http_code}",
        f"http://{eve['host']}/whoami?back_ends=", stdin=text,
    )
    return int(done.check().stdout)


def test_a_domain_that_denied_ntlm_takes_it_again(lab, settle):
    """The domain controller was started anew twice; members, administrator and database are to find it again."""
    chosen = ["ntlm::denied-in-the-domain", "ntlm::any-protocol", "ntlm::ntlm-only-denied-in-the-domain",
              "ntlm::second-pool-of-one-name"]
    scenarios = {each.id: each for each in catalogue.load(lab.topology)}
    for name in chosen:
        settle(execute(scenarios[name], lab))


def test_a_web_server_whose_account_is_reset_goes_on_checking_ntlm(lab, settle):
    """It has a channel to the domain controller, which a new password does not end; a domain that was away does."""
    scenarios = {each.id: each for each in catalogue.load(lab.topology)}
    reset = generated.admitted("ntlm::reset", {
        "given": {"after_sign_in": {"web1": {"password_reset": True}}},
        "when": {"get": "http://{web1.address}/whoami", "back_ends": []}}, lab.topology)
    assert reset and reset.expect.scheme == Scheme.NTLM
    for each in (scenarios["ntlm::any-protocol"], scenarios["ntlm::denied-in-the-domain"], reset):
        settle(execute(each, lab))
