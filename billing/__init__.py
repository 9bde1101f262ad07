"""Tuppence: donations and memberships for an independent newsroom."""
