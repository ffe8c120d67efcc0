// The rows with libuv, which has its event loop and nothing else: each step
// begins in the callback that ends the one before.
#ifdef BENCH_HAS_UV

#include <netinet/in.h>
#include <sys/socket.h>
#include <uv.h>

#include <algorithm>
#include <array>
#include <string>

#include "tools/bench/rows.h"

namespace bench {
namespace {

void Check(int result) {
  if (result < 0) Die(uv_strerror(result));
}

uv_stream_t* AsStream(uv_pipe_t* pipe) {
  return reinterpret_cast<uv_stream_t*>(pipe);
}
uv_stream_t* AsStream(uv_tcp_t* tcp) {
  return reinterpret_cast<uv_stream_t*>(tcp);
}

template <typename T>
uv_handle_t* AsHandle(T* handle) {
  return reinterpret_cast<uv_handle_t*>(handle);
}

// A loop that a row runs until it has nothing left to do.
class Loop {
 public:
  Loop() { Check(uv_loop_init(&loop_)); }
  ~Loop() { Check(uv_loop_close(&loop_)); }
  uv_loop_t* get() { return &loop_; }
  void Run() { Check(uv_run(&loop_, UV_RUN_DEFAULT)); }

 private:
  uv_loop_t loop_;
};

void OpenPair(Loop* loop, uv_pipe_t* first, uv_pipe_t* second, int ipc) {
  uv_os_sock_t fds[2];
  Check(uv_socketpair(SOCK_STREAM, 0, fds, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE));
  Check(uv_pipe_init(loop->get(), first, ipc));
  Check(uv_pipe_init(loop->get(), second, ipc));
  Check(uv_pipe_open(first, fds[0]));
  Check(uv_pipe_open(second, fds[1]));
}

// Sends `size` bytes from one end to the other, `count` times, and then closes
// both. With `echo` every other time goes the other way.
class Transfers {
 public:
  Transfers(uv_stream_t* from, uv_stream_t* to, size_t size, bool echo,
            int count)
      : ends_{from, to},
        size_(size),
        echo_(echo),
        left_(count),
        data_(uv_buf_init(const_cast<char*>(Payload().data()), size)),
        buffer_(2 * size, 0) {
    for (uv_stream_t* end : ends_) {
      end->data = this;
      Check(uv_read_start(end, Allocate, OnRead));
    }
    Send();
  }
  ~Transfers() {
    bench::Check(Payload().compare(0, size_, buffer_, 0, size_) == 0,
                 "what arrived");
  }

 private:
  void Send() {
    got_ = 0;
    written_ = false;
    request_.data = this;
    Check(uv_write(&request_, ends_[0], &data_, 1, OnWritten));
  }

  // The request is free for the next time only after its callback, which may
  // come before or after the data.
  void Advance() {
    if (!written_ || got_ < size_) return;
    if (echo_) std::swap(ends_[0], ends_[1]);
    if (--left_ > 0) return Send();
    for (uv_stream_t* end : ends_) uv_close(AsHandle(end), nullptr);
  }

  static void OnWritten(uv_write_t* request, int status) {
    Check(status);
    auto* self = static_cast<Transfers*>(request->data);
    self->written_ = true;
    self->Advance();
  }

  // More room than there are bytes to come: a full buffer makes libuv ask for
  // more at once.
  static void Allocate(uv_handle_t* handle, size_t, uv_buf_t* buffer) {
    auto* self = static_cast<Transfers*>(handle->data);
    *buffer = uv_buf_init(&self->buffer_[self->got_],
                          self->buffer_.size() - self->got_);
  }

  static void OnRead(uv_stream_t* stream, ssize_t count, const uv_buf_t*) {
    Check(static_cast<int>(count));
    auto* self = static_cast<Transfers*>(stream->data);
    self->got_ += count;
    self->Advance();
  }

