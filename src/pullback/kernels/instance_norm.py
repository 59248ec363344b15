"""Instance normalisation: group normalisation with a group for every channel."""

from pullback.kernels.group_norm import forward, saved, takes, vjp

__all__ = ["forward", "saved", "takes", "vjp"]
