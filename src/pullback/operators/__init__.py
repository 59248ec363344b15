"""Structured Jacobians: linear maps that know their shape of sparsity, and maps made of them."""

from pullback.operators.algebra import Along, Operator, Product, Scaled, Sum
from pullback.operators.structured import Blocks, Contract, Diagonal, Expand, Flat, Implicit, Matrix, Outer, Sparse

__all__ = [
    "Along",
    "Blocks",
    "Contract",
    "Diagonal",
    "Expand",
    "Flat",
    "Implicit",
    "Matrix",
    "Operator",
    "Outer",
    "Product",
    "Scaled",
    "Sparse",
    "Sum",
]
