// What is different between two images: of one guest at two times, as a rule.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "evidence/guest_pages.h"

namespace ferry::evidence {

// A page that is not the same in both. Bytes are there while visit() runs; empty without a frame.
struct ChangedPage {
  uint64_t pfn = 0;
  v1::PageKind from = audit::kUnmentioned, to = audit::kUnmentioned;
  std::span<const std::byte> from_bytes, to_bytes;
};

// Of pages of one kind in the first image and one in the second.
struct KindChange {
  uint64_t pages = 0, changed = 0;
};

// Threads that keep it within the memory of a reader: there are two images.
inline constexpr unsigned kMostDiffThreads = 2;

struct PagesDiff {
  uint64_t pages = 0;    // that have a frame in either
  uint64_t changed = 0;  // of them
  std::map<std::pair<v1::PageKind, v1::PageKind>, KindChange> kinds;
};

// Compares every byte, page by page, tables in pfn form; visit(page) for those that are not the
// same, ascending. A page of zeros is that, whether an image has it so or as data; a page without a
// frame and one that is not mentioned are the same. Throws Error(bad_image), Error(io).
PagesDiff diff_pages(const GuestPages& a, const GuestPages& b, Executor& executor,
                     const std::function<void(const ChangedPage&)>& visit);

// Something with a name and a value, empty where it is not there.
struct ValueChange {
  std::string name, from, to;
};

// Of the head, the TSC, the CPU policy, shared_info. Throws Error(bad_image), Error(io).
std::vector<ValueChange> diff_records(const ImageFile& a, const ImageFile& b);

struct VcpuChange {
  uint32_t id = 0;
  bool in_a = false, in_b = false;
  std::vector<ValueChange> registers;  // those whose values say where it was and what it did
  std::vector<std::string> parts;      // of its state that differ: basic, extended, xsave, msrs
};

// vCPUs that are not the same in both, by id. Throws Error(bad_image), Error(io).
std::vector<VcpuChange> diff_vcpus(const ImageFile& a, const ImageFile& b);

}  // namespace ferry::evidence
