// What makes a plugin's table fit to be used, and the words for what does not.
#pragma once
#include "tollgate/plugin.h"

// A copy of the plugin's table with the fields of this version; those that an older one lacks are zero. NULL, or why it is
// refused. `name` is what the file is called.
const char *plugin_check(const struct tollgate_plugin *theirs, const char *name, struct tollgate_plugin *ret);
