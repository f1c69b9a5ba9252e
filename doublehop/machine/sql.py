"""The back end's agent: PostgreSQL with GSSAPI under the service class of SQL Server.

The server keeps the keytab of the account that holds the MSSQLSvc names; logins are roles named as the AD
account, mapped from `account@REALM` by pg_ident (row D-17). An account of another realm that is trusted is named with
its realm.
"""

import pwd
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql

from doublehop.machine.agent import bring_up_network, cut_off, make_keytab, maps_user, run, serve, until

BINARIES = Path("/usr/lib/postgresql/17/bin")
DATA = Path("/state/data")
SNAPSHOT = Path("/snapshot")
SOCKETS = Path("/run/postgresql")
KEYTAB = Path("/state/sql.keytab")
PORT = 1433

_administrator: list[Any] = []


def _as_postgres() -> tuple[str, ...]:
    """PostgreSQL refuses to be root, so it runs as its own user, or where that user is root by another number.

    A machine that maps just one user has no other (decision 3); one that maps all may be forbidden to map anew.
    """
    postgres = pwd.getpwnam("postgres")
    if maps_user(postgres.pw_uid):
        return ("setpriv", f"--reuid={postgres.pw_uid}", f"--regid={postgres.pw_gid}", "--clear-groups")
    return ("unshare", "--user", f"--map-user={postgres.pw_uid}", f"--map-group={postgres.pw_gid}")


def _give_to_postgres(*paths: Path) -> None:
    """Have these files and folders be PostgreSQL's own, where it is a user of its own."""
    postgres = pwd.getpwnam("postgres")
    if maps_user(postgres.pw_uid):
        run("chown", "--recursive", f"{postgres.pw_uid}:{postgres.pw_gid}", *map(str, paths))


def provision() -> None:
    """Make an empty cluster in the state folder."""
    DATA.mkdir(mode=0o700)
    _give_to_postgres(DATA)
    run(*_as_postgres(), str(BINARIES / "initdb"), "--pgdata", str(DATA), "--username", "postgres", "--auth", "trust",
        "--encoding", "UTF8", "--no-locale", "--no-sync")


def start(*, address: str, prefix: int, principal: str, salt: str, kvno: int, password: str, realm: str,
          others: list[str], logins: list[str]) -> None:
    """Start the server with the service account's key and these logins; no other realm's tickets are anybody's."""
    bring_up_network(address=address, prefix=prefix)
    shutil.copytree(SNAPSHOT / "data", DATA)
    DATA.chmod(0o700)
    SOCKETS.mkdir(parents=True, exist_ok=True)
    make_keytab(KEYTAB, principal=principal, salt=salt, kvno=kvno, password=password)
    (DATA / "pg_hba.conf").write_text(
        "local all postgres trust\n"
        "host all all 0.0.0.0/0 gss include_realm=1 map=ad\n"
    )
    known = [f'ad "/^(.*)@{re.escape(realm)}$" \\1\n', *(f'ad "/^(.*@{re.escape(each)})$" \\1\n' for each in others)]
    (DATA / "pg_ident.conf").write_text("".join(known))
    _give_to_postgres(DATA, SOCKETS, KEYTAB)
    options = {
        "listen_addresses": address, "port": str(PORT), "unix_socket_directories": str(SOCKETS),
        "krb_server_keyfile": str(KEYTAB), "krb_caseins_users": "off", "fsync": "off", "shared_buffers": "16MB",
        "log_connections": "on", "gss_accept_delegation": "off", "max_connections": "50",
        "autovacuum": "off", "max_wal_senders": "0", "wal_level": "minimal",
    }
    settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    server = [*_as_postgres(), str(BINARIES / "postgres"), "-D", str(DATA), *settings]
    subprocess.Popen(server, stdin=subprocess.DEVNULL)
    until("PostgreSQL", 30, lambda: _ready() or None)
    connection = psycopg2.connect(host=str(SOCKETS), port=PORT, user="postgres", dbname="postgres")
    connection.autocommit = True
    _administrator.append(connection.cursor())
    set_logins(add=logins, remove=[])


def _ready() -> bool:
    return subprocess.run(
        [BINARIES / "pg_isready", "--quiet", "--host", SOCKETS, "--port", str(PORT), "--username", "postgres",
         "--dbname", "postgres"], check=False
    ).returncode == 0


def set_logins(*, add: list[str], remove: list[str]) -> None:
    """Create and drop logins; names are AD account names."""
    cursor = _administrator[0]
    for name in remove:
        cursor.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))
    for name in add:
        cursor.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))


if __name__ == "__main__":
    serve({"provision": provision, "start": start, "set_logins": set_logins, "cut_off": cut_off})
