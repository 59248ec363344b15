"""Derivations: text in which every line must equal the line above it, and the last must equal the code.

for i j in n=3               indices, and the size at which SymPy checks them
let y[i] = ...               a definition
d(y[i], x[j])                a chain: an expression ...
  = ...   # reason           ... and lines that equal it, for every value of the indices
vjp gx[j]                    a chain whose last line is compared with the rule's own vjp
"""

import ast
from dataclasses import dataclass, field
from itertools import product

import numpy as np


class DerivationError(AssertionError):
    """A line does not follow from the line above it."""


@dataclass
class Chain:
    head: str
    steps: list = field(default_factory=list)  # (expression, reason)
    target: str = ""  # "gx" when this chain is the vjp for input x


def parse(text):
    """Split a derivation into index sizes, definitions and chains."""
    sizes, index, lets, chains = {}, {}, {}, []
    for line in filter(None, map(str.strip, text.splitlines())):
        body, _, reason = map(str.strip, line.partition("#"))
        word = body.split()[0]
        if word == "for":
            names, _, size = body[4:].partition(" in ")
            axis, value = size.split("=")
            sizes[axis] = int(value)
            index.update(dict.fromkeys(names.split(), int(value)))
        elif word == "let":
            name, _, expression = body[4:].partition("=")
            lets[name.split("[")[0].strip()] = (_indices(name), expression.strip())
        elif word == "=":
            chains[-1].steps.append((body[1:].strip(), reason))
        elif word == "vjp":
            chains.append(Chain(body[4:], target=body[4:].split("[")[0]))
        else:
            chains.append(Chain(body))
    return sizes, index, lets, chains


def verify(rule, seed=0):
    """Check each line of `rule.derivation` with SymPy, and its last lines against the code. Return the count."""
    import sympy as sp

    sizes, index, lets, chains = parse(rule.derivation)
    call = dict(exp=sp.exp, log=sp.log, tanh=sp.tanh, sqrt=sp.sqrt)

    def value(node, env):
        go = lambda n: value(n, env)
        match node:
            case ast.Expression(body):
                return go(body)
            case ast.Constant(v):
                return sp.Integer(v) if isinstance(v, int) else sp.nsimplify(v)
            case ast.Name(v):
                return env[v] if v in env else sp.Symbol(v, real=True)
            case ast.BinOp(a, op, b):
                return _BINARY[type(op)](go(a), go(b))
            case ast.UnaryOp(ast.USub(), a):
                return -go(a)
            case ast.Compare(a, [ast.Eq()], [b]):
                return sp.Integer(go(a) == go(b))
            case ast.Subscript(ast.Name(name), key):
                key = tuple(go(k) for k in (key.elts if isinstance(key, ast.Tuple) else [key]))
                if name in lets:
                    names, text = lets[name]
                    return value(_tree(text), {**env, **dict(zip(names, key))})
                return sp.Symbol(f"{name}_{'_'.join(map(str, key))}", real=True)
            case ast.Call(ast.Name("sum"), [ast.Name(i), body]):
                return sum(value(body, {**env, i: k}) for k in range(index[i]))
            case ast.Call(ast.Name("d"), [a, b]):
                return sp.diff(go(a), go(b))
            case ast.Call(ast.Name(f), args):
                return call[f](*map(go, args))
        raise DerivationError(f"{type(rule).__name__}: cannot read {ast.unparse(node)}")

    rng, lines = np.random.default_rng(seed), 0
    for chain in chains:
        free = [i for i in index if i in {n.id for n in ast.walk(_tree(chain.head)) if isinstance(n, ast.Name)}]
        above = chain.steps[0][0] if chain.target else chain.head
        for text, reason in chain.steps[1 if chain.target else 0 :]:
            for point in product(*(range(index[i]) for i in free)):
                env = {**sizes, **dict(zip(free, point))}
                if not _equal(value(_tree(above), env), value(_tree(text), env)):
                    where = ", ".join(f"{k}={v}" for k, v in env.items())
                    raise DerivationError(f"{type(rule).__name__}: `{text}` does not follow ({reason}); at {where}")
            above, lines = text, lines + 1
        if chain.target:
            _compare_with_code(rule, chain, above, free, index, sizes, value, rng)
    return lines


