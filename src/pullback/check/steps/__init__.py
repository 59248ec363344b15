"""Forward, step by step: which one, differentiated wrongly, explains what backward gives?"""

from pullback.check.steps.search import Mistake, mistakes

__all__ = ["Mistake", "mistakes"]
