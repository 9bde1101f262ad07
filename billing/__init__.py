"""Tuppence: donations and memberships for an independent newsroom."""

import gc

gc.set_threshold(20_000, 20, 20)
"""Python's own 700 are for small programs: looking for garbage was a tenth of a process's start, as
nothing that is imported ever becomes garbage, and a tenth of what a worker did."""
