"""The objects of the API and the calls on them. Importing a module puts its calls on the table in routes.py."""
from . import charges, checkout, checkout_pay, customers, disputes, events_list, payment_intents, payment_methods, products  # noqa: F401
from . import refunds, setup_intents, webhook_endpoints  # noqa: F401
