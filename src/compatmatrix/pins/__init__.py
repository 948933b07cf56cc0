"""Which version to pin: from needs and a run to the versions that serve them, with the evidence. Pure."""

from compatmatrix.pins.advice import Advice, Environment, Prefer, Rejected, Unserved, advise
from compatmatrix.pins.candidates import Candidate, NoEvidence, candidates
from compatmatrix.pins.evidence import Accepted, Evidence, Need, Standing, Told, accepted, needs

__all__ = [
    "Accepted",
    "Advice",
    "Candidate",
    "Environment",
    "Evidence",
    "Need",
    "NoEvidence",
    "Prefer",
    "Rejected",
    "Standing",
    "Told",
    "Unserved",
    "accepted",
    "advise",
    "candidates",
    "needs",
]
