// The documented transcript of lab 01, from programs that really run.
#include "tests/support/demo.h"

int main(int argc, char** argv) {
  harness::Demo demo(argc, argv);
  const std::string path = "unix.domain";
  harness::Child* server = demo.Start("server", {"--socket=" + path});
  demo.AwaitListening(server, path);
  demo.Run("client", {"--socket=" + path});
  demo.Finish(server);
  return demo.status();
}
