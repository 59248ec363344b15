"""The same text, typeset as LaTeX."""

import ast
import re

ADD, MULTIPLY, POWER = 1, 2, 3
GREEK = "alpha", "beta", "delta", "mu", "sigma", "lambd", "eps"
SIGNS: dict[type, str] = {
    ast.Eq: "=", ast.NotEq: r"\neq", ast.Lt: "<", ast.LtE: r"\leq", ast.Gt: ">", ast.GtE: r"\geq",
}  # fmt: skip


def latex(text: str) -> str:
    """The same text, typeset."""
    return typeset(ast.parse(text, mode="eval").body)


def typeset(n: ast.expr, rank: int = 0) -> str:
    """`rank` says how firmly what stands around holds: sums within products get brackets."""
    match n:
        case ast.Constant(str(v)):
            return rf"\text{{{v}}}"
        case ast.Constant(v):
            return str(v)
        case ast.Name(v):
            return symbol(v)
        case ast.Subscript(ast.Name(name), key):
            return f"{symbol(name)}_{{{indices(key)}}}"
        case ast.Tuple(items):
            return ",".join(map(typeset, items))
        case ast.BinOp() | ast.UnaryOp(ast.USub()):
            return operation(n, rank)
        case ast.Call(ast.Name(f), arguments):
            return call(f, arguments)
        case ast.IfExp():
            return cases(n)
        case ast.Compare(ast.Name(a), [ast.Eq()], [ast.Name(b)]):
            return rf"\delta_{{{symbol(a)}{symbol(b)}}}"
        case ast.Compare() | ast.BoolOp() | ast.UnaryOp():
            return rf"\left[{condition(n)}\right]"
    raise ValueError(f"cannot typeset {ast.unparse(n)}")


def indices(key: ast.expr) -> str:
    """Letters beside each other, longer indices with commas."""
    parts = [typeset(k) for k in (key.elts if isinstance(key, ast.Tuple) else [key])]
    return ("" if all(len(p) == 1 for p in parts) else ",").join(parts)


def operation(n: ast.expr, rank: int) -> str:
    match n:
        case ast.UnaryOp(_, ast.BinOp(a, ast.FloorDiv(), b)) if positive := without_sign(a):
            return rf"\lceil {typeset(positive, MULTIPLY)} / {bracketed(typeset(b), isinstance(b, ast.BinOp))} \rceil"
        case ast.UnaryOp(_, a):
            return bracketed("-" + typeset(a, MULTIPLY), rank > 0)
        case ast.BinOp(a, ast.Mult() as by, b) if positive := without_sign(a):
            return bracketed("-" + typeset(ast.BinOp(positive, by, b), MULTIPLY), rank > 0)
        case ast.BinOp(ast.Constant(0), ast.Mult(), _):  # as many zeros as there are axes
            return "0"
        case ast.BinOp(a, ast.Div(), b):
            return quotient(a, b)
        case ast.BinOp(a, ast.FloorDiv(), b):
            compound = isinstance(b, ast.BinOp) and not isinstance(b.op, ast.FloorDiv)
            return rf"\lfloor {typeset(a, MULTIPLY)} / {bracketed(typeset(b), compound)} \rfloor"
        case ast.BinOp(a, ast.Mod(), b):
            return bracketed(rf"{typeset(a, POWER)} \bmod {typeset(b, POWER)}", rank > 0)
        case ast.BinOp(ast.Call(ast.Name("tanh"), arguments), ast.Pow(), b):
            return rf"\tanh^{{{typeset(b)}}}({','.join(map(typeset, arguments))})"
        case ast.BinOp(a, ast.Pow(), b):
            fenced = isinstance(a, ast.Call) and ast.unparse(a.func) == "abs"
            compound = isinstance(a, (ast.BinOp, ast.UnaryOp, ast.Call, ast.IfExp)) and not fenced
            return f"{bracketed(typeset(a), compound)}^{{{beside(b)}}}"
        case ast.BinOp(a, ast.Mult(), b):
            return rf"{bracketed(typeset(a, MULTIPLY), ends_in_sum(a))}\,{typeset(b, MULTIPLY)}"
        case ast.BinOp(a, op, b):
            sign = "+" if isinstance(op, ast.Add) else "-"
            return bracketed(f"{typeset(a)} {sign} {typeset(b, ADD)}", rank > 0)
    raise ValueError(f"cannot typeset {ast.unparse(n)}")


def quotient(a: ast.expr, b: ast.expr) -> str:
    """A fraction has no fractions in it: a/b/c stands over b c, and a derivative beside what it is divided by."""
    match a:
        case ast.BinOp(numerator, ast.Div(), denominator):
            return rf"\frac{{{typeset(numerator)}}}{{{typeset(denominator, MULTIPLY)}\,{typeset(b, MULTIPLY)}}}"
        case ast.BinOp(factor, ast.Mult(), ast.Call(ast.Name("d")) as derivative) if not ends_in_sum(factor):
            return rf"{quotient(factor, b)}\,{typeset(derivative)}"
        case ast.Call(ast.Name("d")):
            return rf"\frac{{1}}{{{typeset(b)}}}\,{typeset(a)}"
    return rf"\frac{{{typeset(a)}}}{{{typeset(b)}}}"


