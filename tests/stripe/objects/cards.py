"""What each of Stripe's test cards and test bank accounts does. One table: the number, the PaymentMethod's test id, the stand-in's
own short name, and the behaviour. The wording of the messages is ours."""

DECLINES = {
    "generic": ("generic_decline", None, "01", None, "The card was declined."),
    "insufficient_funds": ("insufficient_funds", "try_again_later", "51", None, "The card has insufficient funds."),
    "lost_card": ("lost_card", "do_not_try_again", "41", "03", "The card was declined."),
    "stolen_card": ("stolen_card", "do_not_try_again", "43", "03", "The card was declined."),
    "velocity": ("card_velocity_exceeded", "try_again_later", "65", None, "The card has been used too often."),
    "radar": ("fraudulent", None, None, None, "The card was declined."),
    "expired_card": (None, "do_not_try_again", "54", None, "The card has expired."),
    "incorrect_cvc": (None, "confirm_card_data", "82", None, "The card's security code is incorrect."),
    "processing_error": (None, "try_again_later", "96", None, "An error occurred while the card was processed."),
    "authentication_required": ("authentication_required", None, None, None, "The card's bank asks for authentication."),
}
OWN_CODES = ("expired_card", "incorrect_cvc", "processing_error", "authentication_required")
BANK_FAILURES = {"insufficient_funds": ("insufficient_funds", "The bank account has insufficient funds."),
                 "account_closed": ("account_closed", "The bank account has been closed.")}


def decline(name):
    """The part of a card_error that says why: code, decline_code, advice_code, network codes, message."""
    decline_code, advice, network, network_advice, message = DECLINES[name]
    parts = {"code": name if name in OWN_CODES else "card_declined", "decline_code": decline_code, "advice_code": advice,
             "network_decline_code": network, "network_advice_code": network_advice, "message": message}
    return {k: v for k, v in parts.items() if v is not None}


class Card:
    """auth: when the bank asks for the customer: None, "unless_set_up", "always", "on_session". fails: a decline's name.
    after: what follows a payment. refund: None, "pending", "fails". bank: None for a card, or what comes of the debit."""

    def __init__(self, name, number, id, title, brand="visa", fails=None, attaches=True, auth=None, after=None, refund=None, bank=None):
        self.name, self.number, self.id, self.title, self.brand = name, number, id, title, brand
        self.fails, self.attaches, self.auth, self.after, self.refund, self.bank = fails, attaches, auth, after, refund, bank

    @property
    def kind(self):
        return "us_bank_account" if self.bank else "card"

    @property
    def last4(self):
        return self.number[-4:]

    def asks(self, off_session, set_up):
        """Whether the bank wants the customer for this payment."""
        return {None: False, "always": True, "unless_set_up": not (off_session and set_up), "on_session": not off_session}[self.auth]


TABLE = [
    Card("visa", "4242424242424242", "pm_card_visa", "succeeds"),
    Card("mastercard", "5555555555554444", "pm_card_mastercard", "succeeds, another brand", brand="mastercard"),
    Card("charge_fails", "4000000000000341", "pm_card_chargeCustomerFail", "can be saved, every payment fails", fails="generic"),
    Card("declined", "4000000000000002", "pm_card_visa_chargeDeclined", "is declined", fails="generic", attaches=False),
    Card("insufficient_funds", "4000000000009995", "pm_card_visa_chargeDeclinedInsufficientFunds", "has insufficient funds",
         fails="insufficient_funds", attaches=False),
    Card("lost", "4000000000009987", "pm_card_visa_chargeDeclinedLostCard", "was lost", fails="lost_card", attaches=False),
    Card("stolen", "4000000000009979", "pm_card_visa_chargeDeclinedStolenCard", "was stolen", fails="stolen_card", attaches=False),
    Card("expired", "4000000000000069", "pm_card_chargeDeclinedExpiredCard", "has expired", fails="expired_card", attaches=False),
    Card("wrong_cvc", "4000000000000127", "pm_card_chargeDeclinedIncorrectCvc", "has another security code", fails="incorrect_cvc", attaches=False),
    Card("processing_error", "4000000000000119", "pm_card_chargeDeclinedProcessingError", "meets an error at the bank",
         fails="processing_error", attaches=False),
    Card("velocity", "4000000000006975", "pm_card_visa_chargeDeclinedVelocityLimitExceeded", "was used too often", fails="velocity", attaches=False),
    Card("auth_on_setup", "4000002500003155", "pm_card_authenticationRequiredOnSetup", "needs authentication until it is saved", auth="unless_set_up"),
    Card("auth_always", "4000002760003184", "pm_card_authenticationRequired", "needs authentication every time", auth="always"),
    Card("auth_done", "4000003800000446", "pm_card_authenticationRequiredSetupForOffSession", "needs it only while the buyer is there",
         auth="on_session"),
    Card("auth_then_declined", "4000008260003178", "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
         "needs it, then has insufficient funds", auth="unless_set_up", fails="insufficient_funds"),
    Card("dispute", "4000000000000259", "pm_card_createDispute", "succeeds, then is disputed as fraudulent", after="fraudulent"),
    Card("dispute_not_received", "4000000000002685", "pm_card_createDisputeProductNotReceived", "succeeds, then is disputed as not received",
         after="product_not_received"),
    Card("inquiry", "4000000000001976", "pm_card_createDisputeInquiry", "succeeds, then an inquiry is opened", after="inquiry"),
    Card("several_disputes", "4000000404000079", "pm_card_createMultipleDisputes", "succeeds, then is disputed twice", after="several"),
    Card("fraud_warning", "4000000000005423", "pm_card_createIssuerFraudRecord", "succeeds, with an early fraud warning", after="warning"),
    Card("refund_pending", "4000000000007726", "pm_card_pendingRefund", "succeeds; a refund is pending at first", refund="pending"),
    Card("refund_fails", "4000000000005126", "pm_card_refundFail", "succeeds; a refund succeeds, then fails", refund="fails"),
    Card("blocked", "4100000000000019", "pm_card_radarBlock", "is blocked as too risky", fails="radar"),
    Card("available_at_once", "4000000000000077", "pm_card_bypassPending", "succeeds, available at once"),
    Card("bank_debit", "000123456789", "pm_usBankAccount_success", "bank debit: succeeds days later", brand=None, bank="succeeds"),
    Card("bank_debit_fails", "000222222227", "pm_usBankAccount_insufficientFunds", "bank debit: fails days later", brand=None, bank="insufficient_funds"),
    Card("bank_debit_closed", "000111111113", "pm_usBankAccount_accountClosed", "bank debit: the account is closed", brand=None, bank="account_closed"),
]
BY_NAME = {card.name: card for card in TABLE}
BY_ID = {card.id: card for card in TABLE}
BY_NUMBER = {card.number: card for card in TABLE}
