"""The tables of hop 1: which SPN the client asks for, whose ticket it gets, and whether the site can open it."""

from doublehop.rules.standing import STATE
from doublehop.rules.table import SAMBA, WINDOWS, Rule, Table

NAME = Table(
    name="name", question="Which name does the browser put into the SPN?",
    facts={
        "kind": "what the host in the URL is: `address`, `alias` (a CNAME), `short` (NetBIOS) or `name`",
        "in hosts file": "the client's hosts file has the name",
        "canonicalise": "the browser looks up the canonical name, its default",
    },
    rules=(
        Rule(id="name.address-on-windows", platform=WINDOWS, when={"kind": "address"}, then="none",
             why="A Windows browser asks no ticket for an address; it goes on with NTLM.", sources=("A-06",)),
        Rule(id="name.address", when={"kind": "address"}, then="as typed",
             why="An address has no other name; the client asks for it as it is.", sources=("A-06",)),
        Rule(id="name.hosts-file", when={"in hosts file": True}, then="as typed",
             why="The hosts file answers before the DNS and knows no canonical name.", sources=("A-28",)),
        Rule(id="name.lookup-off", when={"canonicalise": False}, then="as typed",
             why="With the look-up switched off the name goes in as typed.", sources=("A-04", "A-05")),
        Rule(id="name.alias", when={"kind": "alias"}, then="canonical",
             why="The browser follows a CNAME to its end.", sources=("A-03",)),
        Rule(id="name.short", when={"kind": "short"}, then="canonical",
             why="The resolver makes the full name of a short one.", sources=("A-05", "S-11")),
        Rule(id="name.full", then="as typed",
             why="A name with an address record of its own stands for itself.", sources=("S-12", "A-01")),
    ),
)

PORT = Table(
    name="port", question="Does the SPN carry the port?",
    facts={"default port": "80 or 443", "port in SPN": "the client is told to write it"},
    rules=(
        Rule(id="port.default", when={"port in SPN": True, "default port": True}, then="without",
             why="80 and 443 are never written.", sources=("A-19",)),
        Rule(id="port.written", when={"port in SPN": True}, then="with",
             why="A client that is told so asks for HTTP/<host>:<port>.", sources=("A-17", "A-18", "S-24")),
        Rule(id="port.left-out", then="without",
             why="The port is no part of the SPN.", sources=("A-17", "S-25")),
    ),
)

FIND = Table(
    name="find", question="Does the client find the server?",
    facts={"record": "the DNS or the client's hosts file has an address for the host in the URL"},
    rules=(
        Rule(id="find.nowhere", when={"record": False}, then="NAME_NOT_RESOLVED",
             why="Without an address there is no connection, and nothing to make an SPN for.", sources=("E-21",)),
        Rule(id="find.address", then="found",
             why="There is an address to connect to.", sources=("E-21", "A-28")),
    ),
)

SITE = Table(
    name="site", question="Does a site serve the URL?",
    facts={"application": "a binding fits name and port, and an application the path"},
    rules=(
        Rule(id="site.none", when={"application": False}, then="404",
             why="No binding fits the host header, or no application the path; nobody is asked who they are.",
             sources=("A-08",)),
        Rule(id="site.found", then="served",
             why="The binding with the exact host header and the application with the longest path serve.",
             sources=("S-24", "S-25")),
    ),
)

CHALLENGE = Table(
    name="challenge", question="Does the browser send a ticket?",
    facts={
        "anonymous": "anonymous authentication is on for the application",
        "windows": "Windows authentication is on",
        "negotiate": "one of the providers is Negotiate",
        "integrated": "integrated Windows authentication is ticked in the browser",
        "silent zone": "the site is in the intranet or the trusted zone",
        "SPN": "the browser has an SPN to ask for",
    },
    rules=(
        Rule(id="challenge.anonymous", when={"anonymous": True}, then="anonymous",
             why="The first request succeeds as it is, so nobody is asked for a ticket.", sources=("B-20",)),
        Rule(id="challenge.off", when={"windows": False}, then="refused",
             why="Nothing is offered (401.2).", sources=("B-19",)),
        Rule(id="challenge.zone", when={"silent zone": False}, then="refused",
             why="The user's own credentials are not sent there.", sources=("S-09", "S-07")),
        Rule(id="challenge.no-negotiate", when={"negotiate": False}, then="no ticket",
             why="Without Negotiate no ticket is asked for.", sources=("S-10", "B-17")),
        Rule(id="challenge.integrated-off", when={"integrated": False}, then="no ticket",
             why="The browser ignores the offer of Negotiate.", sources=("S-08", "S-07")),
        Rule(id="challenge.no-spn", platform=WINDOWS, when={"SPN": False}, then="no ticket",
             why="There is no name to ask a ticket for.", sources=("A-06",)),
        Rule(id="challenge.ticket", then="ticket",
             why="The browser takes Negotiate, and inside it Kerberos goes first.", sources=("S-10", "B-17", "B-18")),
    ),
)

