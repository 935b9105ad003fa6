"""The catalogue in memory, which answers every request, and its refresher."""
