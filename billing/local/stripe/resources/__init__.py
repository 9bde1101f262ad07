"""Stripe's resources: what each address under /v1 does."""
