// What every lab program shares: flags and error messages. The header is light,
// for you compile it at each step.
//
//   const char* path = "/tmp/unix.domain";
//   int clients = 1;
//   ipc::ParseFlags(argc, argv,
//                   {{"socket", &path, "path of the socket file"},
//                    {"clients", &clients, "how many clients to serve"}});
//   ...
//   if (listen(fd, 5) < 0) {
//     ipc::ReportErrno("listen", path);
//     return 1;
//   }
#ifndef LIB_PROGRAM_H_
#define LIB_PROGRAM_H_

#include <cerrno>
#include <initializer_list>

namespace ipc {

// A flag --name=value and the variable that it sets; what the variable holds
// before is the default.
struct Flag {
  Flag(const char* name, const char** text, const char* meaning)
      : name(name), meaning(meaning), text(text) {}
  // A whole number of at least 1.
  Flag(const char* name, int* number, const char* meaning)
      : name(name), meaning(meaning), number(number) {}

  const char* name;
  const char* meaning;
  const char** text = nullptr;
  int* number = nullptr;
};

// Sets the variables of `flags` from the command line; texts then point into
// `argv`. Ends the program with status 2 and one line on stderr when the line
// has anything else in it, and with status 0 after printing the flags when it
// has --help. A program that also takes arguments says so by `arguments`, such
// as "MESSAGE...": they end up at the end of `argv`, from the index returned.
// What comes after -- is an argument. See getopt_long(3).
int ParseFlags(int argc, char** argv, std::initializer_list<Flag> flags,
               const char* arguments = nullptr);

// Prints "program: operation object: problem" on stderr. errno is left as it
// was.
void Report(const char* operation, const char* object, const char* problem);

// The same for a system call that failed: Report("connect", "/tmp/x",
// "Connection refused (ECONNREFUSED)"). Call it before errno changes.
void ReportErrno(const char* operation, const char* object, int error = errno);

}  // namespace ipc

#endif  // LIB_PROGRAM_H_
