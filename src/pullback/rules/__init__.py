"""The rules. Drop a file here that ends in `name = SomeRule()`, and it is found, tested, documented and listed."""
