"""Scratch memory that nobody counts the users of: to count them takes longer than many a row, at every slice of it.

own = np.empty(n, np.float32)
row = lent(own)
...                             # slices of `row` are taken and dropped for nothing
returned(own)                   # or it would be freed after the line above that names it last
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
def lent(typing, array):
    return array(array), lambda context, builder, signature, values: uncounted(context, builder, array, values[0])


@intrinsic
def returned(typing, array):
    return types.void(array), lambda context, *_: context.get_dummy_value()
