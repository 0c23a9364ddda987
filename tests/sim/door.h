// Beside db/db.h: what a client hopes that its next request will commit.
#pragma once
#include "sql.h"

struct note *door_note(struct db *db, struct note *note); // goes with the next exchange; returns the one it replaces
