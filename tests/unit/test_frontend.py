"""IIS's own words: bindings, pool identities and defaults."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doublehop.frontend import Binding, FrontEnd, LogonMethod, PoolIdentity, Provider, TokenChecking, parse_binding

GOOD = {
    "*:80:": Binding("*", 80, ""),
    "*:8081:portal.doublehop.test": Binding("*", 8081, "portal.doublehop.test"),
    "10.93.0.21:80:": Binding("10.93.0.21", 80, ""),
    "*:80:Portal": Binding("*", 80, "portal"),
    "*:65535:": Binding("*", 65535, ""),
    "http/*:80:portal": Binding("*", 80, "portal", "http"),
    "https/*:443:portal": Binding("*", 443, "portal", "https"),
    "https/10.93.0.21:8443:": Binding("10.93.0.21", 8443, "", "https"),
}
BAD = ["", "80", "*:80", "*:80:a:b", "*::", "*:http:", "*:0:", "*:65536:", "*:-1:", "*: 80:", "*:²:", "*:٣:",
       "web1:80:", "ftp/*:21:", "/*:80:", "https:*:443:", "HTTPS/*:443:"]

labels = st.text("abcdefghijklmnopqrstuvwxyz0123456789-.", max_size=20)


@pytest.mark.parametrize(("text", "binding"), GOOD.items(), ids=GOOD)
def test_a_binding_is_address_port_and_host(text, binding):
    assert parse_binding(text) == binding


@pytest.mark.parametrize("text", BAD)
def test_anything_else_is_refused_with_the_form_expected(text):
    with pytest.raises(ValueError, match=r"expected address:port:host such as '\*:80:', not "):
        parse_binding(text)


@given(st.just("*") | st.ip_addresses(v=4).map(str), st.integers(1, 65535), labels)
def test_what_a_binding_says_is_what_it_was_made_of(address, port, host):
    assert parse_binding(f"{address}:{port}:{host}") == Binding(address, port, host)


@given(st.text())
def test_no_text_makes_the_parser_fail_in_another_way(text):
    try:
        assert parse_binding(text).port > 0
    except ValueError as failure:
        assert "expected address:port:host" in str(failure)


def test_pools_that_are_the_computer_account_on_the_network():
    assert {each for each in PoolIdentity if each.is_machine} == {
        PoolIdentity.ApplicationPoolIdentity, PoolIdentity.NetworkService, PoolIdentity.LocalSystem,
    }


def test_an_untouched_front_end_is_iis_as_installed():
    (site,) = FrontEnd().sites.values()
    windows = site.windowsAuthentication
    assert site.bindings == ("*:80:",)
    assert site.applications["/"].applicationPool in FrontEnd().applicationPools
    assert windows.providers == (Provider.Negotiate, Provider.NTLM)
    assert (windows.enabled, windows.useKernelMode, windows.useAppPoolCredentials) == (True, True, False)
    assert not site.anonymousAuthentication.enabled
    assert windows.extendedProtection.tokenChecking is TokenChecking.NONE
    assert not site.basicAuthentication.enabled
    assert site.basicAuthentication.logonMethod is LogonMethod.ClearText
