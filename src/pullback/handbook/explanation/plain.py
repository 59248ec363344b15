"""Letters that every terminal has, in the place of those that some lack."""

NAMES = {
    "σ": "sigma", "Φ": "Phi", "φ": "phi", "λ": "lambda", "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta",
    "ε": "eps", "π": "pi", "Σ": "sum_", "Π": "prod_", "√": "sqrt", "∂": "d", "∞": "inf", "∘": "o", "∗": "*", "·": "*",
    "×": "x", "−": "-", "–": "-", "→": "->", "⇒": "=>", "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~", "∈": "in", "⟨": "<",
    "⟩": ">", "‖": "||", "…": "...", "′": "'", "²": "^2", "³": "^3", "¹": "^1", "⁰": "^0", "⁻": "^-", "ˣ": "x",
    "ᵀ": "^T", "ᵢ": "_i", "ⱼ": "_j", "ₖ": "_k", "─": "-", "█": "#", "½": "1/2", "é": "e", "â": "a", "ŷ": "y", "ö": "oe",
    "≡": "==", "✓": "ok",
}  # fmt: skip
TABLE = str.maketrans(NAMES)


def plain(text: str) -> str:
    """Mathematics in ASCII: `Σk exp(x[k])²` is `sum_k exp(x[k])^2`; what has no name becomes `?`."""
    return text.replace("eˣ", "e^x").replace("e⁻ˣ", "e^-x").translate(TABLE).encode("ascii", "replace").decode()
