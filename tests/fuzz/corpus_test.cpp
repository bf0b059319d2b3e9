// Every fuzz target takes every file of its corpus, in the ordinary build too.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "io/byte_stream.h"
#include "tests/fuzz/targets.h"

namespace ferry::fuzz {
namespace {

TEST(Corpus, every_target_takes_all_of_its_files) {
  for (const Target& target : kTargets) {
    unsigned files = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(std::filesystem::path(FERRY_CORPUS) / target.name)) {
      SCOPED_TRACE(entry.path());
      std::ifstream in(entry.path(), std::ios::binary);
      const std::string bytes(std::istreambuf_iterator<char>(in), {});
      target.run(std::as_bytes(std::span(bytes)));
      // And what is left of it when it is cut off.
      for (size_t part = 1; part < 8; ++part)
        target.run(std::as_bytes(std::span(bytes)).first(bytes.size() * part / 8));
      ++files;
    }
    EXPECT_GT(files, 0u) << target.name;
  }
}

// Otherwise a fuzzer would have to find out first what a chain is.
TEST(Corpus, has_a_chain_that_is_read_to_its_end) {
  std::ifstream in(std::filesystem::path(FERRY_CORPUS) / "chain" / "small", std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(in), {});
  EXPECT_TRUE(use_chain(std::as_bytes(std::span(bytes))));
}

}  // namespace
}  // namespace ferry::fuzz
