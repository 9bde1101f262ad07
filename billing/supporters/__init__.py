"""Supporters: people, known by an email address that is stored encrypted."""
