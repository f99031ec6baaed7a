"""Comparing the rows of a host's database with the objects in the stores: what neither of them can tell alone."""
