"""The tables of hop 2: who goes out, on what evidence, whether the KDC allows it, and whom the back end lets in."""

from doublehop.rules.table import HTTP_CLIENT, SAMBA, WINDOWS, Rule, Table

THREAD = Table(
    name="thread", question="Who goes out on hop 2?",
    facts={
        "acts as": "the page takes on a named user by itself (S4U2Self)",
        "impersonate": "`no`, `fixed` (a named account) or `caller`",
        "anonymous": "nobody was authenticated on hop 1",
        "TGT": "the caller's TGT is here: forwarded, or got with the password (Basic, ClearText)",
        "ticketless": "the caller came without a ticket: by NTLM, or by Basic with a network logon",
        "identity": "the pool's identity: `machine`, `domain account` or `LocalService`",
    },
    rules=(
        Rule(id="thread.transition-by-nobody", when={"acts as": True, "identity": "LocalService"}, then="nobody",
             why="LocalService is nobody to the KDC and cannot ask for anyone's ticket.", sources=("B-09", "C-08")),
        Rule(id="thread.transition", when={"acts as": True}, then="the named user, by S4U2Self",
             why="The pool's account asks for a ticket to itself in the user's name.", sources=("S-06", "C-08")),
        Rule(id="thread.fixed", when={"impersonate": "fixed"}, then="the fixed account",
             why="One account is on every thread, with its own password.", sources=("B-14", "S-28")),
        Rule(id="thread.anonymous", when={"impersonate": "caller", "anonymous": True}, then="nobody",
             why="The thread is IUSR, which has no credentials for the network.", sources=("B-13",)),
        Rule(id="thread.forwarded", when={"impersonate": "caller", "TGT": True}, then="the caller",
             why="The caller's TGT gets any ticket in the caller's name.", sources=("C-02", "C-31")),
        Rule(id="thread.ticketless", when={"impersonate": "caller", "ticketless": True}, then="the caller, by S4U2Self",
             why="The account that checks callers asks for a ticket to itself in the name of one who brought none.",
             sources=("C-07", "C-08", "S-06")),
        Rule(id="thread.caller", when={"impersonate": "caller"}, then="the caller, by S4U2Proxy",
             why="The account that opened the ticket may only ask the KDC for a proxy ticket.",
             sources=("C-01", "C-04", "B-12")),
        Rule(id="thread.local-service", when={"identity": "LocalService"}, then="nobody",
             why="LocalService has no identity on the network.", sources=("B-09",)),
        Rule(id="thread.pool", then="the pool's identity",
             why="Without impersonation the worker process goes out as itself.", sources=("B-11", "B-09", "S-28")),
    ),
)

SELF = Table(
    name="self", question="Does the KDC give the pool's account a ticket to itself in the user's name (S4U2Self)?",
    facts={"a service": "the pool's account holds any SPN at all, or is a computer or a gMSA",
           "itself": "the user it names is that very account",
           "trusted forest": "the user it names is of a trusted forest"},
    rules=(
        Rule(id="self.not-a-service", when={"a service": False}, then="KDC_ERR_S_PRINCIPAL_UNKNOWN",
             why="Without any SPN the account is no service, and nobody gets a ticket to it, itself included.",
             sources=("C-08", "A-01")),
        Rule(id="self.itself", when={"itself": True}, then="KDC_KNOWS_NO_S4U",
             why="The ticket names the account itself, which is how a KDC without S4U would answer.",
             sources=("C-08",)),
        Rule(id="self.across", platform=SAMBA, when={"trusted forest": True}, then="KDC_ERR_C_PRINCIPAL_UNKNOWN",
             why="Samba's KDC looks for the user in its own directory, and refers nobody on.",
             sources=("C-08", "C-24")),
        Rule(id="self.service", then="issued",
             why="Any service may ask for a ticket to itself; what it is good for is another question.",
             sources=("C-08", "C-09")),
    ),
)

