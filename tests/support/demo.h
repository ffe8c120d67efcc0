// Runs a lab's programs as a reader would at the prompt, and shows what they
// print.
//
//   harness::Demo demo(argc, argv);  // demo PROGRAM=PATH...
//   harness::Child* server = demo.Start("server", {"--socket=unix.domain"});
//   demo.AwaitListening(server, "unix.domain");
//   demo.Run("client", {"--socket=unix.domain"});
//   demo.Finish(server);
//   return demo.status();
#ifndef TESTS_SUPPORT_DEMO_H_
#define TESTS_SUPPORT_DEMO_H_

#include <map>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "lib/socket_address.h"
#include "tests/support/child.h"
#include "tests/support/scratch_dir.h"
#include "tests/support/supervisor.h"

namespace harness {

// Every step that fails is told on stderr and makes the rest do nothing.
class Demo {
 public:
  Demo(int argc, char** argv);
  ~Demo();

  // Shows "$ echo 'text' >file" and does so.
  void Write(const std::string& file, const std::string& text);

  // Shows "$ program args &" and starts it, in a scratch folder. nullptr when
  // that failed.
  Child* Start(const std::string& program,
               const std::vector<std::string>& args);

  // Waits until `child` listens at `path`.
  void AwaitListening(Child* child, const std::string& path);

  // Waits until `child` listens on TCP; the port.
  std::string AwaitPort(Child* child);

  // Waits until `child` has a UDP socket that is bound; its port.
  std::string AwaitUdpPort(Child* child);

  // Waits until `child` has a datagram socket bound to `path`.
  void AwaitReceiving(Child* child, const std::string& path);

  // Waits until `child` has printed a line, and shows it.
  void ShowLine(Child* child);

  // Shows "$ program args", runs it to its end and shows what it printed.
  void Run(const std::string& program, const std::vector<std::string>& args);

  // The same with a line of `text` as its input: "$ echo text | program".
  void RunOn(const std::string& text, const std::string& program);

  // Waits for the end of a program that was started, and shows what it printed
  // and has not been shown.
  void Finish(Child* child);

  // 0 if all went well so far, 1 if not.
  int status() const { return failed_ ? 1 : 0; }

 private:
  Child* Spawn(const std::string& program, const std::vector<std::string>& args,
               const char* suffix, const std::string& text = "");
  void Await(const char* what, absl::FunctionRef<bool()> condition);
  // The port of the first of the names that `names_of` comes to find.
  std::string AwaitPortOf(
      Child* child, const char* what,
      absl::FunctionRef<std::vector<ipc::SocketAddress>(pid_t)> names_of);

  std::map<std::string, std::string> programs_;
  ScratchDir scratch_;
  Supervisor supervisor_;
  std::map<Child*, size_t> shown_;  // Bytes of its stdout.
  bool failed_ = false;
};

}  // namespace harness

#endif  // TESTS_SUPPORT_DEMO_H_
