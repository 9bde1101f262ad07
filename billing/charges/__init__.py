"""Charges: taking the money that is due, at most once, and knowing what became of it."""
