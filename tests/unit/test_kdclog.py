"""The KDC's log: lines in the form that Samba 4.22 writes, and anything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doublehop.kdclog import of_a_service, parse
from doublehop.model import KdcLine

S4U_REFUSED = (
    "  Kerberos: TGS-REQ ERR_BADOPTION ipv4:10.93.0.21:35490 s1-pool@DOUBLEHOP.TEST "
    "MSSQLSvc/sql1.doublehop.test@DOUBLEHOP.TEST impersonatee=s1-alice@DOUBLEHOP.TEST elapsed=0.001 "
    "reason=Constrained delegation not allowed"
)
S4U_ISSUED = (
    "  Kerberos: TGS-REQ SUCCESS ipv4:10.93.0.21:35492 s1-pool@DOUBLEHOP.TEST "
    "MSSQLSvc/sql1.doublehop.test@DOUBLEHOP.TEST impersonatee=s1-alice@DOUBLEHOP.TEST elapsed=0.002"
)
ISSUED = (
    "  Kerberos: TGS-REQ SUCCESS ipv4:10.93.0.41:40010 s1-alice@DOUBLEHOP.TEST "
    "HTTP/portal.s1.doublehop.test@DOUBLEHOP.TEST elapsed=0.001"
)
UNKNOWN_SPN = (
    "  Kerberos: TGS-REQ ERR_S_PRINCIPAL_UNKNOWN ipv4:10.93.0.41:40012 s1-alice@DOUBLEHOP.TEST "
    "HTTP/nowhere.doublehop.test@DOUBLEHOP.TEST elapsed=0.001 reason=Service principal unknown"
)
PREAUTH = (
    "  Kerberos: AS-REQ ERR_PREAUTH_REQUIRED ipv6:fd00::41:40014 s1-alice@DOUBLEHOP.TEST "
    "krbtgt/DOUBLEHOP.TEST@DOUBLEHOP.TEST e-text=Need\\sto\\suse\\sPA-ENC-TIMESTAMP/PA-PK-AS-REQ elapsed=0.003"
)
SIGNED_IN = (
    "  Kerberos: AS-REQ SUCCESS ipv4:10.93.0.41:40016 s1-alice@DOUBLEHOP.TEST "
    "krbtgt/DOUBLEHOP.TEST@DOUBLEHOP.TEST pa=ENC-TS elapsed=0.004"
)

SQL, TGT = "MSSQLSvc/sql1.doublehop.test", "krbtgt/DOUBLEHOP.TEST"
PARSED = {
    S4U_REFUSED: KdcLine(kind="TGS", client="s1-pool", service=SQL, impersonated="s1-alice",
                         error="KDC_ERR_BADOPTION", reason="Constrained delegation not allowed"),
    S4U_ISSUED: KdcLine(kind="TGS", client="s1-pool", service=SQL, impersonated="s1-alice"),
    ISSUED: KdcLine(kind="TGS", client="s1-alice", service="HTTP/portal.s1.doublehop.test"),
    UNKNOWN_SPN: KdcLine(kind="TGS", client="s1-alice", service="HTTP/nowhere.doublehop.test",
                         error="KDC_ERR_S_PRINCIPAL_UNKNOWN", reason="Service principal unknown"),
    PREAUTH: KdcLine(kind="AS", client="s1-alice", service=TGT, error="KDC_ERR_PREAUTH_REQUIRED",
                     reason="Need to use PA-ENC-TIMESTAMP/PA-PK-AS-REQ"),
    SIGNED_IN: KdcLine(kind="AS", client="s1-alice", service=TGT),
}
IDS = ["refused proxy", "issued proxy", "issued", "unknown SPN", "preauthentication", "signed in"]


def told(line):
    return (line.kind, line.client, line.service, line.error, line.reason, line.impersonated)


def result(kind, word, names="s1-alice@DOUBLEHOP.TEST HTTP/web1@DOUBLEHOP.TEST", rest="elapsed=0.001"):
    (line,) = parse(f"  Kerberos: {kind}-REQ {word} ipv4:10.93.0.41:40018 {names} {rest}")
    return line


def test_a_request_refused_unread_names_nobody():
    line = result("TGS", "KRB5KRB_AP_ERR_SKEW", "<unknown> <unknown>")
    assert (line.kind, line.service, line.error) == ("TGS", "", "KRB_AP_ERR_SKEW")


@pytest.mark.parametrize(("word", "error"), {
    "UNKNOWN--1765328366": "KDC_ERR_CLIENT_REVOKED", "UNKNOWN--1765328347": "KRB_AP_ERR_SKEW",
    "UNKNOWN--1765328284": "UNKNOWN (100)", "UNKNOWN": "KDC_UNKNOWN", "ERR_POLICY": "KDC_ERR_POLICY",
}.items())
def test_a_number_gets_its_name(word, error):
    assert result("AS", word).error == error


@pytest.mark.parametrize(("rest", "encryption"), {
    "etype=18/23 elapsed=0.001": "RC4", "etype=18/17": "AES128", "etype=23/18": "AES256", "etype=18/3": "DES",
    "etype=18/99": "99", "elapsed=0.001": "",
}.items())
def test_the_tickets_encryption_is_the_second_number(rest, encryption):
    assert result("TGS", "SUCCESS", rest=rest).encryption == encryption


@pytest.mark.parametrize(("text", "expected"), PARSED.items(), ids=IDS)
def test_a_result_line_is_one_record(text, expected):
    (line,) = parse(text)
    assert told(line) == told(expected)
    assert line.text == text.strip()


def test_records_are_in_the_order_of_the_log():
    assert [told(each) for each in parse("\n".join(PARSED))] == [told(each) for each in PARSED.values()]


OTHERS = [
    "",
    "  Kerberos: TGS-REQ authtime: 2026-05-05T10:00:00 starttime: unset endtime: unset renew till: unset",
    "  Kerberos: AS-REQ s1-alice@DOUBLEHOP.TEST from ipv4:10.93.0.41:40014 for krbtgt/DOUBLEHOP.TEST@DOUBLEHOP.TEST",
    "[2026/05/05 10:00:00.000000,  3] ../../source4/auth/kerberos/krb5_init_context.c:87(smb_krb5_debug_wrapper)",
]


@pytest.mark.parametrize("text", OTHERS)
def test_other_lines_are_passed_over(text):
    assert list(parse(f"{text}\n{ISSUED}\n{text}")) == list(parse(ISSUED))


pieces = st.sampled_from([*PARSED, *OTHERS, *S4U_REFUSED.split(), "=", "\\s", "\n", " "])


@given(st.text() | st.lists(pieces | st.text()).map("".join) | st.lists(pieces).map(" ".join))
def test_no_log_makes_the_reader_fail(text):
    for line in parse(text):
        assert line.kind in {"AS", "TGS"}
        assert line.error == "" or line.error.startswith("KDC_")
        assert line.text in text


def event(number, **data):
    return {"log": "Security", "id": number, "provider": "Microsoft-Windows-Security-Auditing",
            "time": "2026-11-23T17:00:00.000Z", "data": {"TargetDomainName": "DOUBLEHOP.TEST", **data}}


def test_a_windows_kdc_tells_events():
    """Names of an event's data as Windows gives them; what no request is (4776) is passed over."""
    told = [
        event(4768, TargetUserName="s1-alice", ServiceName="krbtgt", Status="0x0", TicketEncryptionType="0x12"),
        event(4776, TargetUserName="s1-alice", Status="0x0"),
        event(4771, TargetUserName="s1-bob", ServiceName="krbtgt/DOUBLEHOP.TEST", Status="0x18"),
        event(4769, TargetUserName="s1-alice@DOUBLEHOP.TEST", ServiceName="WEB1$", Status="0x0",
              TicketEncryptionType="0x17"),
        event(4769, TargetUserName="s1-pool@DOUBLEHOP.TEST", ServiceName="SQL1$", Status="0xd",
              TicketEncryptionType="0xffffffff"),
    ]
    told_of = [(each.kind, each.client, each.service, each.error, each.encryption) for each in parse(told)]
    assert told_of == [
        ("AS", "s1-alice", "krbtgt", "", "AES256"),
        ("AS", "s1-bob", "krbtgt/DOUBLEHOP.TEST", "KDC_ERR_PREAUTH_FAILED", ""),
        ("TGS", "s1-alice", "WEB1$", "", "RC4"), ("TGS", "s1-pool", "SQL1$", "KDC_ERR_BADOPTION", ""),
    ]
    assert "ServiceName=SQL1$" in list(parse(told))[-1].text


def test_which_record_is_of_a_service():
    """Windows names the account that a ticket is for, and so it may be that of any name."""
    spn = "HTTP/portal.doublehop.test"
    expected = {"": True, "HTTP/portal.doublehop.test": True, "http/PORTAL.doublehop.test": True, "WEB1$": True,
                "HTTP/other.doublehop.test": False, "krbtgt": False, "krbtgt/DOUBLEHOP.TEST": False}
    assert {each: of_a_service(KdcLine(kind="TGS", client="alice", service=each), spn) for each in expected} == expected
