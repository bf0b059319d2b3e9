// Judges a saved image: would it restore, and would the guest be the one that was saved?
#pragma once

#include "audit/prediction.h"
#include "audit/report.h"
#include "pipeline/pipeline.h"
#include "proto/image_file.h"

namespace ferry::audit {

struct Options {
  Level level = Level::full;
  size_t keep = 20;  // findings of one rule that are kept in words; all are counted
};

struct Result {
  Findings findings;
  // How far the rules got: below what was asked for if the bytes themselves are not sound, because
  // then nothing in them can be judged.
  Level judged;
  uint64_t records = 0;
  uint64_t bytes = 0;  // of the image
  // Level full only, and only if pages can be read.
  std::optional<Prediction> prediction = {};

  bool clean() const { return findings.count(Severity::error) == 0; }
};

// Uses at most 64 MiB and 32 bytes for each pfn, whatever the image claims, as long as the executor
// is at most kMostThreads wide. Throws Error(io); everything about the image is a finding.
inline constexpr unsigned kMostThreads = 6;
Result run(const ImageFile& image, const Options& options, Executor& executor);

}  // namespace ferry::audit
