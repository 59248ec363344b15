"""The error tree: everything that pullback raises on purpose is a PullbackError, and the built-in error it resembles.

A message says what was got, what is needed and, where it is not plain, what to do.
"""


class PullbackError(Exception):
    """The root."""


class ShapeError(PullbackError, ValueError):
    """An array, or a number of arrays, does not fit the rule's signature."""


class DtypeError(PullbackError, TypeError):
    """An array holds the wrong kind of numbers."""


class RangeError(PullbackError, IndexError):
    """An integer, such as a class or a row of a table, lies outside its range."""


class OptionError(PullbackError, TypeError, ValueError):
    """A hyperparameter is unknown, or its value does not make sense here."""


class SignatureError(PullbackError, SyntaxError):
    """The text of a rule (its signature or its `requires`) cannot be read: a mistake in the rule itself."""


class DataError(PullbackError, ValueError):
    """A file, or what stands in it, is not what it should be."""


class MissingError(PullbackError, ImportError):
    """A package that pullback can do without is needed here."""


class TooLargeError(PullbackError, MemoryError):
    """There is no room for an array: memory does not hold it, or NumPy cannot count its bytes."""
