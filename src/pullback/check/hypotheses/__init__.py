"""What may have been done to the right Jacobian J to get the one that backward implies, B: one fault, one function.

Each takes the evidence and says how it knows, or nothing. A file is a family of faults, and `table` says which of
them is believed first.
"""

from pullback.check.hypotheses.evidence import NOTHING_SIMPLE, Evidence
from pullback.check.hypotheses.table import Explanation, planted, surviving

__all__ = ["NOTHING_SIMPLE", "Evidence", "Explanation", "planted", "surviving"]
