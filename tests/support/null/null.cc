// A program that does nothing of what any lab asks for. A check that it passes
// judges nothing. HOW is how it does nothing.
#include <unistd.h>

#include <cstdio>

#ifdef TRANSCRIPT
constexpr char kTranscript[] =
#include TRANSCRIPT
    ;
#endif

int main(int argc, char** argv) {
  const char* name = argv[0];
  switch (HOW) {
    case 0:  // Ends at once, as if all had gone well.
      return 0;
    case 1:  // Fails with a line that looks right.
      fprintf(stderr, "%s: open %s: No such file or directory (ENOENT)\n", name,
              argc > 1 ? argv[argc - 1] : "socket");
      return 1;
    case 2:  // Refuses whatever it is asked.
      fprintf(stderr, "%s: %s: not a flag: see --help\n", name,
              argc > 1 ? argv[1] : "--socket");
      return 2;
    case 3:  // Waits for ever.
      while (true) pause();
    default: {  // Echoes its arguments and its input.
      for (int i = 1; i < argc; ++i) printf("%s\n", argv[i]);
      fflush(stdout);
      char buffer[4096];
      ssize_t count;
      while ((count = read(0, buffer, sizeof(buffer))) > 0) {
        if (write(1, buffer, count) < 0) return 1;
      }
      return 0;
    }
#ifdef TRANSCRIPT
    case 5:  // Prints what the handout shows.
      fputs(kTranscript, stdout);
      return 0;
#endif
  }
}
