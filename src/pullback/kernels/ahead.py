"""What will be read next comes nearer while sums are made: a few lines of memory with every tile.

Without it, a job begins by waiting for memory, and the multipliers wait with it.
"""

from pullback.kernels.compiled import part
from pullback.kernels.machine import prefetch_far
from pullback.kernels.rowtile import LINE
from pullback.kernels.tile import address


@part
def aim(ahead, x, start, end):
    """`ahead` holds where in memory it begins, and where it ends. How many lines there are."""
    ahead[0], ahead[1] = address(x) + 4 * start, address(x) + 4 * min(end, x.size)
    return max(0, ahead[1] - ahead[0]) // LINE


@part
def aim_at_band(ahead, x, image, images, first, axes, channels):
    """The lines of a band (see direct.axes_of), whose first element in each image is `first`."""
    n, jump, size = axes[0], axes[2], axes[4]
    plane, line = max(0, first[0]), max(0, first[1])
    last_plane = min(n[0], first[0] + (size[0] - 1) * jump[0] + 1) - 1
    below = min(n[1], first[1] + (size[1] - 1) * jump[1] + 1)
    per_line = n[2] * channels
    start = ((image * n[0] + plane) * n[1] + line) * per_line
    return aim(ahead, x, start, (((image + images - 1) * n[0] + last_plane) * n[1] + below) * per_line)


@part
def approach(ahead, lines):
    """Ask for the next lines."""
    stop = min(ahead[1], ahead[0] + lines * LINE)
    for place in range(ahead[0], stop, LINE):
        prefetch_far(place)
    ahead[0] = max(ahead[0], stop)
