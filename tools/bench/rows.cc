#include "tools/bench/rows.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace bench {
namespace {

std::vector<std::string>* paths;
std::string* folder;

void RemovePaths() {
  for (const std::string& path : *paths) unlink(path.c_str());
  rmdir(folder->c_str());
}

}  // namespace

const std::vector<Row>& Rows() {
  static const auto* rows = new std::vector<Row>{
      {"ping_pong", &Implementation::ping_pong},
      {"unix_stream", &Implementation::unix_stream},
      {"socketpair", &Implementation::socketpair},
      {"tcp", &Implementation::tcp},
      {"datagram", &Implementation::datagram},
      {"fd", &Implementation::fd},
      {"connect", &Implementation::connect},
  };
  return *rows;
}

const std::vector<Implementation>& Implementations() {
  static const auto* all =
      new std::vector<Implementation>{kRaw, kOurs, kAsio, kUv};
  return *all;
}

void Die(const char* what) {
  fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
  exit(1);
}

void Check(bool condition, const char* what) {
  if (!condition) Die(what);
}

std::string PathFor(const char* name) {
  if (!folder) {
    // Not in TEST_TMPDIR, which may be longer than a socket's name.
    char made[] = "/tmp/bench.XXXXXX";
    Check(mkdtemp(made), "mkdtemp");
    folder = new std::string(made);
    paths = new std::vector<std::string>;
    atexit(RemovePaths);
  }
  paths->push_back(*folder + "/" + name);
  unlink(paths->back().c_str());
  return paths->back();
}

void PrepareTcp(int fd) {
  const int on = 1, size = 4 * kBulkSize;
  Check(!setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) &&
            !setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) &&
            !setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)),
        "setsockopt");
}

const std::string& Payload() {
  static const std::string* payload = [] {
    auto* text = new std::string(kBulkSize, 0);
    for (size_t i = 0; i < text->size(); ++i) (*text)[i] = "payload"[i % 7];
    return text;
  }();
  return *payload;
}

}  // namespace bench
