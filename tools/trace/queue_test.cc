#include "tools/trace/queue.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace trace {
namespace {

Put P(size_t begin, size_t end, int64_t size) {
  Put put;
  put.begin = begin;
  put.end = end;
  put.size = size;
  return put;
}

Take T(size_t begin, size_t end, int64_t size) {
  Take take;
  take.begin = begin;
  take.end = end;
  take.size = size;
  return take;
}

bool Anything(const Piece&) { return true; }

// "0>1:3+2" is 2 bytes of put 0, that begin at byte 3 of it, to take 1.
std::string Told(const Matching& matching) {
  std::string told;
  for (const Piece& piece : matching.pieces) {
    told += std::to_string(piece.put) + ">" + std::to_string(piece.take) + ":" +
            std::to_string(piece.put_at) + "+" + std::to_string(piece.size) +
            " ";
  }
  return told;
}

TEST(Queue, SplitAndMerged) {
  const Matching matching =
      Match({P(1, 1, 5), P(2, 2, 4)}, {T(3, 3, 3), T(4, 4, 6)}, Anything);
  EXPECT_EQ(Told(matching), "0>0:0+3 0>1:3+2 1>1:0+4 ");
  EXPECT_EQ(matching.unknown, (std::vector<int64_t>{0, 0}));
  EXPECT_FALSE(matching.strange);
}

TEST(Queue, WritesAtTheSameTimeAreNotGuessed) {
  const Matching matching =
      Match({P(1, 4, 2), P(2, 3, 2)}, {T(5, 5, 2), T(6, 6, 2)}, Anything);
  EXPECT_EQ(Told(matching), "");
  EXPECT_EQ(matching.unknown, (std::vector<int64_t>{2, 2}));
}

TEST(Queue, ContentsTellTheOrder) {
  // Only put 1 fits take 0.
  const Matching matching =
      Match({P(1, 4, 2), P(2, 3, 2)}, {T(5, 5, 2), T(6, 6, 2)},
            [](const Piece& piece) { return piece.put != piece.take; });
  EXPECT_EQ(Told(matching), "1>0:0+2 0>1:0+2 ");
}

TEST(Queue, WhatWasNotThereYetTellsTheOrderOfReads) {
  // Take 0 ended before put 1 began.
  const Matching matching =
      Match({P(1, 1, 2), P(6, 6, 2)}, {T(2, 4, 2), T(3, 7, 2)}, Anything);
  EXPECT_EQ(Told(matching), "0>0:0+2 1>1:0+2 ");
}

TEST(Queue, OneReadOfAllIsKnownInAnyOrder) {
  const Matching matching = Match({P(1, 4, 2), P(2, 3, 2), P(5, 5, 1)},
                                  {T(6, 6, 4), T(7, 7, 1)}, Anything);
  EXPECT_EQ(Told(matching), "2>1:0+1 ");
  EXPECT_EQ(matching.unknown[0], 4);
}

TEST(Queue, LongWritesMayBeMixed) {
  std::vector<Put> puts = {P(1, 4, 2), P(2, 3, 2)};
  puts[0].whole = false;
  EXPECT_EQ(Told(Match(puts, {T(5, 5, 2)},
                       [](const Piece& piece) { return piece.put == 1; })),
            "");
}

TEST(Queue, StrangersAreNoticed) {
  EXPECT_TRUE(Match({P(1, 1, 2)}, {T(2, 2, 3)}, Anything).strange);
  EXPECT_TRUE(Match({P(1, 1, 2)}, {T(2, 2, 2)}, [](const Piece&) {
                return false;
              }).strange);
  // It cannot have been read before it was written.
  EXPECT_TRUE(Match({P(3, 3, 2)}, {T(1, 2, 2)}, Anything).strange);
}

TEST(Queue, CutShort) {
  // Who was killed in a write wrote as many bytes as were read.
  EXPECT_EQ(
      Told(Match({P(1, 1, 2), P(2, 9, kUnknownSize)}, {T(3, 3, 7)}, Anything)),
      "0>0:0+2 1>0:0+5 ");
  // Of what somebody else wrote afterwards nothing is known.
  const Matching matching =
      Match({P(1, 1, 2), P(2, 9, kUnknownSize), P(3, 3, 1)},
            {T(4, 4, 2), T(5, 5, 1)}, Anything);
  EXPECT_EQ(Told(matching), "0>0:0+2 ");
  EXPECT_EQ(matching.unknown[1], 1);
}

TEST(Queue, Peek) {
  std::vector<Take> takes = {T(2, 2, 1), T(3, 3, 2), T(4, 4, 1)};
  takes[1].peek = true;
  EXPECT_EQ(Told(Match({P(1, 1, 4)}, takes, Anything)),
            "0>0:0+1 0>1:1+2 0>2:1+1 ");
}

TEST(Queue, ManyMessagesOfOneCallHaveAnOrder) {
  EXPECT_EQ(Told(Match({P(1, 1, 1), P(1, 1, 1), P(1, 1, 1), P(1, 1, 1),
                        P(1, 1, 1), P(1, 1, 1), P(1, 1, 1)},
                       {T(2, 2, 1), T(3, 3, 1)}, Anything)),
            "0>0:0+1 1>1:0+1 ");
}

TEST(Queue, Lossy) {
  const std::vector<Put> puts = {P(1, 1, 1), P(2, 2, 1), P(3, 3, 1)};
  // The first fits one only; the others are alike.
  const Matching matching = MatchLossy(
      puts, {T(4, 4, 1), T(5, 5, 1)},
      [](const Piece& piece) { return (piece.put == 0) == (piece.take == 0); });
  EXPECT_EQ(Told(matching), "0>0:0+1 ");
  EXPECT_EQ(matching.unknown, (std::vector<int64_t>{0, 1}));
}

}  // namespace
}  // namespace trace
