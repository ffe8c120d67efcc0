// The documented transcript of lab 02, from programs that really run.
#include "tests/support/demo.h"

int main(int argc, char** argv) {
  harness::Demo demo(argc, argv);
  const std::string path = "unix.dgram";
  harness::Child* server =
      demo.Start("server", {"--socket=" + path, "--datagrams=3"});
  demo.AwaitReceiving(server, path);
  demo.Run("client", {"--socket=" + path, "one", "datagram", "each"});
  demo.Finish(server);
  return demo.status();
}
