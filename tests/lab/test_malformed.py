"""Malformed Authorization headers never crash the front end, never hang it and never authenticate."""

import base64
import json
import random
from pathlib import Path

import pytest

from doublehop.frontend import HttpSys
from doublehop.model import Principal
from tests.lab.portal import portal_site

SEND = (Path(__file__).parent / "send_headers.py").read_text()
NTLM_NEGOTIATE = b"NTLMSSP\0\x01\0\0\0" + bytes(24)
SPNEGO_START = bytes.fromhex("60820100 0606 2b0601050502 a0820100".replace(" ", ""))
PORTAL = portal_site(limits=HttpSys(MaxFieldLength=65534, MaxRequestBytes=1 << 20))


@pytest.fixture
def portal(directory, front_end):
    directory.add(names={"portal": "A web1"})
    directory.add(users={"eve": Principal()}, accounts={"pool": Principal(spns=("HTTP/{portal}",))})
    front_end.configure(PORTAL)
    return directory.fill("{portal}")


@pytest.fixture
def send(lab, portal):
    """Send raw Authorization values from the client machine; gives status and body of each."""

    def send(values):
        wanted = json.dumps([[portal, base64.b64encode(each).decode()] for each in values])
        done = lab.machines["client1"].run("python3", "-c", SEND, stdin=wanted, timeout=120).check()
        return json.loads(done.stdout)

    return send


def _negotiate(token: bytes) -> bytes:
    return b"Negotiate " + base64.b64encode(token)


def _generated(seed: int, number: int, real: bytes) -> list[bytes]:
    """Bad base64, truncations, single changed bytes, random bytes, other schemes and mechanisms."""
    rng = random.Random(seed)
    kinds = [
        lambda: b"Negotiate " + bytes(rng.choice(b"abc!@#$%^&*()=+/ ") for _ in range(rng.randrange(1, 80))),
        lambda: _negotiate(real[: rng.randrange(len(real))]),
        lambda: _negotiate(_flipped(real, rng)),
        lambda: _negotiate(rng.randbytes(rng.randrange(1, 3000))),
        lambda: _negotiate(SPNEGO_START + rng.randbytes(rng.randrange(1, 400))),
        lambda: _negotiate(NTLM_NEGOTIATE + rng.randbytes(rng.randrange(1, 60))),
        lambda: rng.choice([b"NTLM ", b"Basic ", b"Bearer ", b"Digest ", b"Kerberos "]) + base64.b64encode(real),
        lambda: rng.choice([b"", b"Negotiate", b"Negotiate ", b"negotiate =", b"\xff\xfe", b"Negotiate\t" + b"A" * 40]),
    ]
    return [kinds[index % len(kinds)]() for index in range(number)]


def _flipped(real: bytes, rng: random.Random) -> bytes:
    """The token with one byte changed inside its encrypted parts, which no reader may forgive."""
    at = rng.randrange(len(real) // 2, len(real))
    return real[:at] + bytes([real[at] ^ rng.randrange(1, 256)]) + real[at + 1 :]


@pytest.fixture
def real_token(lab, directory, client, portal):
    """A token that would authenticate, taken from the client's own library."""
    bench = client._bench
    ccache = f"FILE:/run/ccaches/{bench.scope.principal('eve')}"
    assert not lab.client.ask("sign_in", principal=bench.scope.principal("eve"), password=bench.passwords["eve"])
    make = (
        "import gssapi, base64, sys;"
        f"name = gssapi.Name('HTTP@{portal}', gssapi.NameType.hostbased_service);"
        "flags = gssapi.RequirementFlag.mutual_authentication;"
        "print(base64.b64encode(gssapi.SecurityContext(name=name, usage='initiate', flags=flags,"
        f" creds=gssapi.Credentials(usage='initiate', store={{'ccache': '{ccache}'}})"
        ").step()).decode())"
    )
    return base64.b64decode(lab.machines["client1"].run("python3", "-c", make).check().stdout)


def test_six_hundred_malformed_headers_authenticate_nobody(lab, send, real_token):
    values = _generated(seed=20, number=600, real=real_token)
    answers = send(values)
    assert len(answers) == 600
    assert {status for status, _ in answers} <= {400, 401}, [
        (status, value[:60]) for (status, _), value in zip(answers, values, strict=True) if status not in {400, 401}
    ]
    assert send([_negotiate(real_token)])[0][0] == 200, "the front end still serves whoever proves who they are"


def test_a_token_is_no_good_twice(send, real_token):
    """The guard of the test above: this token does authenticate, once (KRB_AP_ERR_REPEAT afterwards)."""
    first, second = send([_negotiate(real_token), _negotiate(real_token)])
    assert (first[0], second[0]) == (200, 401)


@pytest.mark.parametrize(("size", "status"), [
    pytest.param(60 * 1024, 401, id="60 KiB is read and refused for what it says"),
    pytest.param(66 * 1024, 400, id="66 KiB is too long"),
    pytest.param(1 << 20, 400, id="1 MiB is too long"),
])
def test_the_length_limit_is_that_of_http_sys(send, size, status):
    ((got, body),) = send([b"Negotiate " + b"A" * (size - 10)])
    assert got == status
    assert ("Request header too long" in body or "Request Too Long" in body) == (status == 400)
