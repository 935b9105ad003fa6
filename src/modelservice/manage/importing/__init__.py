"""Catalogues that others publish, in our own words: nothing invented, nothing lost without a reason."""
