"""Derivations: text in which every line must equal the line above it, and the last must equal the code."""

from pullback.handbook.derivation.checking import verify
from pullback.handbook.derivation.errors import DerivationError
from pullback.handbook.derivation.inclusion import parse, spelled_out
from pullback.handbook.derivation.language import Chain, Derivation, Let, Step
from pullback.handbook.derivation.typesetting import latex

__all__ = "Chain", "Derivation", "DerivationError", "Let", "Step", "latex", "parse", "spelled_out", "verify"