def beside(n: ast.expr) -> str:
    """In an exponent, where letters are small, the parts of a fraction stand side by side."""
    match n:
        case ast.BinOp(a, ast.Div(), b):
            lower = bracketed(typeset(b), isinstance(b, ast.BinOp))
            return rf"{bracketed(typeset(a), isinstance(a, ast.BinOp) and isinstance(a.op, ast.Add | ast.Sub))}/{lower}"
    return typeset(n)


def without_sign(node: ast.expr) -> ast.expr | None:
    """What a product is the negative of, if it begins with a sign."""
    match node:
        case ast.UnaryOp(ast.USub(), a):
            return a
        case ast.BinOp(a, ast.Mult() | ast.Div() as by, b):
            return ast.BinOp(positive, by, b) if (positive := without_sign(a)) else None
    return None


def call(f: str, arguments: list[ast.expr]) -> str:
    *over, last = arguments
    match f:
        case "d":
            of = typeset(over[0])
            if isinstance(over[0], (ast.Name, ast.Subscript)):
                return rf"\frac{{\partial {of}}}{{\partial {typeset(last)}}}"
            return rf"\frac{{\partial}}{{\partial {typeset(last)}}} \left({of}\right)"
        case "sum":
            under = ",".join(map(typeset, over))
            return rf"\sum_{{{under}}} {typeset(last, MULTIPLY)}"
        case "max" | "min" | "argmax" if runs_over(over, last):
            name = r"\operatorname{argmax}" if f == "argmax" else rf"\{f}"
            return rf"{name}_{{{','.join(map(typeset, over))}}} {typeset(last, MULTIPLY)}"
        case "exp":
            return f"e^{{{beside(last)}}}"
        case "abs":
            return rf"\left|{typeset(last)}\right|"
        case "sqrt":
            return rf"\sqrt{{{typeset(last)}}}"
        case "sigmoid":
            name = r"\sigma"
        case "log" | "tanh" | "sin" | "cos" | "max" | "min":
            name = rf"\{f}"
        case _:
            name = rf"\operatorname{{{f}}}"
    return rf"{name}({','.join(map(typeset, arguments))})"


def runs_over(over: list[ast.expr], body: ast.expr) -> bool:
    """Is it the largest of all places, as in max(k, x[k]), and not of these numbers, as in max(x, 0)?"""
    used = {node.id for node in ast.walk(body) if isinstance(node, ast.Name)}
    return bool(over) and all(isinstance(index, ast.Name) and index.id in used for index in over)


def ends_in_sum(n: ast.expr) -> bool:
    """Then a factor behind it would read as part of the sum."""
    match n:
        case ast.BinOp(_, ast.Mult(), b):
            return ends_in_sum(b)
        case ast.Call(ast.Name("sum")):
            return True
    return False


def cases(n: ast.expr) -> str:
    rows = []
    while isinstance(n, ast.IfExp):
        given = ast.dump(n.body) == ast.dump(n.test)  # `eps if eps else ...`
        where = r"\text{if given}" if given else condition(n.test)
        rows.append(f"{typeset(n.body)} & {where}")
        n = n.orelse
    rows.append(rf"{typeset(n)} & \text{{else}}")
    return r"\begin{cases} " + r" \\ ".join(rows) + r" \end{cases}"


def condition(n: ast.expr) -> str:
    match n:
        case ast.Compare(first, signs, rest):
            return typeset(first) + "".join(f" {SIGNS[type(s)]} {typeset(b)}" for s, b in zip(signs, rest))
        case ast.BoolOp(by, parts):
            return (r" \wedge " if isinstance(by, ast.And) else r" \vee ").join(map(condition, parts))
        case ast.UnaryOp(ast.Not(), a):
            return rf"\neg {condition(a)}"
    return typeset(n)


def bracketed(text: str, needed: bool) -> str:
    return rf"\left({text}\right)" if needed else text


def symbol(name: str) -> str:
    """gx is x with a bar; longer names stand upright; w_l0 is the w of layer l0, w_l0_reverse backwards; lambd is λ."""
    if layer := re.fullmatch(r"(\w+)_(l\d+)(_reverse)?", name):
        backwards = r"\leftarrow" if layer[3] else ""
        return rf"{symbol(layer[1])}^{{\mathrm{{{layer[2]}}}{backwards}}}"
    if name == "pi":
        return r"\pi"
    if name == "inf":
        return r"\infty"
    if name in GREEK:
        return {"lambd": r"\lambda", "eps": r"\varepsilon"}.get(name, "\\" + name)
    if len(name) > 1 and name[0] == "g" and name not in ("gamma", "groups"):
        return rf"\{'bar' if len(name) == 2 else 'overline'}{{{symbol(name[1:])}}}"
    if len(name) == 2 and name[1].isdigit():
        return name
    return name if len(name) == 1 else rf"\mathrm{{{name.replace('_', chr(92) + '_')}}}"