TICKET = Table(
    name="ticket", question="What does the KDC answer to the browser?",
    facts={
        "found": "where the SPN is: `exact`, `twice`, `through HOST` (sPNMappings), `by the computer's name` (no HOST "
                 "name, but the host begins with a computer's name), `HOST and another's name` or `nowhere`",
    },
    rules=(
        Rule(id="ticket.unknown", when={"found": "nowhere"}, then="KDC_ERR_S_PRINCIPAL_UNKNOWN",
             why="No account holds the name, so there is no key to seal a ticket with.", sources=("A-01", "S-12")),
        Rule(id="ticket.twice-on-windows", platform=WINDOWS, when={"found": "twice"},
             then="KDC_ERR_PRINCIPAL_NOT_UNIQUE",
             why="Event 11; published traces show error 8 or 7.", sources=("A-10",)),
        Rule(id="ticket.twice", when={"found": "twice"}, then="KDC_ERR_S_PRINCIPAL_UNKNOWN",
             why="The KDC cannot know whose key is meant and issues none.", sources=("A-10", "A-12", "S-26")),
        Rule(id="ticket.computer-name", platform=SAMBA, when={"found": "by the computer's name"}, then="issued",
             why="This KDC takes HOST/<name>... for the computer of that name, whether or not it holds the SPN.",
             sources=("A-07",)),
        Rule(id="ticket.no-host", when={"found": "by the computer's name"}, then="KDC_ERR_S_PRINCIPAL_UNKNOWN",
             why="A computer without the HOST name has nothing that stands in for HTTP.", sources=("A-07", "A-18")),
        Rule(id="ticket.host-and-name", platform=SAMBA, when={"found": "HOST and another's name"},
             then="KDC_ERR_S_PRINCIPAL_UNKNOWN",
             why="The holder of HOST and the computer of that name are two answers to one question.",
             sources=("A-07", "A-10")),
        Rule(id="ticket.host-of-another", when={"found": "HOST and another's name"}, then="issued",
             why="Whoever holds HOST answers for HTTP, whatever its name is.", sources=("A-07", "S-19")),
        Rule(id="ticket.host", when={"found": "through HOST"}, then="issued",
             why="HOST of a computer answers for HTTP; the ticket is the computer's.",
             sources=("A-07", "S-19", "S-20")),
        Rule(id="ticket.exact", then="issued",
             why="The ticket is sealed for the one account that holds the SPN.", sources=("S-02", "A-20")),
    ),
)

