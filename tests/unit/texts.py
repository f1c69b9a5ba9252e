"""Texts of scenario files, for tests of how they are read."""

EXPECT_401 = "expect.status = 401"
PAGE = 'when.get = "http://{web1}/"\nexpect = { status = 200, sees.sql = "alice" }'
REGISTRATION = 'when = { register = "HTTP/{web1}", on = "web1" }\nexpect.directory = "success"'


def entry(name: str, text: str) -> str:
    """A scenario's whole table."""
    return f'[{name}]\ntitle = "t"\nwhy = "w"\nsources = ["S-02"]\n{text}\n'
