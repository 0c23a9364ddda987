// PostgreSQL's binary formats, as far as parameters and results share them.
#pragma once
#include "db/db.h"

// Fixed in PostgreSQL's catalogue (src/include/catalog/pg_type.dat).
enum {
  OID_BOOL = 16,
  OID_BYTEA = 17,
  OID_CHAR = 18,
  OID_NAME = 19,
  OID_INT8 = 20,
  OID_INT2 = 21,
  OID_INT4 = 23,
  OID_TEXT = 25,
  OID_OID = 26,
  OID_TID = 27,
  OID_JSON = 114,
  OID_UNKNOWN = 705,
  OID_BPCHAR = 1042,
  OID_VARCHAR = 1043,
  OID_TIMESTAMPTZ = 1184,
  OID_UUID = 2950,
  OID_JSONB = 3802
};
#define DB_EPOCH_US INT64_C(946684800000000) // 2000-01-01, where its times begin
#define DB_JSONB_VERSION 1                   // the byte in front of a jsonb's text