NTLM = Table(
    name="ntlm", question="Without a ticket, does the browser get in by NTLM?",
    facts={
        "client": "the client's policy allows outgoing NTLM",
        "ticket": "why there is none: `unknown SPN`, `no KDC`, `another error` or `not asked`",
        "inside Negotiate": "Negotiate is offered and the browser takes it",
        "Negotiate": "one of the providers is Negotiate, and not Negotiate:Kerberos",
        "NTLM": "one of the providers is NTLM",
        "DC reachable": "the server has a way to the domain controller",
        "protected": "the user is a member of Protected Users",
        "state": STATE,
        "bound": "the site takes a message with the binding that it has",
        "domain": "the domain's policy takes NTLM",
    },
    rules=(
        Rule(id="ntlm.denied", when={"client": False}, then="refused",
             why="Nothing else is sent.", sources=("E-26", "A-18")),
        Rule(id="ntlm.no-kdc", when={"ticket": "no KDC"}, then="refused",
             why="NTLM is for names that the KDC does not know, and nobody said so.", sources=("A-02",)),
        Rule(id="ntlm.another-error", when={"ticket": "another error"}, then="refused",
             why="The KDC knows the name; what it objects to is no reason for NTLM.", sources=("E-20", "H-10")),
        Rule(id="ntlm.not-offered", when={"inside Negotiate": False, "NTLM": False}, then="refused",
             why="The only offer is one that the browser passes over.", sources=("S-08", "S-07")),
        Rule(id="ntlm.not-bound", when={"bound": False}, then="SEC_E_BAD_BINDINGS",
             why="Extended protection is for NTLM too, and it is looked at first.", sources=("B-25", "A-01")),
        Rule(id="ntlm.kerberos-only", when={"inside Negotiate": True, "Negotiate": False},
             then="SEC_E_UNSUPPORTED_FUNCTION",
             why="Negotiate:Kerberos takes no NTLM message.", sources=("B-18",)),
        Rule(id="ntlm.no-dc", when={"DC reachable": False}, then="STATUS_NO_LOGON_SERVERS",
             why="The server has nobody to ask about the answer to its challenge.", sources=("H-20", "S-06")),
        Rule(id="ntlm.protected", when={"protected": True}, then="STATUS_ACCOUNT_RESTRICTION",
             why="The domain controller checks no NTLM for protected users.", sources=("C-20",)),
        Rule(id="ntlm.denied-in-the-domain", when={"domain": False}, then="STATUS_NTLM_BLOCKED",
             why="The domain controller refuses every NTLM logon.", sources=("E-26",)),
        Rule(id="ntlm.disabled", when={"state": "disabled"}, then="STATUS_ACCOUNT_DISABLED",
             why="The domain controller looks at the account each time.", sources=("H-20",)),
        Rule(id="ntlm.expired", when={"state": "password expired"}, then="STATUS_PASSWORD_MUST_CHANGE",
             why="NTLM is a sign-in, and the password has to be changed at the next one.", sources=("H-20",)),
        Rule(id="ntlm.in", then="NTLM",
             why="The domain controller checks the answer to the challenge; no ticket comes along.",
             sources=("A-01", "S-06", "S-10")),
    ),
)

KEY = Table(
    name="key", question="Whose key opens tickets for this application?",
    facts={
        "identity": "the pool's identity: `machine`, `domain account` or `LocalService`",
        "kernel mode": "useKernelMode",
        "app pool credentials": "useAppPoolCredentials",
    },
    rules=(
        Rule(id="key.machine", when={"identity": "machine"}, then="computer",
             why="Built-in identities are the computer account on the network, in user mode too.",
             sources=("B-01", "B-09", "S-21")),
        Rule(id="key.kernel-mode", when={"kernel mode": True, "app pool credentials": False}, then="computer",
             why="HTTP.sys opens tickets with the computer's key, whoever the pool is.", sources=("B-02", "B-03")),
        Rule(id="key.local-service", when={"identity": "LocalService"}, then="nobody",
             why="LocalService has no account in the domain and so no key.", sources=("B-09",)),
        Rule(id="key.app-pool-credentials", when={"kernel mode": True}, then="pool",
             why="useAppPoolCredentials: HTTP.sys takes the pool account's key.", sources=("B-05",)),
        Rule(id="key.user-mode", then="pool",
             why="Without kernel mode the worker process opens the ticket with its own key.",
             sources=("B-06", "B-07")),
    ),
)

OPEN = Table(
    name="open", question="Does the ticket open?",
    facts={
        "key": "whose key is tried", "same account": "it is the key of the account that holds the SPN",
        "type held": "the server has the key of the ticket's type",
        "old": "the account got a new password since the server got its keys",
    },
    rules=(
        Rule(id="open.no-key", when={"key": "nobody"}, then="SEC_E_NO_CREDENTIALS",
             why="There is no key to try.", sources=("B-09",)),
        Rule(id="open.other", when={"same account": False}, then="KRB_AP_ERR_MODIFIED",
             why="The ticket is sealed for another account's key.", sources=("A-09", "S-04")),
        Rule(id="open.another-type", when={"type held": False}, then="KRB_AP_ERR_MODIFIED",
             why="Keys of one password are different keys for each type.", sources=("G-04", "G-09", "A-09")),
        Rule(id="open.old", when={"old": True}, then="KRB_AP_ERR_MODIFIED",
             why="The KDC seals with the key of the new password.", sources=("G-05", "A-09")),
        Rule(id="open.same", then="opened",
             why="SPN and key belong to one account.", sources=("S-02", "S-14")),
    ),
)

