// The documented transcript of lab 09, from programs that really run.
#include "tests/support/demo.h"

int main(int argc, char** argv) {
  harness::Demo demo(argc, argv);
  harness::Child* deframer = demo.Start("deframer", {"--socket=frames"});
  demo.AwaitListening(deframer, "frames");
  demo.ShowLine(deframer);
  demo.Run("framer",
           {"--socket=frames", "three words gathered", "in one", "call"});
  demo.Finish(deframer);
  return demo.status();
}
