// What the endpoints of providers and prices share.
#pragma once
#include "rest/request.h"

// After a change of either has committed: this instance knows it before the answer is out. The others see it within
// their own rhythm.
void catalogue_refresh(struct rest_request *r, struct db *db);
// The provider that `text` names, by id or name; `param` is where it stands. False: answered.
bool catalogue_provider(struct rest_request *r, struct db *db, struct str text, const char *param, struct uuid *ret);
