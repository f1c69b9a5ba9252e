"""The reference front end: documented IIS behaviour with real Kerberos.

What it answers comes from the keys it holds and the tokens it is sent. It has never heard of scenarios,
rules or expected outcomes.
"""