  std::array<uv_stream_t*, 2> ends_;
  const size_t size_;
  const bool echo_;
  int left_;
  const uv_buf_t data_;  // Not const within, though never changed.
  std::string buffer_;
  size_t got_ = 0;
  bool written_ = false;
  uv_write_t request_;
};

void PingPong(int count) {
  Loop loop;
  uv_pipe_t ours, theirs;
  OpenPair(&loop, &ours, &theirs, 0);
  Transfers transfers(AsStream(&ours), AsStream(&theirs), kPingSize,
                      /*echo=*/true, 2 * count);
  loop.Run();
}

// A client, and the server that accepts it.
template <typename Handle>
struct Connection {
  Handle listener, client, server;
  uv_connect_t request;
  int ready = 0;  // Two when both ends are.

  static void OnClient(uv_stream_t* listener, int status) {
    Check(status);
    auto* self = static_cast<Connection*>(listener->data);
    Check(uv_accept(listener, AsStream(&self->server)));
    ++self->ready;
  }
  static void OnConnected(uv_connect_t* request, int status) {
    Check(status);
    ++static_cast<Connection*>(request->data)->ready;
  }
};

template <typename Handle>
void OneWay(Loop* loop, Connection<Handle>* connection, int count) {
  while (connection->ready < 2) uv_run(loop->get(), UV_RUN_ONCE);
  uv_close(AsHandle(&connection->listener), nullptr);
  Transfers transfers(AsStream(&connection->client),
                      AsStream(&connection->server), kBulkSize,
                      /*echo=*/false, count);
  loop->Run();
}

void UnixStream(int count) {
  using Pipes = Connection<uv_pipe_t>;
  Loop loop;
  Pipes pipes;
  for (uv_pipe_t* pipe : {&pipes.listener, &pipes.client, &pipes.server}) {
    Check(uv_pipe_init(loop.get(), pipe, 0));
  }
  const std::string path = PathFor("stream");
  pipes.listener.data = pipes.request.data = &pipes;
  Check(uv_pipe_bind(&pipes.listener, path.c_str()));
  Check(uv_listen(AsStream(&pipes.listener), SOMAXCONN, Pipes::OnClient));
  uv_pipe_connect(&pipes.request, &pipes.client, path.c_str(),
                  Pipes::OnConnected);
  OneWay(&loop, &pipes, count);
}

void Socketpair(int count) {
  Loop loop;
  uv_pipe_t from, to;
  OpenPair(&loop, &from, &to, 0);
  Transfers transfers(AsStream(&from), AsStream(&to), kBulkSize,
                      /*echo=*/false, count);
  loop.Run();
}

void PrepareTcp(uv_tcp_t* tcp) {
  uv_os_fd_t fd;
  Check(uv_fileno(AsHandle(tcp), &fd));
  bench::PrepareTcp(fd);
}

void Tcp(int count) {
  using Tcps = Connection<uv_tcp_t>;
  Loop loop;
  Tcps tcps;
  for (uv_tcp_t* tcp : {&tcps.listener, &tcps.client, &tcps.server}) {
    Check(uv_tcp_init(loop.get(), tcp));
  }
  sockaddr_in address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  int size = sizeof(address);
  tcps.listener.data = tcps.request.data = &tcps;
  Check(uv_ip4_addr("127.0.0.1", 0, &address));
  Check(uv_tcp_bind(&tcps.listener, any, 0));
  PrepareTcp(&tcps.listener);
  Check(uv_listen(AsStream(&tcps.listener), SOMAXCONN, Tcps::OnClient));
  Check(uv_tcp_getsockname(&tcps.listener, any, &size));
  Check(uv_tcp_connect(&tcps.request, &tcps.client, any, Tcps::OnConnected));
  PrepareTcp(&tcps.client);
  OneWay(&loop, &tcps, count);
}

// libuv passes its own handles only: here a pipe.
class Passing {
 public:
  Passing(Loop* loop, int count) : loop_(loop), left_(count) {
    OpenPair(loop, &sender_, &receiver_, 1);
    OpenPair(loop, &passed_, &unused_, 0);
    receiver_.data = request_.data = accepted_.data = this;
    Check(uv_read_start(AsStream(&receiver_), Allocate, OnRead));
    Send();
  }

 private:
  void Send() {
    to_come_ = 2;
    static char byte[] = "F";
    const uv_buf_t data = uv_buf_init(byte, 1);
    Check(uv_write2(&request_, AsStream(&sender_), &data, 1, AsStream(&passed_),
                    OnWritten));
  }

