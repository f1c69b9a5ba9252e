"""A pytest harness with a disposable ASP.NET/IIS Kerberos delegation lab."""

__version__ = "0.1.0"
