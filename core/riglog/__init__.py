"""riglog records rigs made of instruments from different vendors into one table."""
