"""The tables of keys: which type a ticket is sealed with, and whether a service can sign in with the keys it has."""

from doublehop.rules.table import SAMBA, WINDOWS, Rule, Table

SEAL = Table(
    name="seal", question="Which type of key does the KDC seal the ticket with?",
    facts={
        "supported": "the strongest type in msDS-SupportedEncryptionTypes of the account that the ticket is for: "
                     "`AES256`, `AES128`, `RC4`, `none` of these, or `unset`",
        "AES keys": "the directory has AES keys of that account",
    },
    rules=(
        Rule(id="seal.unset-without-aes-keys-on-windows", platform=WINDOWS,
             when={"supported": "unset", "AES keys": False}, then="KDC_ERR_ETYPE_NOSUPP",
             why="Since April 2026 the default is AES alone, and there is no such key.", sources=("F-19", "G-02")),
        Rule(id="seal.unset-on-windows", platform=WINDOWS, when={"supported": "unset"}, then="AES256",
             why="Since April 2026 the default is AES.", sources=("F-19", "G-01")),
        Rule(id="seal.unset", when={"supported": "unset"}, then="RC4",
             why="The KDC's default decides, and that is RC4 for the ticket.", sources=("G-01", "F-21")),
        Rule(id="seal.nothing", when={"supported": "none"}, then="KDC_ERR_ETYPE_NOSUPP",
             why="The account supports nothing that the KDC has a key of.", sources=("H-10", "G-09")),
        Rule(id="seal.without-aes-keys", when={"AES keys": False}, then="RC4",
             why="A password older than the domain's AES keys has only the RC4 key.", sources=("G-02",)),
        Rule(id="seal.aes256", when={"supported": "AES256"}, then="AES256",
             why="The KDC takes the strongest that the account supports.", sources=("G-09", "F-18")),
        Rule(id="seal.aes128", when={"supported": "AES128"}, then="AES128",
             why="An account that supports only the shorter key gets tickets of that type.", sources=("G-09",)),
        Rule(id="seal.rc4", then="RC4",
             why="RC4 written out on the account is all that it supports.", sources=("F-20", "G-09")),
    ),
)

SESSION = Table(
    name="session", question="Which type is the session key of the browser's ticket?",
    facts={
        "common": "the strongest type that the client's policy and the account both take: `AES256`, `AES128`, `RC4` or "
                  "`none`; an account takes what is in its msDS-SupportedEncryptionTypes, AES too by the bit "
                  "AES256-SK, and RC4 with that bit when nothing is written there",
    },
    rules=(
        Rule(id="session.none", when={"common": "none"}, then="KDC_ERR_ETYPE_NOSUPP",
             why="There is no type that both take.", sources=("G-08", "H-10")),
        Rule(id="session.aes256", when={"common": "AES256"}, then="AES256",
             why="The strongest that both take, whatever the ticket is sealed with.", sources=("G-08",)),
        Rule(id="session.aes128", when={"common": "AES128"}, then="AES128",
             why="The strongest that both take, whatever the ticket is sealed with.", sources=("G-08", "G-09")),
        Rule(id="session.rc4", then="RC4",
             why="Without the bit for AES session keys an account of RC4 gets RC4 for both.", sources=("G-08", "G-09")),
    ),
)

REFERRAL = Table(
    name="referral", question="Does the user's KDC lead the browser on to the servers' KDC?",
    facts={
        "trusted forest": "the user is of a trusted forest",
        "common": "the client's policy and the trust have an encryption type in common",
    },
    rules=(
        Rule(id="referral.home", when={"trusted forest": False}, then="referred",
             why="Both are of one domain, and the one KDC answers.", sources=("S-02", "C-04")),
        Rule(id="referral.no-type", when={"common": False}, then="KDC_ERR_ETYPE_NOSUPP",
             why="The ticket that leads to the other KDC is of a type that the trust supports, and the client takes "
                 "none of those.", sources=("G-03",)),
        Rule(id="referral.across", then="referred",
             why="The user's KDC gives a ticket for the other one.", sources=("G-03", "C-23")),
    ),
)

SIGN_IN = Table(
    name="sign-in", question="Has a service's account a TGT of its own to ask with?",
    facts={
        "key": "the server holds the key that the directory wants: AES256, or RC4 where there are no AES keys",
        "KDC reachable": "the server has a way to the domain controller",
        "state": "what happened to the account once users had signed in: `nothing` that matters, `disabled` or "
                 "`password expired`",
    },
    rules=(
        Rule(id="sign-in.no-kdc", platform=SAMBA, when={"key": False, "KDC reachable": False}, then="NO_KDC_REACHABLE",
             why="It could not sign in when it started, and has nobody to try it with now.", sources=("H-01",)),
        Rule(id="sign-in.disabled", platform=SAMBA, when={"key": False, "state": "disabled"},
             then="KDC_ERR_CLIENT_REVOKED",
             why="It tries once more, and the KDC looks at the account before it looks at the proof.",
             sources=("G-04", "H-10")),
        Rule(id="sign-in.expired", platform=SAMBA, when={"key": False, "state": "password expired"},
             then="KDC_ERR_KEY_EXPIRED",
             why="It tries once more, and the KDC wants a new password before it looks at the proof.",
             sources=("G-04", "H-19")),
        Rule(id="sign-in.no-key", platform=SAMBA, when={"key": False}, then="SIGN_IN_FAILED",
             why="The directory asks for proof with the account's strongest key, and the keytab has no such key.",
             sources=("G-04",)),
        Rule(id="sign-in.done", then="yes",
             why="It signed in when it started.", sources=("B-09", "A-30")),
    ),
)

TABLES = (REFERRAL, SEAL, SESSION, SIGN_IN)
