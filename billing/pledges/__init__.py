"""Pledges: a recurring promise and its calendar."""
