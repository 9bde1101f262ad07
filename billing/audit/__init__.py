"""`tuppence audit`: whether the ten invariants hold, in our database and at Stripe."""