def _equal(a, b):
    """Do two SymPy expressions agree: as written, or else to 30 digits at three random points?"""
    import mpmath
    import sympy as sp

    if a == b:
        return True
    symbols, draw = sorted(a.free_symbols | b.free_symbols, key=str), np.random.default_rng(1)
    gap = sp.lambdify(symbols, a - b, "mpmath", cse=True)
    with mpmath.workdps(40):
        points = (draw.integers(-999, 999, size=len(symbols)) for _ in range(3))
        return all(abs(gap(*(mpmath.mpf(int(v)) / 500 for v in point))) < 1e-30 for point in points)


def _compare_with_code(rule, chain, text, free, index, sizes, value, rng):
    import sympy as sp

    x = rule.sample(rng, **sizes)
    y, at = rule.linearize(*x)
    gy = [rng.normal(size=yi.shape) for yi in (y if isinstance(y, tuple) else (y,))]
    known = {slot.name: a for slot, a in zip(rule.shapes.inputs, x)}
    known |= {"g" + slot.name: g for slot, g in zip(rule.shapes.outputs, gy)}
    numbers = {
        sp.Symbol(f"{name}_{'_'.join(map(str, key))}", real=True): float(v)
        for name, a in known.items()
        for key, v in np.ndenumerate(a)
    }
    names = ["g" + slot.name for slot in rule.shapes.inputs]
    gx = at.vjp(*gy)
    code = (gx if isinstance(gx, tuple) else (gx,))[names.index(chain.target)]
    order = _indices(chain.head)
    for point in product(*(range(index[i]) for i in free)):
        env = {**sizes, **dict(zip(free, point))}
        key = tuple(int(value(_tree(i), env)) for i in order)
        want = sp.lambdify(list(numbers), value(_tree(text), env), "math", cse=True)(*numbers.values())
        if not np.isclose(want, code[key], rtol=1e-10, atol=1e-12):
            name = f"{type(rule).__name__}: {chain.target}{list(key)}"
            raise DerivationError(f"{name} is {code[key]} in the code and {want} in the handbook")


_BINARY = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
}


def _tree(text):
    return ast.parse(text, mode="eval").body


def _indices(text):
    return tuple(n.strip() for n in text[text.index("[") + 1 : text.index("]")].split(","))


def latex(text):
    """The same text, typeset."""

    def go(n, rank=0):
        match n:
            case ast.Constant(v):
                return str(v)
            case ast.Name(v):
                return v
            case ast.Subscript(ast.Name(name), key):
                return f"{_symbol(name)}_{{{go(key)}}}"
            case ast.Tuple(items):
                return "".join(map(go, items))
            case ast.Compare(a, _, [b]):
                return rf"\delta_{{{go(a)}{go(b)}}}"
            case ast.Call(ast.Name("sum"), [i, body]):
                return rf"\sum_{{{go(i)}}} {go(body, 2)}"
            case ast.Call(ast.Name("d"), [a, b]):
                return rf"\frac{{\partial {go(a)}}}{{\partial {go(b)}}}"
            case ast.Call(ast.Name("exp"), [a]):
                return f"e^{{{go(a)}}}"
            case ast.Call(ast.Name(f), [a]):
                return rf"\{f}({go(a)})"
            case ast.BinOp(a, ast.Div(), b):
                return rf"\frac{{{go(a)}}}{{{go(b)}}}"
            case ast.BinOp(a, ast.Pow(), b):
                return f"{_brace(go(a, 3), a)}^{{{go(b)}}}"
            case ast.BinOp(a, ast.Mult(), b):
                return f"{go(a, 2)}\\,{go(b, 2)}"
            case ast.BinOp(a, op, b):
                s = f"{go(a)} {'+' if isinstance(op, ast.Add) else '-'} {go(b, 1)}"
                return rf"\left({s}\right)" if rank else s
            case ast.UnaryOp(_, a):
                return "-" + go(a, 2)

    return go(_tree(text))


def _symbol(name):
    return rf"\bar{{{name[1:]}}}" if name[0] == "g" and len(name) > 1 else name


def _brace(s, node):
    return rf"\left({s}\right)" if isinstance(node, (ast.BinOp, ast.Call)) else s
