"""Reminders: one email, about a month later, to those who asked for it."""
