"""A small plain model of the books, by the documented rules, and what holds the real binary against it: random steps, each done on
both, answers, balances and grants compared after every one (tests/integration/test_model.py)."""
