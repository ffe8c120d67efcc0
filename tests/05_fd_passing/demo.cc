// The documented transcript of lab 05, from programs that really run.
#include "tests/support/demo.h"

int main(int argc, char** argv) {
  harness::Demo demo(argc, argv);
  demo.Write("one", "What the opener has opened,");
  demo.Write("two", "the reader reads.");
  harness::Child* opener =
      demo.Start("opener", {"--socket=broker", "--root=."});
  demo.AwaitListening(opener, "broker");
  demo.Run("reader", {"--socket=broker", "one", "two"});
  demo.Finish(opener);
  return demo.status();
}
