// What Stripe takes: application/x-www-form-urlencoded with paths in brackets, "line_items[0][quantity]=1". A form is a
// buf; a field that does not fit shows in its `full`. Brackets stand as they are, everything else outside
// A-Z a-z 0-9 - _ . ~ is encoded.
#pragma once
#include "base/buf.h"
#include "base/id.h"

void form_text(struct buf *form, const char *path, struct str value);
void form_int(struct buf *form, const char *path, int64_t value);
void form_bool(struct buf *form, const char *path, bool value);
void form_id(struct buf *form, const char *path, const char *prefix, struct uuid id);
// A value as it stands in a form, or a segment of a path.
void form_encode(struct buf *out, struct str value);
