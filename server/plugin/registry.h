// The door to dlopen: loads provider plugins, refuses with a reason what is not fit, and finds the endpoint of a request.
// The registry is immutable once loaded; plugins are never unloaded.
#pragma once
#include "base/buf.h"
#include "tollgate/plugin.h"

struct plugin_registry;

// Loads every <name>.so of dir in order of name. A file that is writable by others, does not carry the symbol, has another
// name than its file, another major version or lacks a required function is refused: ret_problems gets a line for each.
// Returns how many were loaded (0 is not an error), or FAULT_IO where dir cannot be read.
int plugin_registry_load(const char *dir, struct plugin_registry **ret, struct buf *ret_problems);
void plugin_registry_destroy(struct plugin_registry *r); // frees the table; the libraries stay mapped

size_t plugin_count(const struct plugin_registry *r);
const struct tollgate_plugin *plugin_at(const struct plugin_registry *r, size_t index);
const struct tollgate_plugin *plugin_by_name(const struct plugin_registry *r, struct str name); // NULL: there is none
// Of the name of no file: has the standard meters, no endpoints and no functions. Found by its name, and not counted.
#define PLUGIN_NONE "none"
extern const struct tollgate_plugin plugin_none;
// The meter's index in the plugin, or -1.
int plugin_meter(const struct tollgate_plugin *p, struct str name);
// Checks an answer's counts: indices in range, quantities >= 0, no meter twice, and for each total that the provider stated
// the sum of its meters. Clears what is out of range. False where anything did not fit.
bool plugin_usage_check(const struct tollgate_plugin *p, struct tollgate_usage *usage);
