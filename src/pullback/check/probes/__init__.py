"""The tests, in the order in which each makes the next one meaningful."""
