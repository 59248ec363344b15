"""What each set of faults has reached: shares that are caught, named first, and named among three."""

FLOORS = {
    "real": (0.96, 0.90, 0.94),
    "own": (0.98, 0.90, 0.96),
    "heldout": (0.94, 0.87, 0.89),
    "heldout2": (1, 0.8, 0.85),
    "heldout3": (0.89, 0.49, 0.65),
    "heldout4": (0.96, 0.64, 0.88),
    "heldout5": (0.96, 0.63, 0.83),
    "heldout6": (0.96, 0.66, 0.86),
    "heldout7": (0.92, 0.92, 0.92),
    "heldout8": (0.9, 0.92, 0.92),
    "heldout9": (0.92, 0.92, 0.95),
    "heldout10": (0.9, 0.87, 0.9),
    "heldout11": (0.87, 0.77, 0.85),
    "heldout12": (0.95, 0.87, 0.92),
    "collected": (0.98, 0.85, 0.92),
    "collected2": (0.97, 0.8, 0.87),
    "collected3": (0.91, 0.74, 0.85),
    "collected4": (0.95, 0.65, 0.7),
    "collected5": (0.97, 0.62, 0.77),
    "collected6": (0.97, 0.68, 0.83),
    "collected7": (0.93, 0.55, 0.65),
    "collected8": (0.97, 0.67, 0.78),
    "collected9": (0.97, 0.63, 0.8),
    "collected10": (0.94, 0.8, 0.86),
    "collected11": (0.96, 0.75, 0.85),
    "whole layers": (0.96, 0.85, 0.93),
}


def below(name, found):
    """What a set fell short of, given its totals; nobody's right code may be accused."""
    caught, first, three = (share * found["cases"] for share in FLOORS[name])
    short = {
        "caught": found["caught"] + found["noted"] < caught,
        "named first": found["first"] < first,
        "named among three": found["three"] < three,
        "false accusations": found["false"] > 0,
    }
    return [what for what, is_short in short.items() if is_short]
