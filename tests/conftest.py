"""Tests run with `tests/` on the path, so that they share `twins`."""
