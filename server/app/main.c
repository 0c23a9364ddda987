// The program's entry. Everything else is in the library, so that tests link the real code.
#include "app/command.h"

int main(int argc, char **argv) {
  return command_main(argc, argv);
}
