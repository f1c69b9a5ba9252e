"""The tables of time and standing: whether the KDC hears somebody, whom it still takes, and whose clock is near."""

from doublehop.rules.table import SAMBA, WINDOWS, Rule, Table

STATE = "what happened to it after signing in: `nothing` that matters, `disabled` or `password expired`"

REACH = Table(
    name="reach", question="Does the KDC hear a request for a ticket?",
    facts={
        "KDC reachable": "the machine that asks has a way to the domain controller; a user's TGT for a back end of the "
                         "user's own domain needs that domain's alone",
        "clock": "its clock is within five minutes of the domain controller's",
    },
    rules=(
        Rule(id="reach.no-kdc", when={"KDC reachable": False}, then="NO_KDC_REACHABLE",
             why="Nobody answers for tickets.", sources=("A-02", "C-04", "H-01")),
        Rule(id="reach.skew", when={"clock": False}, then="KRB_AP_ERR_SKEW",
             why="The KDC's own clock is the measure, in both directions.", sources=("E-20", "H-10")),
        Rule(id="reach.heard", then="heard",
             why="A difference below five minutes is tolerated by everyone.", sources=("E-20", "H-14")),
    ),
)

HOLDER = Table(
    name="holder", question="Does the KDC still take the account that asks with its TGT?",
    facts={"state": STATE, "S4U": "it asks in somebody else's name"},
    rules=(
        Rule(id="holder.disabled-on-windows", platform=WINDOWS, when={"state": "disabled"},
             then="KDC_ERR_CLIENT_REVOKED",
             why="Once the TGT has some age, the KDC looks at the account again.", sources=("H-19", "H-10")),
        Rule(id="holder.disabled", when={"state": "disabled"}, then="KDC_ERR_POLICY",
             why="The KDC looks at the account again for every ticket.", sources=("H-19", "H-10")),
        Rule(id="holder.for-another", when={"S4U": True}, then="taken",
             why="A password's age matters in its owner's own name.", sources=("H-19",)),
        Rule(id="holder.expired", platform=SAMBA, when={"state": "password expired"}, then="KDC_ERR_KEY_EXPIRED",
             why="This KDC wants a new password before any further ticket.", sources=("H-19",)),
        Rule(id="holder.taken", then="taken",
             why="Its TGT is as good as when it was given.", sources=("H-19", "H-14")),
    ),
)

SUBJECT = Table(
    name="subject", question="Does the KDC give a ticket in this user's name to somebody else?",
    facts={"state": STATE, "S4U2Self": "the ticket is one to the asking account itself"},
    rules=(
        Rule(id="subject.disabled-on-windows", platform=WINDOWS, when={"state": "disabled"},
             then="KDC_ERR_CLIENT_REVOKED",
             why="Nobody gets a ticket in the name of an account that is disabled.", sources=("H-19", "H-10")),
        Rule(id="subject.disabled", when={"state": "disabled"}, then="KDC_ERR_POLICY",
             why="Nobody gets a ticket in the name of an account that is disabled.", sources=("H-19", "H-10")),
        Rule(id="subject.to-itself", when={"S4U2Self": True}, then="taken",
             why="No password is asked for, so its age does not matter.", sources=("C-08", "H-19")),
        Rule(id="subject.expired", platform=SAMBA, when={"state": "password expired"}, then="KDC_ERR_KEY_EXPIRED",
             why="This KDC looks at the password of the user who is delegated.", sources=("H-19",)),
        Rule(id="subject.taken", then="taken",
             why="The user's account is as it was.", sources=("C-04", "H-19")),
    ),
)

TIME = Table(
    name="time", question="Does the server take the ticket for one of this time?",
    facts={
        "ticket from the future": "the server's clock is more than five minutes behind the domain controller's",
        "clocks agree": "server and sender are within five minutes of each other",
    },
    rules=(
        Rule(id="time.skew-on-windows", platform=WINDOWS, when={"clocks agree": False}, then="KRB_AP_ERR_SKEW",
             why="The sender's time stamp is too far from the server's clock.", sources=("E-20", "H-10")),
        Rule(id="time.not-yet", when={"ticket from the future": True}, then="KRB_AP_ERR_TKT_NYV",
             why="The ticket is looked at before the sender's time stamp: it is not valid yet.", sources=("E-20",)),
        Rule(id="time.skew", when={"clocks agree": False}, then="KRB_AP_ERR_SKEW",
             why="The sender's time stamp is too far from the server's clock.", sources=("E-20", "H-10")),
        Rule(id="time.near", then="near",
             why="A difference below five minutes is tolerated by everyone.", sources=("E-20", "H-14")),
    ),
)

TABLES = (REACH, HOLDER, SUBJECT, TIME)
