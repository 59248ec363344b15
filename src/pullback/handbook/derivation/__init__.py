"""Derivations: text in which every line must equal the line above it, and the last must equal the code."""

from pullback.handbook.derivation.checking import Checked, check, verify
from pullback.handbook.derivation.errors import DerivationError
from pullback.handbook.derivation.language import Chain, Derivation, Let, Step, parse
from pullback.handbook.derivation.typesetting import latex

__all__ = "Chain", "Checked", "Derivation", "DerivationError", "Let", "Step", "check", "latex", "parse", "verify"
