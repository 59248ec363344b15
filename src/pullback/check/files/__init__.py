"""Files of layers: what in them has a backward, and with what it can be called."""
