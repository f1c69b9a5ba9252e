"""The tables of what a request comes on, and with: the connection, its TLS, and a password."""

from doublehop.rules.standing import STATE
from doublehop.rules.table import SAMBA, Rule, Table

CONNECTION = Table(
    name="connection", question="Another user asked just before: on whose connection does the request come?",
    facts={
        "shared": "a reverse proxy without connection affinity stands between, so all clients share one connection",
        "kept": "the server keeps the connection for the one before",
    },
    rules=(
        Rule(id="connection.own", when={"shared": False}, then="its own",
             why="What a connection has proven stays with the client who proved it.", sources=("B-31", "B-23")),
        Rule(id="connection.leaked", when={"kept": True}, then="the one before's",
             why="The server takes the connection for the one who authenticated it, and asks nobody else.",
             sources=("B-31", "B-23")),
        Rule(id="connection.forgotten", then="nobody's",
             why="A server that asks for proof with each request has nothing to leak.",
             sources=("B-31", "B-23", "B-24")),
    ),
)

BIND = Table(
    name="bind", question="Over TLS, what is the client's token bound to?",
    facts={
        "NTLM": "the token is an NTLM message",
        "client binds": "the client sends channel bindings, as Windows does",
        "proxy": "the client's TLS ends at a reverse proxy",
    },
    rules=(
        Rule(id="bind.ntlm", platform=SAMBA, when={"NTLM": True}, then="nothing",
             why="This lab's client binds no NTLM message, and its server could not tell.", sources=("B-25",)),
        Rule(id="bind.off", when={"client binds": False}, then="nothing",
             why="A client that knows nothing of extended protection names no connection.", sources=("B-25",)),
        Rule(id="bind.proxy", when={"proxy": True}, then="another connection",
             why="The client names the certificate that it saw, which is the proxy's.", sources=("B-25",)),
        Rule(id="bind.this", then="this connection",
             why="The client names the certificate that it saw, which is the server's.", sources=("B-25",)),
    ),
)

PROTECTION = Table(
    name="protection", question="Does the site take a token with this binding?",
    facts={
        "tokenChecking": "extendedProtection's `None`, `Allow` or `Require`",
        "bound": "`this connection`, `another connection` or `nothing`",
    },
    rules=(
        Rule(id="protection.none", when={"tokenChecking": "None"}, then="taken",
             why="The site does not look.", sources=("B-25",)),
        Rule(id="protection.fits", when={"bound": "this connection"}, then="taken",
             why="The token names the certificate that the server showed.", sources=("B-25",)),
        Rule(id="protection.another", when={"bound": "another connection"}, then="SEC_E_BAD_BINDINGS",
             why="A wrong binding is refused by whoever looks at all: somebody is in the middle.", sources=("B-25",)),
        Rule(id="protection.allow", when={"tokenChecking": "Allow"}, then="taken",
             why="Allow is for clients that bind nothing.", sources=("B-25",)),
        Rule(id="protection.require", then="SEC_E_BAD_BINDINGS",
             why="Require takes nothing that names no connection.", sources=("B-25",)),
    ),
)

BASIC = Table(
    name="basic", question="The site takes Basic, and nothing else let the user in: does a password?",
    facts={
        "typed": "the user types name and password when asked",
        "KDC": "the server has a way to the domain controller, whose clock is within five minutes of its own",
        "state": STATE,
        "old": "the user got a new password, and types the one before",
    },
    rules=(
        Rule(id="basic.not-typed", when={"typed": False}, then="refused",
             why="A browser sends no password by itself; somebody has to type it at the prompt.",
             sources=("C-31", "S-07")),
        Rule(id="basic.no-kdc", when={"KDC": False}, then="SEC_E_LOGON_DENIED",
             why="The front end signs the user in, and the KDC does not hear it.", sources=("C-31", "E-20", "H-01")),
        Rule(id="basic.disabled", when={"state": "disabled"}, then="SEC_E_LOGON_DENIED",
             why="Nobody signs in with an account that is disabled.", sources=("C-31", "H-19")),
        Rule(id="basic.expired", when={"state": "password expired"}, then="SEC_E_LOGON_DENIED",
             why="The password has to be changed at the next sign-in, and this is one.", sources=("C-31", "H-19")),
        Rule(id="basic.old", when={"old": True}, then="SEC_E_LOGON_DENIED",
             why="The KDC knows the new password alone.", sources=("C-31", "G-05")),
        Rule(id="basic.typed", then="Basic",
             why="The front end tries the password at the KDC.", sources=("C-31",)),
    ),
)

LOGON = Table(
    name="logon", question="What does a logon by password leave for the next hop?",
    facts={"logonMethod": "basicAuthentication's `ClearText` or `Network`"},
    rules=(
        Rule(id="logon.network", when={"logonMethod": "Network"}, then="a name",
             why="A network logon keeps nothing of the password.", sources=("C-31", "C-32")),
        Rule(id="logon.clear-text", then="the password's own TGT",
             why="The front end signs in as the user and can go on as the user, with no right to delegate.",
             sources=("C-31",)),
    ),
)

TABLES = (CONNECTION, BIND, PROTECTION, BASIC, LOGON)
