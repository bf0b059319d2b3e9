// The records that are neither pages nor index, read through the index.
#include "audit/small_records.h"

#include "audit/completeness.h"
#include "audit/cpu_policy.h"
#include "audit/guest_pages.h"
#include "audit/p2m.h"
#include "audit/vcpus.h"
#include "config/judge_config.h"

namespace ferry::audit {
namespace {

class SmallRecords {
 public:
  SmallRecords(const ImageFile& image, PageMap& map, GuestFacts& facts, Findings& findings)
      : head_(image.head()),
        facts_(facts),
        findings_(findings),
        populated_(head_, map, findings),
        leaves_(map, facts, findings, head_.live()),
        vcpus_(head_, map, facts, findings) {
    check_p2m_root(head_, map, findings);
    check_stale_frame_lists(head_, map, findings);
  }

  void add(const RawRecord& raw) {
    if (raw.kind > v1::Record::kEndFieldNumber) return;  // a newer ferry's: noted elsewhere
    const v1::Record record = parse_record(raw);
    const Place place{.record = raw.sequence, .offset = raw.offset};
    switch (record.body_case()) {
      case v1::Record::kHead:
        return once(heads_, "Head", place);
      case v1::Record::kConfig:
        once(configs_, "Config", place);
        return check_config(record.config().libxl_json(), place);
      case v1::Record::kTsc:
        once(tscs_, "Tsc", place);
        return check_tsc(record.tsc(), place);
      case v1::Record::kCpuPolicy:
        once(policies_, "CpuPolicy", place);
        return check_cpu_policy(record.cpu_policy(), place, facts_, findings_);
      case v1::Record::kSharedInfo:
        once(shared_infos_, "SharedInfo", place);
        return check_shared_info(record.shared_info(), head_, place, findings_);
      case v1::Record::kPopulated:
        facts_.has_populated = true;
        return populated_.add(record.populated(), place);
      case v1::Record::kP2MFrames:
        return leaves_.add(record.p2m_frames(), place);
      case v1::Record::kVcpu:
        return vcpus_.add(record.vcpu(), place);
      default:
        return;
    }
  }

  // Also what xl has of it around the image.
  void check_config(const std::string& text, const Place& place) {
    for (const ConfigFinding& finding : asks_for(text))
      findings_.add(rule::config_trust, place, [&] {
        return fmt::format("{} is not taken unseen: {}.",
                           finding.key + (finding.value.empty() ? "" : " " + finding.value),
                           finding.why);
      });
  }

  void finish() {
    populated_.finish();
    leaves_.finish();
    vcpus_.finish();
    need(tscs_ != 0, "Tsc");
    need(shared_infos_ != 0, "SharedInfo");
    need(facts_.has_populated, "Populated");
    need(facts_.has_p2m_frames, "P2mFrames");
    if (policies_ == 0) {
      findings_.add(rule::no_cpu_policy, {}, "The image has no CpuPolicy record.");
    }
  }

 private:
  void once(unsigned& count, const char* name, const Place& place) {
    if (count++ == 0) return;
    findings_.add(rule::record_repeated, place, "There is more than one {} record.", name);
  }
  void check_tsc(const v1::Tsc& tsc, const Place& place) {
    constexpr uint32_t kMostMode = 2;  // 0 default, 1 always emulate, 2 never
    if (tsc.mode() <= kMostMode) return;
    findings_.add(rule::tsc_mode, place, "The TSC is in mode {}, which Xen does not have.",
                  tsc.mode());
  }
  void need(bool there, const char* name) {
    if (there) return;
    findings_.add(rule::record_missing, {}, "The image has no {} record.", name);
  }

  const v1::Head& head_;
  GuestFacts& facts_;
  Findings& findings_;
  PopulatedCheck populated_;
  LeafListCheck leaves_;
  VcpuCheck vcpus_;
  unsigned heads_ = 0, configs_ = 0, tscs_ = 0, policies_ = 0, shared_infos_ = 0;
};

}  // namespace

void check_small_records(const ImageFile& image, PageMap& map, GuestFacts& facts,
                         Findings& findings) {
  SmallRecords records(image, map, facts, findings);
  if (image.place().in_xl_file && !image.place().of_libvirt)
    records.check_config(image.place().xl_config, {});
  uint64_t offset = 0;
  for (uint64_t distance : image.index_root().other_offsets()) {
    offset += distance;
    records.add(image.read_record(offset));
  }
  records.finish();
}

}  // namespace ferry::audit