  void Advance() {
    if (--to_come_ > 0) return;
    if (--left_ > 0) return Send();
    for (uv_pipe_t* pipe : {&sender_, &receiver_, &passed_, &unused_}) {
      uv_close(AsHandle(pipe), nullptr);
    }
  }

  static void OnWritten(uv_write_t* request, int status) {
    Check(status);
    static_cast<Passing*>(request->data)->Advance();
  }

  static void Allocate(uv_handle_t* handle, size_t, uv_buf_t* buffer) {
    auto* self = static_cast<Passing*>(handle->data);
    *buffer = uv_buf_init(self->buffer_, sizeof(self->buffer_));
  }

  static void OnRead(uv_stream_t* stream, ssize_t count, const uv_buf_t*) {
    Check(static_cast<int>(count));
    auto* self = static_cast<Passing*>(stream->data);
    if (count == 0) return;
    if (uv_pipe_pending_count(&self->receiver_) != 1) Die("no descriptor");
    Check(uv_pipe_init(self->loop_->get(), &self->accepted_, 0));
    Check(uv_accept(stream, AsStream(&self->accepted_)));
    uv_close(AsHandle(&self->accepted_), OnClosed);
  }

  static void OnClosed(uv_handle_t* handle) {
    static_cast<Passing*>(handle->data)->Advance();
  }

  Loop* const loop_;
  int left_;
  int to_come_ = 0;  // Of two callbacks: written, closed.
  uv_pipe_t sender_, receiver_, passed_, unused_, accepted_;
  uv_write_t request_;
  char buffer_[2];
};

void Fd(int count) {
  Loop loop;
  Passing passing(&loop, count);
  loop.Run();
}

class Connecting {
 public:
  Connecting(Loop* loop, int count)
      : loop_(loop), left_(count), path_(PathFor("connect")) {
    Check(uv_pipe_init(loop->get(), &listener_, 0));
    listener_.data = request_.data = client_.data = server_.data = this;
    Check(uv_pipe_bind(&listener_, path_.c_str()));
    Check(uv_listen(AsStream(&listener_), SOMAXCONN, OnClient));
    Connect();
  }

 private:
  void Connect() {
    ready_ = 0;
    closed_ = 0;
    Check(uv_pipe_init(loop_->get(), &client_, 0));
    uv_pipe_connect(&request_, &client_, path_.c_str(), OnConnected);
  }

  void OnReady() {
    if (++ready_ < 2) return;
    uv_close(AsHandle(&client_), OnClosed);
    uv_close(AsHandle(&server_), OnClosed);
  }

  static void OnConnected(uv_connect_t* request, int status) {
    Check(status);
    static_cast<Connecting*>(request->data)->OnReady();
  }

  static void OnClient(uv_stream_t* listener, int status) {
    Check(status);
    auto* self = static_cast<Connecting*>(listener->data);
    Check(uv_pipe_init(self->loop_->get(), &self->server_, 0));
    Check(uv_accept(listener, AsStream(&self->server_)));
    self->OnReady();
  }

  static void OnClosed(uv_handle_t* handle) {
    auto* self = static_cast<Connecting*>(handle->data);
    if (++self->closed_ < 2) return;
    if (--self->left_ > 0) return self->Connect();
    uv_close(AsHandle(&self->listener_), nullptr);
  }

  Loop* const loop_;
  int left_;
  const std::string path_;
  int ready_ = 0, closed_ = 0;
  uv_pipe_t listener_, client_, server_;
  uv_connect_t request_;
};

void ConnectAndAccept(int count) {
  Loop loop;
  Connecting connecting(&loop, count);
  loop.Run();
}

}  // namespace

const Implementation kUv = {"libuv", PingPong, UnixStream, Socketpair,
                            Tcp,     nullptr,  Fd,         ConnectAndAccept};

}  // namespace bench

#else

#include "tools/bench/rows.h"

namespace bench {
const Implementation kUv = {"libuv", nullptr, nullptr, nullptr,
                            nullptr, nullptr, nullptr, nullptr};
}  // namespace bench

#endif
