"""The rules: what a configuration should come to at every hop, as tables that can be held against the sources.

`predict` is pure and total. Published outcome, prediction and observation are three accounts of one thing;
tests hold the first two together, a lab the last.
"""

from doublehop.rules import channel, hop1, hop2, keys, registration, sizes, standing
from doublehop.rules.asked import Prediction
from doublehop.rules.predict import predict
from doublehop.rules.table import HTTP_CLIENT, PLATFORMS, SAMBA, WINDOWS, Decision, Rule, Table

TABLES = (*hop1.TABLES, *channel.TABLES, *standing.TABLES, *keys.TABLES, *sizes.TABLES, *hop2.TABLES,
          *registration.TABLES)

__all__ = ["HTTP_CLIENT", "PLATFORMS", "SAMBA", "TABLES", "WINDOWS", "Decision", "Prediction", "Rule", "Table",
           "predict"]
