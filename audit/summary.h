// What an image holds, from its head, its index and its small records: no page is read.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "proto/image_file.h"

namespace ferry::audit {

struct RecordsOfKind {
  std::string kind;  // as in the schema: "head", "pages", "index_part", …
  uint64_t count = 0;
  uint64_t bytes = 0;  // whole records
};

struct PagesOfKind {
  v1::PageKind kind = v1::DATA;
  uint64_t pages = 0;
  uint64_t stored_bytes = 0;  // their share of the batches they are in
};

// Nothing of what the guest computes with: structure only.
struct VcpuSummary {
  uint32_t id = 0;
  std::optional<uint64_t> cr3_pfn = {};  // empty if the context is not one of a 64-bit guest
  std::optional<uint64_t> user_cr3_pfn = {};
  uint64_t gdt_entries = 0;
  uint64_t xsave_bytes = 0;
  uint64_t msrs = 0;
};

struct Summary {
  ImagePlace place;
  v1::Head head;
  uint64_t records = 0;
  std::vector<RecordsOfKind> records_by_kind = {};  // in the schema's order
  std::vector<PagesOfKind> pages_by_kind = {};      // in the schema's order
  std::vector<VcpuSummary> vcpus = {};              // no more than a guest can have
  std::optional<v1::Config> config = {};  // of a bare image; an xl file has it in place.xl_config
  std::optional<v1::Timeline> timeline = {};

  uint64_t pages_with_frame() const;
};

// Throws Error(bad_image) or Error(io).
Summary summarise(const ImageFile& image);

}  // namespace ferry::audit
