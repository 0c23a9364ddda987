// Every group of endpoints; each ends with a row without a path.
#pragma once
#include "rest/request.h"

extern const struct rest_endpoint rest_customers[], rest_keys[], rest_grants[], rest_limits[], rest_providers[],
    rest_prices[], rest_calls[], rest_receipts[], rest_reports[], rest_health[],
    rest_codes[], rest_redeem[];
