"""A lab that another process brought up, used as if it were somebody's environment.

Nothing here speaks to the lab from this host's own network: whoever visits it does so from the client's.
"""

import base64
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from doublehop import catalogue, report
from doublehop import topology as topologies
from doublehop.lab import new_password
from doublehop.scope import scope_of

USERS = "CN=Users,DC=DOUBLEHOP,DC=TEST"
NORMAL, NEVER_EXPIRES, TRUSTED_FOR_DELEGATION, DISABLED = 0x200, 0x10000, 0x80000, 0x2
CA = "/state/private/tls/ca.pem"
KDC_LOG = "/var/log/samba/samba.log"
DATABASE = "/state/private/sam.ldb"
INVENTORY = """
[domain]
realm = "DOUBLEHOP.TEST"
netbios = "DOUBLEHOP"
kdc = "dc1.doublehop.test"
ldap = "dc1.doublehop.test"
ldap_ca = "ca.pem"
name_server = "10.93.0.10"
restrict_ntlm_in_this_domain = "Disable"
{log}

[reader]
account = "reader"
password_env = "READER_PASSWORD"

[machines.web1]
host = "web1.doublehop.test"
account = "WEB1$"

[machines.web2]
host = "web2.doublehop.test"
account = "WEB2$"

[machines.sql1]
host = "sql1.doublehop.test"
account = "SQL1$"

[names]
portal = "{portal}"

[accounts.alice]
account = "lab-alice"
role = "user"
password_env = "ALICE_PASSWORD"

[accounts.pool]
account = "lab-pool"
role = "service"

{front_end}

[back_ends.sql]
machine = "sql1"
spns = ["MSSQLSvc/sql1.doublehop.test", "MSSQLSvc/sql1.doublehop.test:1433"]
logins = ["alice", "pool", "web1", "web2", "sql1"]
"""
"""How the people who run that environment would write it down; the site's and the pool's names are their own."""


FRONT_END = """
[front_ends.web1]
applicationPools.Reports = { identityType = "SpecificUser", userName = "pool" }
sites.Reports.bindings = ["*:80:{portal}"]
sites.Reports.windowsAuthentication = { useKernelMode = false }
sites.Reports.applications."/" = { applicationPool = "Reports", impersonate = true }
"""
DEFAULT_SITE = """
[front_ends.web1]
sites."Default Web Site".applications."/" = { impersonate = true }
"""


@dataclass
class Standing:
    """The lab of another process, with what its administrator can do in it."""

    machines: dict[str, list[str]]
    folder: Path
    portal: str
    front_end: str
    passwords: dict[str, str] = field(default_factory=dict)

    def on(self, machine, *argv, stdin=""):
        """What a program on one of its machines says; secrets only ever come on standard input."""
        done = subprocess.run([*self.machines[machine], *argv], input=stdin, capture_output=True, text=True, timeout=60,
                              check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def administer(self, ldif):
        """Change its directory, as its administrator would."""
        self.on("dc1", "ldbmodify", "-H", DATABASE, stdin=ldif)

    def add(self, name, control=NORMAL | NEVER_EXPIRES):
        """Add an account with a password that only this test knows."""
        self.passwords[name] = new_password()
        self.administer(f"dn: CN={name},{USERS}\nchangetype: add\nobjectClass: user\nsAMAccountName: {name}\n"
                        f"userAccountControl: {control}\nunicodePwd:: {unicode_password(self.passwords[name])}\n")

    def set(self, name, attribute, *values):
        """Give an attribute of an account these values."""
        lines = "".join(f"{attribute}: {each}\n" for each in values)
        self.administer(f"dn: CN={name},{USERS}\nchangetype: modify\nreplace: {attribute}\n{lines}")

    def set_password(self, name):
        """Give an account that is there a password that only this test knows."""
        self.passwords[name] = new_password()
        self.administer(f"dn: CN={name},{USERS}\nchangetype: modify\nreplace: unicodePwd\n"
                        f"unicodePwd:: {unicode_password(self.passwords[name])}\n")

    def inventory(self, *changes, log=True, name="inventory.toml"):
        """An inventory of it, with texts changed; gives its path."""
        text = INVENTORY.format(portal=self.portal, front_end=self.front_end,
                                log='kdc_log = "kdc.log"' if log else "")
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        path = self.folder / name
        path.write_text(text)
        return path

    def visit(self, *arguments, inventory=None, environment=None, command="run", timeout=180):
        """Run doublehop against it from the client's network, in a process that knows nothing of the lab."""
        return self.run("-m", "doublehop", command, "--lab=existing", "--lab-inventory",
                        str(inventory or self.inventory()), *arguments, environment=environment, timeout=timeout)

    def run(self, *arguments, environment=None, timeout=180):
        """Run Python in the client's network."""
        return subprocess.run([*self._network(), sys.executable, *arguments], capture_output=True, text=True,
                              timeout=timeout, check=False, stdin=subprocess.DEVNULL, env=self._secrets(environment))

    def typed(self, *arguments, environment, after, text):
        """Run Python at a terminal, where somebody types a line once a prompt is there; gives all that is shown."""
        ours, theirs = os.openpty()
        process = subprocess.Popen([*self._network(), sys.executable, *arguments], env=self._secrets(environment),
                                   preexec_fn=lambda: os.login_tty(theirs))  # noqa: PLW1509 - there is one thread
        os.close(theirs)
        shown, told = b"", False
        with suppress(OSError):  # what a terminal says once nobody has it open
            while chunk := os.read(ours, 1 << 16):
                shown += chunk
                if not told and after.encode() in shown:
                    os.write(ours, f"{text}\n".encode())
                    told = True
        os.close(ours)
        assert process.wait(60) == 0, shown.decode()
        return shown.decode()

    def _secrets(self, environment):
        """This process's environment with the passwords that an inventory names."""
        secrets = {"READER_PASSWORD": self.passwords["reader"], "ALICE_PASSWORD": self.passwords["lab-alice"]}
        clean = {key: value for key, value in os.environ.items() if key not in secrets}
        return {**clean, **secrets, **(environment or {})}

    def _network(self):
        """The client's network, with everything else as it is on this host."""
        program, target = self.machines["client1"][:2]
        return [program, target, "--user", "--net", "--preserve-credentials", "--"]


def unicode_password(password):
    """A password as unicodePwd takes it, in LDIF."""
    return base64.b64encode(f'"{password}"'.encode("utf-16-le")).decode()


def portal_of(scenario_id):
    """What a lab that holds a scenario's configuration calls its portal."""
    topology = topologies.load()
    (scenario,) = catalogue.select(catalogue.load(topology), [scenario_id])
    return scope_of(scenario.id, scenario.given, topology).host("portal")


def ends(path):
    """How each scenario of a report ended."""
    return {each.id: (each.verdict, each.reason) for each in report.read(path).lines}
