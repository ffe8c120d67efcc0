// What the checks of lab 10 have in common: the lines of the program, as errors
// told, and the calls that strace saw beside them.
#ifndef TESTS_10_ERRORS_ERRORS_CHECK_H_
#define TESTS_10_ERRORS_ERRORS_CHECK_H_

#include <string>
#include <vector>

#include "tests/10_errors/catalogue.h"
#include "tests/10_errors/socket_trace.h"
#include "tests/support/check.h"
#include "tests/support/place.h"

using Words = std::vector<std::string>;

// One error as the program tells it.
struct Told {
  std::string error, call;
  bool injected = false;
  Words before;  // The calls that led there.
};

class Errors : public harness::Check {
 protected:
  Errors() { Judges("provoke"); }

  // A failure from here on means that `error` was not provoked.
  void BecauseOf(const std::string& error);
  harness::Place PlaceOf(const std::string& error, std::vector<int> promises);

  // The errors that `program` tells, having ended well.
  std::vector<Told> ToldBy(harness::Process program);
  // Of what the program told, `seen` is `wanted`.
  void AreThese(harness::Process program, const Words& seen,
                const Words& wanted);
  // What `program` tells of `errors`, these and no others in that order, having
  // ended well.
  std::vector<Told> Tells(harness::Process program, const Words& errors);

  // Each of `errors` is seen when the program is asked for that one alone; so
  // what fails afterwards has another cause.
  void SeenAlone(const Words& errors);

  // An error that the program was asked for under strace.
  struct Provoked {
    harness::Process program;
    Told told;
    std::vector<SystemCall> calls;
    const SystemCall* failing;  // Null once the check is over.
  };
  // Runs the program for `error`: it tells that error, and strace saw the call
  // that is said to have failed.
  Provoked Provoke(const std::string& error, const Words& options = {});

  std::vector<SystemCall> Trace() const { return ReadTrace(trace()); }
  std::string trace() const { return scratch().File("trace"); }

  static bool MakesFilters(const std::vector<SystemCall>& calls);

  // Whether the trace of `errors` shows that each is provoked in a process of
  // its own, and, if `call` is given, by that call and no other of the kind.
  bool HasProcesses(const Words& errors, const std::string& call = "");

  // The option with which strace changes `call`.
  static std::string Inject(const SystemCall& call, const std::string& how);

  // Whether there is a line about an error in `out`.
  static bool TellsAny(const std::string& out);

  static Words Shuffled();

  // What is in the program's working directory, beside what is ours.
  std::string Leftovers() const;

 private:
  const SystemCall* Failing(harness::Process program,
                            const std::vector<SystemCall>& calls,
                            const Told& told);
};

#endif  // TESTS_10_ERRORS_ERRORS_CHECK_H_
