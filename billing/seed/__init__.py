"""A demo newsroom with a history, for a first look. Never beside a real Stripe account."""
