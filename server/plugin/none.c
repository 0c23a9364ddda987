// The provider that nobody speaks to: its models have prices, calls of them come as events, and the gateway, which finds
// none of its endpoints here, never routes to it. Its meters are the standard ones, with their parents.
#include "base/mem.h"
#include "plugin/registry.h"

static const struct tollgate_meter meters[] = {
    {"input_tokens", NULL, TOLLGATE_TOTAL_INPUT},
    {"cached_input_tokens", "input_tokens", TOLLGATE_TOTAL_INPUT},
    {"cache_write_tokens", "input_tokens", TOLLGATE_TOTAL_INPUT},
    {"audio_input_tokens", "input_tokens", TOLLGATE_TOTAL_INPUT},
    {"image_input_tokens", "input_tokens", TOLLGATE_TOTAL_INPUT},
    {"output_tokens", NULL, TOLLGATE_TOTAL_OUTPUT},
    {"reasoning_tokens", "output_tokens", TOLLGATE_TOTAL_OUTPUT},
    {"audio_output_tokens", "output_tokens", TOLLGATE_TOTAL_OUTPUT},
    {"images", NULL, TOLLGATE_TOTAL_NONE},
    {"characters", NULL, TOLLGATE_TOTAL_NONE},
    {"pages", NULL, TOLLGATE_TOTAL_NONE},
    {"documents", NULL, TOLLGATE_TOTAL_NONE},
    {"audio_seconds", NULL, TOLLGATE_TOTAL_NONE},
    {"audio_ms", NULL, TOLLGATE_TOTAL_NONE},
    {"video_seconds", NULL, TOLLGATE_TOTAL_NONE},
    {"gpu_seconds", NULL, TOLLGATE_TOTAL_NONE},
    {"gpu_ms", NULL, TOLLGATE_TOTAL_NONE},
    {"requests", NULL, TOLLGATE_TOTAL_NONE},
};

const struct tollgate_plugin plugin_none = {
    .abi_major = TOLLGATE_ABI_MAJOR,
    .abi_minor = TOLLGATE_ABI_MINOR,
    .size = sizeof plugin_none,
    .name = PLUGIN_NONE,
    .version = "1",
    .description = "no upstream: prices of what is reported as events",
    .meters = meters,
    .meter_count = ARRAY_LEN(meters),
};
