"""What MIT's trace tells of the tickets that a program asked for."""

import pytest

from doublehop.machine.traced import told_by

ASKED = "[7] 1.5: Getting credentials lab-alice@R -> HTTP/web1.r@R using ccache FILE:/run/x\n"
GIVEN = "[7] 1.6: TGS request result: 0/Success\n"
REFUSED = "[7] 1.6: TGS request result: -1765328377/Server HTTP/web1.r@R not found in Kerberos database\n"
SENT = "[7] 1.5: Sending request (1874 bytes) to R\n[7] 1.5: Initiating TCP connection to stream 10.93.0.10:88\n"
HEARD = "[7] 1.6: Received answer (1800 bytes) from stream 10.93.0.10:88\n"
OTHER = "[7] 1.2: Getting credentials lab-alice@R -> krbtgt/R@R using ccache FILE:/run/x\n"


@pytest.mark.parametrize(("trace", "spn", "error"), [
    pytest.param("", "", "", id="no ticket was asked for"),
    pytest.param(ASKED + GIVEN, "HTTP/web1.r", "", id="a ticket"),
    pytest.param(ASKED + REFUSED, "HTTP/web1.r", "KDC_ERR_S_PRINCIPAL_UNKNOWN", id="none"),
    pytest.param(ASKED + REFUSED + REFUSED + ASKED + GIVEN, "HTTP/web1.r", "", id="one in the end"),
    pytest.param(ASKED, "HTTP/web1.r", "", id="from the cache"),
    pytest.param(ASKED + SENT + HEARD + REFUSED, "HTTP/web1.r", "KDC_ERR_S_PRINCIPAL_UNKNOWN", id="none, an answer"),
    pytest.param(ASKED + SENT + ASKED + SENT, "HTTP/web1.r", "NO_KDC_REACHABLE", id="no answer"),
    pytest.param(ASKED + SENT + SENT + HEARD + GIVEN, "HTTP/web1.r", "", id="an answer at last"),
    pytest.param(OTHER + ASKED + GIVEN, "HTTP/web1.r", "", id="among others"),
    pytest.param(ASKED + GIVEN + OTHER + REFUSED, "HTTP/web1.r", "", id="before another that is refused"),
])
def test_a_trace_tells_the_spn_and_the_error(trace, spn, error):
    assert told_by(trace) == {"spn": spn, "error": error}
