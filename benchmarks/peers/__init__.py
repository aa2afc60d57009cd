"""Straightforward servers written for comparison, as the frameworks' own tutorials would have them."""
