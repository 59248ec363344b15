"""Elementwise rules: gx = f'(x) gy, and what stands in the place of f'."""

import numpy as np

from pullback.check.variants.call import Variant


def slope(formula):
    """gx, of another f'."""
    return lambda a: dict(x=a.gy * formula(a))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def ones(a):
    return np.ones_like(a.x)


def wrong(says, cause, formula):
    return Variant(says, cause, slope(formula))


def forgotten(name, value):
    """A hyperparameter, taken for what it is by default."""
    return Variant(f"{name} forgotten", "missing_chain_factor", lambda a: a.back(**{name: value}))


def everywhere(says, formula=ones):
    """One branch of the function, where there are two."""
    return wrong(says, "wrong_local_derivative", formula)


BOTH_SIDES = everywhere("the region forgotten: passed through everywhere")

VARIANTS = {
    "Elementwise": (
        wrong("the derivative taken at the output", "saved_wrong_tensor", lambda a: a.rule.slope(a.y)),
        Variant("the gradient from above forgotten", "missing_upstream_grad", lambda a: dict(x=a.rule.slope(a.x))),
        wrong("the output in the place of the derivative", "saved_wrong_tensor", lambda a: a.y),
        wrong("passed through: no derivative at all", "missing_chain_factor", ones),
        Variant("the gradient from above squared", "saved_wrong_tensor", lambda a: dict(x=a.gx * a.gy)),
    ),
    "Kinked": (
        Variant("the region read from the gradient, not from x", "saved_wrong_tensor",
                lambda a: dict(x=a.gy * a.rule.slope(a.gy))),
        wrong("the region on the wrong side", "wrong_local_derivative", lambda a: a.rule.slope(-a.x)),
    ),
    "Sigmoid": (
        wrong("y (1 + y)", "wrong_local_derivative", lambda a: a.y * (1 + a.y)),
        wrong("x (1 - x): the input taken for the output", "saved_wrong_tensor", lambda a: a.x * (1 - a.x)),
        wrong("1 - y², the derivative of tanh", "wrong_local_derivative", lambda a: 1 - a.y**2),
    ),
    "Tanh": (
        wrong("1 - y: the square forgotten", "wrong_local_derivative", lambda a: 1 - a.y),
        wrong("1 - x²: the input taken for the output", "saved_wrong_tensor", lambda a: 1 - a.x**2),
        wrong("y (1 - y), the derivative of the sigmoid", "wrong_local_derivative", lambda a: a.y * (1 - a.y)),
    ),
    "Logsigmoid": (
        wrong("σ(x) in the place of σ(-x)", "wrong_local_derivative", lambda a: sigmoid(a.x)),
        wrong("the derivative of the sigmoid", "wrong_local_derivative", lambda a: sigmoid(a.x) * sigmoid(-a.x)),
    ),
    "Softplus": (
        wrong("beta twice: β σ(β x)", "missing_chain_factor", lambda a: a.rule.beta * a.rule.slope(a.x)),
        forgotten("beta", 1.0),
        wrong("σ(-β x)", "wrong_local_derivative", lambda a: sigmoid(-a.rule.beta * a.x)),
    ),
    "Softsign": (
        wrong("1 / (1 + |x|): the square forgotten", "wrong_local_derivative", lambda a: 1 / (1 + abs(a.x))),
        wrong("1 / (1 + x)²: the size forgotten", "wrong_local_derivative", lambda a: 1 / (1 + a.x) ** 2),
    ),
    "Tanhshrink": (
        wrong("1 - tanh², the derivative of tanh", "wrong_local_derivative", lambda a: 1 - np.tanh(a.x) ** 2),
        wrong("y²: the input taken for its tanh", "saved_wrong_tensor", lambda a: a.y**2),
    ),
    "ELU": (
        forgotten("alpha", 1.0),
        wrong("y in the place of y + α", "saved_wrong_tensor", lambda a: np.where(a.x < 0, a.y, 1)),
        BOTH_SIDES,
    ),
    "SELU": (
        wrong("λ forgotten on the right", "missing_chain_factor", lambda a: np.where(a.x < 0, a.rule.slope(a.x), 1)),
        wrong("y in the place of y + λα", "saved_wrong_tensor", lambda a: np.where(a.x < 0, a.y, a.rule.slope(a.x))),
        BOTH_SIDES,
    ),
    "CELU": (
        forgotten("alpha", 1.0),
        wrong("α e^(x/α): the inner derivative forgotten", "missing_chain_factor",
              lambda a: np.where(a.x < 0, a.rule.alpha, 1) * a.rule.slope(a.x)),
        BOTH_SIDES,
    ),
    "Mish": (
        wrong("the gate alone, as if it did not move", "missing_jacobian_term", lambda a: a.y / a.x),
        wrong("σ of the inner softplus forgotten", "missing_chain_factor",
              lambda a: a.y / a.x + a.x * (1 - (a.y / a.x) ** 2)),
    ),
    "SiLU": (
        wrong("the gate alone, as if it did not move", "missing_jacobian_term", lambda a: sigmoid(a.x)),
        wrong("x forgotten: σ + σ (1 - σ)", "missing_chain_factor", lambda a: sigmoid(a.x) * (2 - sigmoid(a.x))),
        wrong("y (1 - y)", "wrong_local_derivative", lambda a: a.y * (1 - a.y)),
    ),
    "GELU": (
        wrong("the gate alone: Φ(x)", "missing_jacobian_term", lambda a: a.y / a.x),
        Variant("the other form's derivative", "mode_mismatch",
                lambda a: a.anew(approximate="none" if a.rule.approximate == "tanh" else "tanh")),
        wrong("x forgotten beside the density", "missing_chain_factor",
              lambda a: a.y / a.x + np.exp(-(a.x**2) / 2) / np.sqrt(2 * np.pi)),
        wrong("the density without 1/√(2π)", "wrong_local_derivative",
              lambda a: a.y / a.x + a.x * np.exp(-(a.x**2) / 2)),
    ),
    "Exp": (
        wrong("x eˣ⁻¹, the rule of powers", "wrong_local_derivative", lambda a: a.x * np.exp(a.x - 1)),
        wrong("the input in the place of the output", "saved_wrong_tensor", lambda a: a.x),
    ),
    "Log": (
        wrong("1 / y", "saved_wrong_tensor", lambda a: 1 / a.y),
        wrong("1 / x²", "wrong_local_derivative", lambda a: 1 / a.x**2),
    ),
    "Sqrt": (
        wrong("the 2 forgotten: 1 / √x", "constant_factor", lambda a: 1 / a.y),
        wrong("1 / (2 x): the input taken for the output", "saved_wrong_tensor", lambda a: 0.5 / a.x),
        wrong("√x / 2: a power too many", "wrong_local_derivative", lambda a: a.y / 2),
    ),
    "Square": (
        wrong("the 2 forgotten", "constant_factor", lambda a: a.x),
        wrong("2 y", "saved_wrong_tensor", lambda a: 2 * a.y),
    ),
    "Abs": (BOTH_SIDES, wrong("y in the place of the sign", "saved_wrong_tensor", lambda a: a.y)),
    "Sin": (
        wrong("-cos", "sign", lambda a: -np.cos(a.x)),
        wrong("sin itself", "saved_wrong_tensor", lambda a: np.sin(a.x)),
    ),
    "Cos": (
        wrong("sin without its sign", "sign", lambda a: np.sin(a.x)),
        wrong("cos itself", "saved_wrong_tensor", lambda a: np.cos(a.x)),
    ),
    "Identity": (
        wrong("the input multiplied in", "saved_wrong_tensor", lambda a: a.x),
        wrong("zero: the path is cut", "missing_jacobian_term", lambda a: np.zeros_like(a.x)),
    ),
    "ReLU": (BOTH_SIDES, wrong("x in the place of its step", "saved_wrong_tensor", lambda a: a.y)),
    "ReLU6": (BOTH_SIDES, everywhere("the upper bound forgotten", lambda a: 1.0 * (a.x > 0))),
    "LeakyReLU": (
        Variant("nothing below 0: negative_slope forgotten", "wrong_local_derivative",
                lambda a: a.back(negative_slope=0.0)),
        wrong("1 - negative_slope below 0", "wrong_local_derivative",
              lambda a: np.where(a.x < 0, 1 - a.rule.negative_slope, 1)),
        BOTH_SIDES,
    ),
    "Hardtanh": (
        BOTH_SIDES,
        everywhere("the lower bound forgotten", lambda a: 1.0 * (a.x < a.rule.max_val)),
        everywhere("the upper bound forgotten", lambda a: 1.0 * (a.x > a.rule.min_val)),
    ),
    "Clamp": (
        BOTH_SIDES,
        Variant("the lower bound forgotten", "wrong_local_derivative", lambda a: a.back(min=-np.inf)),
        Variant("the upper bound forgotten", "wrong_local_derivative", lambda a: a.back(max=np.inf)),
    ),
    "Hardsigmoid": (
        everywhere("the region forgotten: 1/6 everywhere", lambda a: np.full_like(a.x, 1 / 6)),
        everywhere("the slope forgotten: 1 inside", lambda a: 1.0 * (abs(a.x) < 3)),
        wrong("1/5, of another form", "constant_factor", lambda a: a.rule.slope(a.x) * 6 / 5),
    ),
    "Hardswish": (
        wrong("the gate alone", "missing_jacobian_term", lambda a: np.clip(a.x + 3, 0, 6) / 6),
        wrong("x / 6 in the place of x / 3", "wrong_local_derivative",
              lambda a: np.where(abs(a.x) < 3, a.x / 6 + 0.5, a.x > 3)),
        BOTH_SIDES,
    ),
    "Softshrink": (BOTH_SIDES, everywhere("what lies below -lambd forgotten", lambda a: 1.0 * (a.x > a.rule.lambd))),
    "Hardshrink": (BOTH_SIDES, everywhere("what lies below -lambd forgotten", lambda a: 1.0 * (a.x > a.rule.lambd))),
    "Threshold": (
        BOTH_SIDES,
        everywhere("the threshold taken for 0", lambda a: 1.0 * (a.x > 0)),
        wrong("the output compared with the threshold", "saved_wrong_tensor", lambda a: 1.0 * (a.y > a.rule.threshold)),
    ),
}  # fmt: skip
