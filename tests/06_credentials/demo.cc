// The documented transcript of lab 06, from programs that really run.
#include "tests/support/demo.h"

#include <random>
#include <string>

int main(int argc, char** argv) {
  harness::Demo demo(argc, argv);
  // All who share this network share its names.
  const std::string name =
      "who-" + std::to_string(10000 + std::random_device{}() % 90000);
  harness::Child* server = demo.Start("whoserver", {"--name=" + name});
  demo.AwaitListening(server, "@" + name);
  demo.Run("whoami_client", {"--name=" + name});
  demo.Finish(server);
  return demo.status();
}
