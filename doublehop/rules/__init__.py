"""The rules: what a configuration should come to at every hop, as tables that can be held against the sources.

`predict` is pure and total. Published outcome, prediction and observation are three accounts of one thing;
tests hold the first two together, a lab the last.
"""

from doublehop.rules import channel, hop1, hop2, registration
from doublehop.rules.asked import Prediction
from doublehop.rules.predict import predict
from doublehop.rules.table import PLATFORMS, SAMBA, WINDOWS, Decision, Rule, Table
from doublehop.rules.unruled import not_ruled_yet

TABLES = (*hop1.TABLES, *channel.TABLES, *hop2.TABLES, *registration.TABLES)

__all__ = ["PLATFORMS", "SAMBA", "TABLES", "WINDOWS", "Decision", "Prediction", "Rule", "Table", "not_ruled_yet",
           "predict"]
