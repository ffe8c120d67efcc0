// What a program wrote on stderr, made short for the story of a failure.
#ifndef TESTS_SUPPORT_STDERR_DIGEST_H_
#define TESTS_SUPPORT_STDERR_DIGEST_H_

#include <string>

namespace harness {

// The last lines of `text`: the last ones say why a program ended. Of the pages
// of a sanitizer, the lines that a learner needs: the error, the place in the
// source, the variable that was overrun.
std::string StderrDigest(const std::string& text);

// Where the catalogue of errors is, in the runfiles.
constexpr char kCatalogue[] = "docs/errors.md";

// The entries of the catalogue for the errors that `text` names, a space before
// each: " ENOENT" for "connect: No such file or directory (ENOENT)".
std::string CatalogueEntries(const std::string& text);

}  // namespace harness

#endif  // TESTS_SUPPORT_STDERR_DIGEST_H_
