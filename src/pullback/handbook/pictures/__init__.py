"""Pictures of what is explained, as SVG text: for pages, notebooks and reports.

heatmap(values, "The Jacobian")                      a matrix, a number in every cell
flow("linear", [("x", (2, 3)), ...], [("y", (2, 4))])  a rule, what goes in and out, forwards and backwards
chain([("conv2d", (8, 6, 6)), ...], (1, 8, 8))       a network from top to bottom
bars([("conv2d", 0.3), ...], "Gradient norms")       sizes side by side, on a logarithmic scale
"""

from pullback.handbook.pictures.bars import bars
from pullback.handbook.pictures.flow import chain, flow
from pullback.handbook.pictures.heatmap import heatmap

__all__ = ["bars", "chain", "flow", "heatmap"]
