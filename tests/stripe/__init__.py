"""The tests' stand-in for Stripe: see README.md."""
