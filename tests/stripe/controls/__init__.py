"""The control calls, by what they are about."""
from . import afterwards, payments, plans, webhooks, world  # noqa: F401
