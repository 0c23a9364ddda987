// `tollgate codes disable`: the one change of a code that has a word of its own.
#include "app/api.h"
#include "app/command.h"
#include "app/out.h"
#include "base/mem.h"

int codes_disable_run(struct invocation *in) {
  CLEANUP(buf_finish) struct buf path;
  bool undo = args_flag(&in->args, "undo");
  buf_init(&path, 4096);
  buf_puts(&path, "/api/v1/codes/");
  api_encode(&path, str_from(in->args.words[0]));
  struct api *api = api_create(config_text(&in->config, SETTING_URL), config_text(&in->config, SETTING_ADMIN_KEY));
  CLEANUP(api_answer_finish) struct api_answer answer;
  (void)api_send(api, &(struct api_request){.method = "PATCH", .path = buf_cstr(&path), .body = undo ? STR("{\"enabled\":true}") : STR("{\"enabled\":false}")},
                 &answer);
  int code = api_judge(api, &answer);
  if (code == EXIT_FINE && in->json) (void)printf("%s\n", buf_cstr(&answer.body));
  if (code == EXIT_FINE && !in->json) (void)printf("%s %s\n", in->args.words[0], undo ? "is in use again" : "is not in use any more");
  api_destroy(api);
  return code;
}
