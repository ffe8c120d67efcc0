// What the fuzz targets share: reading an input, and stopping at a finding.
#ifndef LIB_FUZZ_FUZZ_INPUT_H_
#define LIB_FUZZ_FUZZ_INPUT_H_

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace ipc {

// The bytes of one input, taken from the front. After the last there are only
// zeros, so that every prefix of an input is an input too.
class FuzzInput {
 public:
  FuzzInput(const uint8_t* data, size_t size)
      : next_(data), end_(data + size) {}

  bool empty() const { return next_ == end_; }
  uint8_t Byte() { return empty() ? 0 : *next_++; }
  uint16_t Word() {
    const uint16_t high = Byte();
    return static_cast<uint16_t>(high << 8 | Byte());
  }
  // At most `size` bytes, fewer where the input ends.
  std::string Bytes(size_t size) {
    size = std::min<size_t>(size, end_ - next_);
    std::string bytes(reinterpret_cast<const char*>(next_), size);
    next_ += size;
    return bytes;
  }

 private:
  const uint8_t* next_;
  const uint8_t* end_;
};

// Ends the program, which the fuzzer takes for a finding, unless `fact` holds.
inline void Require(bool fact, const char* meaning) {
  if (fact) return;
  fprintf(stderr, "does not hold: %s\n", meaning);
  abort();
}

}  // namespace ipc

// The one function that each target defines and libFuzzer, or replay.cc, calls.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

#endif  // LIB_FUZZ_FUZZ_INPUT_H_
