"""Scratch memory that nobody counts the users of: to count them takes longer than many a row, at every slice of it.

own = np.empty(n, np.float32), np.empty(n, np.float32)
y, slope = lent(own)
...                     # slices of them are taken and dropped for nothing
returned(own)           # or they would be freed after the line above that names them last
"""

import llvmlite.ir as ir
from numba import types
from numba.extending import intrinsic


def uncounted(context, builder, kind, value):
    """An array without its count of references; anything else as it is."""
    if not isinstance(kind, types.Array):
        return value
    array = context.make_array(kind)(context, builder, value)
    array.meminfo = ir.Constant(array.meminfo.type, None)
    return array._getvalue()


@intrinsic
def lent(typing, own):
    """One array, or a tuple of them."""

    def emit(context, builder, signature, values):
        if isinstance(own, types.Array):
            return uncounted(context, builder, own, values[0])
        parts = [builder.extract_value(values[0], i) for i in range(len(own))]
        return context.make_tuple(builder, own, [uncounted(context, builder, *one) for one in zip(own, parts)])

    return own(own), emit


@intrinsic
def returned(typing, own):
    return types.void(own), lambda context, *_: context.get_dummy_value()
