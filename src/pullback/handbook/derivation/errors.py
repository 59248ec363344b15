"""What is wrong with a derivation."""


class DerivationError(AssertionError):
    """A line that cannot be read, or does not follow from the line above it; the message says where."""


class NoValue(ValueError):
    """An expression that has no value here: an element that is not there, or a number that is infinite."""


class TooMuch(NoValue):
    """For there are more terms than there is patience for."""
