// The golden delta stays readable: with its base it holds what it held.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "delta/chain.h"
#include "delta/identity.h"
#include "error/error.h"
#include "pipeline/inline_executor.h"
#include "proto/record_reader.h"
#include "tests/delta/golden_delta.h"
#include "tests/delta/make_delta.h"

namespace ferry::test {
namespace {

const std::string kFolder = FERRY_GOLDEN;

TEST(GoldenDelta, HasTheSamePagesAsEverOnItsBase) {
  InlineExecutor executor;
  const ImageFile chain = delta::open_chain(
      {InputFile(kFolder + "/v1.0-bare.ferry"), InputFile(kFolder + "/v1.0-delta.ferry")},
      executor);
  struct Page {
    v1::PageKind kind;
    Bytes bytes;
  };
  std::map<uint64_t, Page> last;
  std::vector<Batch> batches = golden::batches();
  batches.push_back(golden::delta_batch());
  for (const Batch& batch : batches) {
    auto page = batch.pages.begin();
    for (const PageRun& run : batch.runs)
      for (uint64_t i = 0; i < run.count; ++i) {
        Page& now = last[run.first.raw() + i];
        now = {run.kind, {}};
        if (!has_data(run.kind)) continue;
        now.bytes.assign(page, page + kPageSize);
        page += kPageSize;
      }
  }
  for (uint64_t part = 0; part < chain.parts(); ++part) {
    const auto entries = chain.read_part(part);
    for (uint64_t i = 0; i < entries.size(); ++i) {
      const uint64_t pfn = part * kPfnsPerIndexPart + i;
      const auto found = last.find(pfn);
      ASSERT_EQ(entries[i].mentioned, found != last.end()) << pfn;
      if (found == last.end()) continue;
      EXPECT_EQ(entries[i].kind, found->second.kind) << pfn;
      Bytes bytes(kPageSize);
      const bool data = chain.read_page(pfn_t(pfn), std::span(bytes).first<kPageSize>());
      EXPECT_EQ(data ? bytes : Bytes(), found->second.bytes) << pfn;
    }
  }
}

TEST(GoldenDelta, NamesItsBaseAsEver) {
  const ImageFile delta = ImageFile::open_link(InputFile(kFolder + "/v1.0-delta.ferry"));
  EXPECT_EQ(hex_of(delta.head().base().sha256()), golden::kBaseSha256);
  EXPECT_EQ(hex_of(delta.head().base().digest_of_digests()), golden::kBaseDigest);
  EXPECT_EQ(delta.head().base().bytes(), golden::kBaseBytes);
}

}  // namespace
}  // namespace ferry::test
