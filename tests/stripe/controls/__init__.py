"""The control calls, by what they are about."""
from . import afterwards, payments, webhooks, world  # noqa: F401
