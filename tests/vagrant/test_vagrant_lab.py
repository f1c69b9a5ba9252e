"""The lab that Vagrant makes: what it is made of, what runs in it, and what is left of it."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from doublehop import cache, catalogue, holder, providers
from doublehop import topology as topologies
from doublehop.data import LAB
from doublehop.errors import HostError, LabError
from doublehop.lab import provision
from doublehop.model import VerdictKind
from doublehop.providers import docker as containers
from doublehop.providers import vagrant_docker
from doublehop.providers.vagrant_state import State
from doublehop.session import Session

pytestmark = pytest.mark.delegation

SMOKE = {
    "constrained::listed": "a service may delegate to the database",
    "constrained::nothing-listed": "its sibling, which must fail",
    "unconstrained::trusted-for-delegation": "a forwarded TGT",
    "basic::clear-text": "a password on the wire",
    "ntlm::*-hop-1": "checked by the domain controller",
    "ports::two-identities": "one host name, two pools",
    "rbcd::allowed": "the back end says who may",
    "transition::any-protocol": "S4U2Self first",
    "chain::constrained": "two front ends in a row",
    "trust::*database": "a second domain, started by Vagrant when a scenario needs it",
}


def everything(engine):
    """All containers and networks of any lab, and every folder that a lab keeps for Vagrant."""
    mine = {"label": containers.LABEL}
    made = [*engine.containers.list(all=True, filters=mine), *engine.networks.list(filters=mine)]
    return {each.name for each in made} | {str(each) for each in (cache.folder() / "vagrant").glob("*")}
