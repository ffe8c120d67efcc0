// The documented transcript of lab 04, from programs that really run.
#include "tests/support/demo.h"

#include <random>
#include <string>

int main(int argc, char** argv) {
  harness::Demo demo(argc, argv);
  // All who share this network share its names.
  const std::string flag =
      "--name=lab-" + std::to_string(10000 + std::random_device{}() % 90000);
  harness::Child* server = demo.Start("server", {flag});
  demo.ShowLine(server);
  demo.Run("client", {flag});
  demo.Finish(server);
  return demo.status();
}