FORWARD = Table(
    name="forward", question="Does the user's TGT come along?",
    facts={
        "has TGT": "whoever asks has a TGT, and no more than a proxy ticket otherwise (S4U2Proxy)",
        "sensitive": "the user is sensitive and cannot be delegated",
        "protected": "the user is a member of Protected Users",
        "owner trusted": "the SPN's account is trusted for delegation, so the ticket says ok-as-delegate",
        "client looks": "the client honours ok-as-delegate, as Windows does",
        "trusted forest": "the user is of a trusted forest, so the ticket was asked for across the trust",
        "asks": "the client is set up to delegate to the site",
        "Credential Guard": "the machine of whoever asks runs Credential Guard",
    },
    rules=(
        Rule(id="forward.proxy-ticket", when={"has TGT": False}, then="kept",
             why="S4U2Proxy gives tickets and no TGT, so a server has none to forward.", sources=("C-27", "C-04")),
        Rule(id="forward.not-asked", when={"asks": False}, then="kept",
             why="A client that is not set up to delegate to a site sends no TGT there, whatever the KDC says.",
             sources=("E-06", "E-15")),
        Rule(id="forward.credential-guard", when={"Credential Guard": True}, then="kept",
             why="Credential Guard hands out no TGT, whatever the service may have.", sources=("C-26", "E-22")),
        Rule(id="forward.sensitive", when={"sensitive": True}, then="kept",
             why="The TGT of a sensitive user is not forwardable.", sources=("C-19",)),
        Rule(id="forward.protected", when={"protected": True}, then="kept",
             why="The TGT of a protected user is not forwardable.", sources=("C-20",)),
        Rule(id="forward.across", when={"trusted forest": True, "client looks": True}, then="kept",
             why="The ticket that leads across a forest trust does not say ok-as-delegate.", sources=("C-25", "C-24")),
        Rule(id="forward.trusted", when={"owner trusted": True}, then="forwarded",
             why="ok-as-delegate tells the client that the service may have the TGT.", sources=("C-02", "S-22")),
        Rule(id="forward.careless", when={"client looks": False}, then="forwarded",
             why="ok-as-delegate is advice: such a client forwards to anyone.", sources=("C-03",)),
        Rule(id="forward.not-trusted", then="kept",
             why="Without ok-as-delegate the client keeps its TGT.", sources=("C-01", "C-02")),
    ),
)

KLIST = Table(
    name="klist", question="Which flags does klist show of the service ticket?",
    facts={
        "kept back": "the user is sensitive or a member of Protected Users, or the SPN's account is sensitive itself",
        "owner trusted": "the SPN's account is trusted for delegation",
        "trusted forest": "the user is of a trusted forest, so the ticket was asked for across the trust",
    },
    rules=(
        Rule(id="klist.across", when={"kept back": False, "trusted forest": True}, then="forwardable",
             why="The ticket that leads across a forest trust does not say ok-as-delegate, nor what is got with it.",
             sources=("E-24", "C-25")),
        Rule(id="klist.both", when={"kept back": False, "owner trusted": True}, then="forwardable ok_as_delegate",
             why="The KDC marks tickets for whom it trusts with any user's TGT.", sources=("E-24", "C-02")),
        Rule(id="klist.forwardable", when={"kept back": False}, then="forwardable",
             why="The ticket may become evidence for another (S4U2Proxy); the TGT is not for this service.",
             sources=("E-24", "C-01")),
        Rule(id="klist.delegate", when={"owner trusted": True, "trusted forest": False}, then="ok_as_delegate",
             why="The mark is about the service; the user's tickets are not forwardable all the same.",
             sources=("E-24", "C-19")),
        Rule(id="klist.none", then="",
             why="No ticket of such a user, or for such an account, is forwardable.",
             sources=("E-24", "C-19", "C-20", "C-40")),
    ),
)

PERSIST = Table(
    name="persist", question="How often does the browser prove who it is on one connection?",
    facts={"single request": "authPersistSingleRequest", "NTLM": "NTLM proved it", "persist": "authPersistNonNTLM"},
    rules=(
        Rule(id="persist.single-request", when={"single request": True}, then="each request",
             why="The connection forgets its user after each request.", sources=("B-24",)),
        Rule(id="persist.ntlm", when={"NTLM": True}, then="once",
             why="NTLM proves a connection, whatever is said of the others.", sources=("B-23", "B-24")),
        Rule(id="persist.connection", when={"persist": True}, then="once",
             why="IIS keeps the user for the connection.", sources=("B-23",)),
        Rule(id="persist.off", then="each request",
             why="Every request is refused first and then proven.", sources=("B-23",)),
    ),
)

TABLES = (FIND, NAME, PORT, SITE, CHALLENGE, TICKET, KLIST, NTLM, KEY, OPEN, FORWARD, PERSIST)
