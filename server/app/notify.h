// Tells systemd (Type=notify) how the service is; does nothing where NOTIFY_SOCKET is not set.
#pragma once

void notify_send(const char *state); // "READY=1", "STOPPING=1"
