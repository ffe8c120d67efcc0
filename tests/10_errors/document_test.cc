// Runs the script that it is given: no rule for that is in every Bazel.
#include <unistd.h>

#include <cstdio>

int main(int /*argc*/, char** argv) {
  char bash[] = "bash";
  argv[0] = bash;
  execv("/bin/bash", argv);
  perror("document_test: execv /bin/bash");
  return 1;
}