EVIDENCE = Table(
    name="evidence", question="Is the evidence for a proxy ticket forwardable?",
    facts={
        "sensitive": "the user to be delegated is sensitive and cannot be delegated",
        "protected": "the user to be delegated is a member of Protected Users",
        "asker sensitive": "the account that shows it is itself sensitive and cannot be delegated",
        "S4U2Self": "the ticket was made by S4U2Self and not brought by the user",
        "trusted to authenticate": "the account has TRUSTED_TO_AUTH_FOR_DELEGATION",
        "empty list": "the account's msDS-AllowedToDelegateTo is empty",
    },
    rules=(
        Rule(id="evidence.sensitive", when={"sensitive": True}, then="not forwardable",
             why="No ticket of a sensitive user is forwardable, whoever asks for it.", sources=("C-19",)),
        Rule(id="evidence.protected", when={"protected": True, "S4U2Self": False}, then="not forwardable",
             why="No ticket that a protected user brings is forwardable.", sources=("C-20", "C-21")),
        Rule(id="evidence.protected-transition-on-windows", platform=WINDOWS, when={"protected": True},
             then="not forwardable", why="Nor is one that a service makes in their name.", sources=("C-20",)),
        Rule(id="evidence.sensitive-service", when={"asker sensitive": True}, then="not forwardable",
             why="No ticket to a service of a sensitive account is forwardable, whoever brings it.", sources=("C-40",)),
        Rule(id="evidence.brought", when={"S4U2Self": False}, then="forwardable",
             why="The user's own service ticket is forwardable as their TGT is.", sources=("C-04",)),
        Rule(id="evidence.any-protocol", when={"trusted to authenticate": True}, then="forwardable",
             why="'Use any authentication protocol' makes the S4U2Self ticket forwardable.", sources=("C-08",)),
        Rule(id="evidence.empty-list-on-windows", platform=WINDOWS, when={"empty list": True}, then="forwardable",
             why="With an empty list Windows makes it forwardable all the same: RBCD always allows transition.",
             sources=("C-17",)),
        Rule(id="evidence.kerberos-only", then="not forwardable",
             why="An account that is not trusted to authenticate gets a ticket that is no evidence.",
             sources=("C-07", "C-32")),
    ),
)

SERVICE = Table(
    name="service", question="Does the KDC know the back end?",
    facts={
        "credentials": "what goes out: `none`, `TGT` (of whoever goes out) or `proxy` (S4U2Proxy)",
        "found": "where the back end's SPN is, in the words of the browser's ticket",
    },
    rules=(
        Rule(id="service.anonymous-on-windows", platform=WINDOWS, when={"credentials": "none"}, then="ANONYMOUS LOGON",
             why="Windows connects as ANONYMOUS LOGON, which SQL Server refuses with 18456.",
             sources=("B-12", "B-13")),
        Rule(id="service.nobody", when={"credentials": "none"}, then="NO_CREDENTIALS",
             why="There is nothing to ask the KDC with.", sources=("B-09", "B-13")),
        Rule(id="service.unknown", when={"found": "nowhere"}, then="KDC_ERR_S_PRINCIPAL_UNKNOWN",
             why="The back end's SPN is registered nowhere.", sources=("A-25",)),
        Rule(id="service.twice-on-windows", platform=WINDOWS, when={"found": "twice"},
             then="KDC_ERR_PRINCIPAL_NOT_UNIQUE",
             why="Published traces show error 8 or 7.", sources=("A-10",)),
        Rule(id="service.twice", when={"found": "twice"}, then="KDC_ERR_S_PRINCIPAL_UNKNOWN",
             why="Two accounts hold the back end's SPN.", sources=("A-10", "A-25")),
        Rule(id="service.no-host", platform=WINDOWS, when={"found": "by the computer's name"},
             then="KDC_ERR_S_PRINCIPAL_UNKNOWN",
             why="A computer without the HOST name has nothing that stands in for HTTP.", sources=("A-07",)),
        Rule(id="service.host-and-name", platform=SAMBA, when={"found": "HOST and another's name"},
             then="KDC_ERR_S_PRINCIPAL_UNKNOWN",
             why="The holder of HOST and the computer of that name are two answers to one question.",
             sources=("A-07", "A-10")),
        Rule(id="service.found", then="found",
             why="The ticket will be for the one account that holds the SPN.", sources=("A-22", "A-24")),
    ),
)

