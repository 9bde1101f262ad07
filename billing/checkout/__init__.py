"""Checkout: the support page, Stripe Checkout, and the thank-you page that tells the truth."""
