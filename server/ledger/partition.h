// Between making and dropping partitions.
#pragma once
struct db;
#define PARTITION_BUSY 1
// One statement that makes or drops a partition, in a transaction that waits for nobody for long. 0, PARTITION_BUSY or a fault.
int partition_change(struct db *db, const char *sql);
