// After a change of providers or prices has committed: this instance knows it before the answer is out. The others see
// it within their own rhythm.
#pragma once
#include "rest/request.h"

void catalogue_refresh(struct rest_request *r, struct db *db);
