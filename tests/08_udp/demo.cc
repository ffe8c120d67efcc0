// The documented transcript of lab 08, from programs that really run.
#include "tests/support/demo.h"

#include <string>

int main(int argc, char** argv) {
  harness::Demo demo(argc, argv);
  harness::Child* server = demo.Start("server", {"--requests=2", "--lose=3"});
  const std::string port = demo.AwaitUdpPort(server);
  demo.ShowLine(server);
  demo.Run("client", {"--port=" + port, "hello", "world"});
  demo.Finish(server);
  return demo.status();
}
