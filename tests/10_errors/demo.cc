// The documented transcript of lab 10, from a program that really runs.
#include "tests/support/demo.h"

int main(int argc, char** argv) {
  harness::Demo demo(argc, argv);
  demo.Run("provoke", {"ECONNREFUSED", "ECONNRESET"});
  demo.Run("provoke", {"ENOMEM"});
  return demo.status();
}
