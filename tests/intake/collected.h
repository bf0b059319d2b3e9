// Takes records and keeps what they say.
#pragma once

#include <string>

#include "intake/guest_records.h"

namespace ferry::test {

struct Collected final : GuestRecords {
  void head(const GuestHead& said) override {
    heads.push_back(said);
    order += 'h';
  }
  void cpu_policy(std::span<const std::byte> l, std::span<const std::byte> m) override {
    leaves.assign(l.begin(), l.end());
    msrs.assign(m.begin(), m.end());
    order += 'c';
  }
  void populated(std::span<const PfnRun> said) override {
    populations.insert(populations.end(), said.begin(), said.end());
    order += 'r';
  }
  void pages(std::span<const KindRun> said, std::span<const std::byte> bytes) override {
    runs.insert(runs.end(), said.begin(), said.end());
    first_bytes.push_back(bytes[0]);
    order += 'p';
  }
  void tsc(uint64_t record, const GuestTsc& said) override {
    tscs.push_back(said);
    numbers.push_back(record);
    order += 't';
  }
  void shared_info(uint64_t record, std::span<const std::byte> page) override {
    shared.assign(page.begin(), page.end());
    numbers.push_back(record);
    order += 's';
  }
  void vcpu(uint64_t record, GuestVcpu said) override {
    vcpus.push_back(std::move(said));
    numbers.push_back(record);
    order += 'v';
  }

  std::vector<GuestHead> heads;
  std::vector<std::byte> leaves, msrs, shared, first_bytes;
  std::vector<PfnRun> populations;
  std::vector<KindRun> runs;
  std::vector<GuestTsc> tscs;
  std::vector<GuestVcpu> vcpus;
  std::vector<uint64_t> numbers;  // of records
  std::string order;              // a letter each
};

}  // namespace ferry::test
