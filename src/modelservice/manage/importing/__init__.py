"""Converts published catalogues of other projects. Nothing is invented, and every loss has a reason."""
