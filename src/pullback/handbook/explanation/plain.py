"""Letters that every terminal has, in the place of those that some lack."""

import re

NAMES = {
    "σ": "sigma", "Φ": "Phi", "φ": "phi", "λ": "lambda", "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta",
    "ε": "eps", "π": "pi", "Σ": "sum_", "Π": "prod_", "√": "sqrt", "∂": "d", "∞": "inf", "∘": "o", "∗": "*", "·": "*",
    "×": "x", "−": "-", "–": "-", "→": "->", "⇒": "=>", "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~", "∈": "in", "⟨": "<",
    "⟩": ">", "‖": "||", "…": "...", "′": "'", "ˣ": "x", "⌊": "floor(", "⌋": ")", "⌈": "ceil(", "⌉": ")",
    "ᵀ": "^T", "ᵢ": "_i", "ⱼ": "_j", "ₖ": "_k", "─": "-", "█": "#", "½": "1/2", "é": "e", "â": "a", "ŷ": "y", "ö": "oe",
    "≡": "==", "✓": "ok", "✗": "x", "○": "o",
}  # fmt: skip
TABLE = str.maketrans(NAMES)
RAISED, DIGITS = re.compile("[⁻⁰¹²³⁴-⁹]+"), str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def plain(text: str) -> str:
    """Mathematics in ASCII: `Σk exp(x[k])²` is `sum_k exp(x[k])^2`; what has no name becomes `?`."""
    text = RAISED.sub(lambda power: "^" + power[0].translate(DIGITS), text.replace("e⁻ˣ", "e^-x"))
    return text.replace("eˣ", "e^x").translate(TABLE).encode("ascii", "replace").decode()
