"""The objects of the API and the calls on them. Importing a module puts its calls on the table in routes.py."""
from . import charges, checkout, checkout_pay, credit_grants, customers, destinations, disputes, events_list  # noqa: F401
from . import invoice_calls, invoice_items, itself, meter_calls, meters, payment_intents, payment_methods, portal, products  # noqa: F401
from . import refunds, setup_intents, subscription_calls, webhook_endpoints  # noqa: F401
