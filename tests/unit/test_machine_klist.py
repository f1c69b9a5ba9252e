"""What the client reads out of klist's words for a ticket."""

from doublehop.machine.klist import ticket

TEXT = """Ticket cache: FILE:/run/ccaches/alice
Default principal: s1-alice@DOUBLEHOP.TEST

Valid starting     Expires            Service principal
11/23/26 13:47:51  11/23/26 23:47:51  krbtgt/DOUBLEHOP.TEST@DOUBLEHOP.TEST
\trenew until 11/24/26 13:47:51, Flags: FRIA
\tEtype (skey, tkt): aes256-cts-hmac-sha1-96, aes256-cts-hmac-sha1-96 
11/23/26 13:48:31  11/23/26 23:47:51  HTTP/web1.doublehop.test@DOUBLEHOP.TEST
\trenew until 11/24/26 13:47:51, Flags: FRAOT
\tEtype (skey, tkt): DEPRECATED:arcfour-hmac, DEPRECATED:arcfour-hmac 
11/23/26 13:48:31  11/23/26 23:47:51  HTTP/web1.doublehop.test:81@DOUBLEHOP.TEST
\tFlags: AT
\tEtype (skey, tkt): aes128-cts-hmac-sha1-96, aes256-cts-hmac-sha1-96 
11/23/26 13:48:31  11/23/26 23:47:51  HTTP/10.93.0.21@
\tTicket server: HTTP/10.93.0.21@DOUBLEHOP.TEST
\trenew until 11/24/26 13:47:51, Flags: FA
\tEtype (skey, tkt): aes256-cts-hmac-sha1-96, aes256-cts-hmac-sha1-96 
11/23/26 13:48:31  11/23/26 23:47:51  HTTP/odd.doublehop.test@DOUBLEHOP.TEST
\trenew until 11/24/26 13:47:51, Flags: AO
\tEtype (skey, tkt): camellia256-cts-cmac, aes256-cts-hmac-sha1-96 
"""  # noqa: W291 - klist ends its lines so


def test_flags_and_session_key_of_one_service():
    assert ticket(TEXT, "HTTP/web1.doublehop.test") == {
        "session_key": "RC4", "ticket_flags": ["forwardable", "ok_as_delegate"]}


def test_a_ticket_that_cannot_be_renewed_has_its_flags_on_a_line_of_their_own():
    assert ticket(TEXT, "http/WEB1.doublehop.test:81") == {"session_key": "AES128", "ticket_flags": []}


def test_a_type_nobody_named_stays_as_it_is():
    assert ticket(TEXT, "HTTP/odd.doublehop.test") == {
        "session_key": "camellia256-cts-cmac", "ticket_flags": ["ok_as_delegate"]}


def test_a_service_whose_realm_the_client_did_not_know():
    assert ticket(TEXT, "HTTP/10.93.0.21") == {"session_key": "AES256", "ticket_flags": ["forwardable"]}


def test_no_ticket_is_nothing():
    assert ticket(TEXT, "HTTP/web2.doublehop.test") == {}
    assert ticket("", "HTTP/web1.doublehop.test") == {}
