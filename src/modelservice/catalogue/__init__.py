"""The catalogue in memory, from which every request is answered, and what keeps it fresh."""
