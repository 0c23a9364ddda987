// The OpenAI API: chat completions, plain and streamed, and embeddings. This file is the table; request.c reads what
// the caller asks for and bounds it, build.c writes it for the provider, answer.c follows the answer and usage.c counts
// it. How estimates are made is documented in plugins/README.md.
#include "openai/openai.h"

static const struct tollgate_endpoint endpoints[] = {
    [ENDPOINT_CHAT] = {"POST", "/v1/chat/completions", "chat", TOLLGATE_ENDPOINT_STREAMS | TOLLGATE_ENDPOINT_STOPPABLE},
    [ENDPOINT_EMBEDDINGS] = {"POST", "/v1/embeddings", "embeddings", 0},
};

static const struct tollgate_meter meters[] = {
    [METER_INPUT] = {"input_tokens", NULL, TOLLGATE_TOTAL_INPUT},
    [METER_CACHED] = {"cached_input_tokens", "input_tokens", TOLLGATE_TOTAL_INPUT},
    [METER_CACHE_WRITE] = {"cache_write_tokens", "input_tokens", TOLLGATE_TOTAL_INPUT},
    [METER_AUDIO_IN] = {"audio_input_tokens", "input_tokens", TOLLGATE_TOTAL_INPUT},
    [METER_IMAGE_IN] = {"image_input_tokens", "input_tokens", TOLLGATE_TOTAL_INPUT},
    [METER_OUTPUT] = {"output_tokens", NULL, TOLLGATE_TOTAL_OUTPUT},
    [METER_REASONING] = {"reasoning_tokens", "output_tokens", TOLLGATE_TOTAL_OUTPUT},
    [METER_AUDIO_OUT] = {"audio_output_tokens", "output_tokens", TOLLGATE_TOTAL_OUTPUT},
};

extern const struct tollgate_plugin tollgate_plugin;
__attribute__((visibility("default"))) const struct tollgate_plugin tollgate_plugin = {
    .abi_major = TOLLGATE_ABI_MAJOR,
    .abi_minor = TOLLGATE_ABI_MINOR,
    .size = sizeof(struct tollgate_plugin),
    .name = "openai",
    .version = TOLLGATE_VERSION,
    .description = "OpenAI: chat completions and embeddings",
    .base_url = "https://api.openai.com",
    .endpoints = endpoints,
    .endpoint_count = sizeof endpoints / sizeof endpoints[0],
    .meters = meters,
    .meter_count = sizeof meters / sizeof meters[0],
    .state_size = sizeof(struct state),
    .inspect = request_inspect,
    .bound = request_bound,
    .build = request_build,
    .begin = answer_begin,
    .bytes = answer_bytes,
    .end = answer_end,
    .totals = usage_totals,
    .fail = answer_fail,
};