DELEGATE = Table(
    name="delegate", question="Does the KDC grant the back end's ticket?",
    facts={
        "credentials": "what goes out: `TGT` (of whoever goes out) or `proxy` (S4U2Proxy)",
        "evidence": "`forwardable` or `not forwardable`",
        "listed": "the asked SPN is on the asking account's msDS-AllowedToDelegateTo, letter by letter but for case",
        "named": "the back end's account names the asking account (RBCD)",
        "across": "the back end is of another domain than the front end",
    },
    rules=(
        Rule(id="delegate.own-ticket", when={"credentials": "TGT"}, then="issued",
             why="Whoever has a TGT gets a ticket for any service.", sources=("C-02", "B-11")),
        Rule(id="delegate.evidence", when={"evidence": "not forwardable"}, then="KDC_ERR_BADOPTION",
             why="A ticket that is not forwardable is no evidence, whoever grants the pair.",
             sources=("C-15", "C-19", "C-07")),
        Rule(id="delegate.named-across-on-windows", platform=WINDOWS, when={"across": True, "named": True},
             then="issued",
             why="RBCD is read in the back end's domain, wherever the front end is.", sources=("C-24", "C-23")),
        Rule(id="delegate.across", when={"across": True}, then="KDC_ERR_BADOPTION",
             why="A list is read in the front end's domain and reaches no other.", sources=("C-23",)),
        Rule(id="delegate.listed", when={"listed": True}, then="issued",
             why="KCD: the asking account's list has the asked SPN.", sources=("C-04", "C-06")),
        Rule(id="delegate.named", when={"named": True}, then="issued",
             why="RBCD: the back end's account names the asking account.", sources=("C-13", "C-18")),
        Rule(id="delegate.not-granted", then="KDC_ERR_BADOPTION",
             why="Neither side grants the pair.", sources=("C-01", "C-05", "C-14")),
    ),
)

LOGIN = Table(
    name="login", question="Does the back end let them in?",
    facts={
        "same account": "the back end's SPN is on the account that runs it",
        "type held": "the back end has the key of the ticket's type",
        "old": "the account got a new password since the back end got its keys",
        "login": "the back end has a login for whoever goes out",
    },
    rules=(
        Rule(id="login.other-key", when={"same account": False}, then="KRB_AP_ERR_MODIFIED",
             why="The ticket is sealed for another account's key.", sources=("A-24",)),
        Rule(id="login.another-type", when={"type held": False}, then="KRB_AP_ERR_MODIFIED",
             why="The KDC seals as the account says, with a key that the back end has not.", sources=("G-09", "A-24")),
        Rule(id="login.old", when={"old": True}, then="KRB_AP_ERR_MODIFIED",
             why="The KDC seals with the key of the new password.", sources=("G-05", "A-24")),
        Rule(id="login.missing", when={"login": False}, then="LOGIN_FAILED",
             why="Kerberos is in order; the database does not know the name.", sources=("D-07", "D-08")),
        Rule(id="login.in", then="let in",
             why="The back end sees whoever went out.", sources=("A-22", "C-02", "B-11")),
    ),
)

CALLING = Table(
    name="calling", question="Does a page among the back ends want a ticket?",
    facts={"anonymous": "anonymous authentication is on for that page"},
    rules=(
        Rule(id="calling.anonymous-on-windows", platform=WINDOWS, when={"anonymous": True}, then="no",
             why="A Windows client first asks as it is, and gets its answer.", sources=("B-20", "D-15")),
        Rule(id="calling.anonymous-by-http-client", platform=HTTP_CLIENT, when={"anonymous": True}, then="no",
             why="HttpClient shows a ticket to who offers Negotiate, and to nobody else.", sources=("B-20", "D-15")),
        Rule(id="calling.ticket", then="yes",
             why="The page is asked in somebody's name, with a ticket for HTTP/<host>.", sources=("D-15", "C-27")),
    ),
)

HANDED = Table(
    name="handed", question="Does a page let the TGT that it goes out with come along to another page?",
    facts={},
    rules=(
        Rule(id="handed.by-http-client", platform=HTTP_CLIENT, then="no",
             why="HttpClient asks for no delegation, and has no switch for it.", sources=("E-19", "C-27")),
        Rule(id="handed.on", then="yes",
             why="HttpWebRequest asks for delegation unless it is told not to, and so does the reference.",
             sources=("C-27", "C-02")),
    ),
)

TOKEN = Table(
    name="token", question="Does a page among the back ends look at the ticket that a server sends it?",
    facts={"windows": "Windows authentication is on", "negotiate": "one of the providers is Negotiate"},
    rules=(
        Rule(id="token.off", when={"windows": False}, then="SEC_E_INVALID_TOKEN",
             why="A site that offers nothing takes nothing.", sources=("B-19", "D-15")),
        Rule(id="token.no-negotiate", when={"negotiate": False}, then="SEC_E_INVALID_TOKEN",
             why="A ticket travels in Negotiate alone.", sources=("S-10", "B-17", "D-15")),
        Rule(id="token.taken", then="taken",
             why="The server sends its ticket with the first request, and Negotiate is what takes it.",
             sources=("D-15", "S-10")),
    ),
)

TABLES = (THREAD, SELF, EVIDENCE, SERVICE, DELEGATE, CALLING, HANDED, TOKEN, LOGIN)
