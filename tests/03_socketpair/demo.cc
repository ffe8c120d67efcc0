// The documented transcript of lab 03, from a program that really runs.
#include "tests/support/demo.h"

int main(int argc, char** argv) {
  harness::Demo demo(argc, argv);
  demo.RunOn("Message from parent", "pair");
  return demo.status();
}
