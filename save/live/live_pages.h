// The memory of a guest that runs: sent once, then what changed, again and again, until the policy
// says that the guest should be suspended; and what is left after that.
#pragma once

#include "save/live/live_options.h"
#include "save/live/scan.h"
#include "save/page_batch.h"

namespace ferry {

class LivePages final : private PageObserver {
 public:
  // Starts tracking. context: of all batches; guest: the first view of it. check is called between
  // batches and throws to stop. The image has room for nr_pfns.
  LivePages(BatchContext& context, std::shared_ptr<const GuestView> guest, uint64_t nr_pfns,
            std::shared_ptr<const MachineToPhys> m2p, Executor& executor,
            const LiveOptions& options, std::function<void()> check);

  // Until the guest should be suspended. Throws Error(guest) when the policy gives up.
  void send_while_running();

  // The guest is suspended, and these are its own now: what differs from what was sent, until
  // nothing does. Throws Error(guest), precisely, for a page that still does not fit together.
  void send_the_rest(std::shared_ptr<const GuestView> guest, pfn_t start_info);

  const LiveReport& report() const { return report_; }

 private:
  void absent(pfn_t pfn) override;
  void copied(pfn_t pfn, const std::byte* raw) override;
  void sent(pfn_t pfn, mfn_t mfn, v1::PageKind kind, const std::byte* canonical) override;
  void put_off(pfn_t pfn) override;

  uint64_t now_us() const;
  void renew_view(bool always);
  void between_batches();
  ScanResult look(bool last);
  void send(const PfnSet& gone, const PfnSet& dirty);
  void add_never_logged(PfnSet& dirty) const;
  Decision decide(const ScanResult& found, uint64_t scan_us);
  void enter(const char* phase, uint64_t pages_of_round);
  void show(uint64_t pages_done, uint64_t pages_of_round);
  bool running() const { return pass_.misfits == Misfits::put_off; }

  BatchContext& context_;
  Pass pass_;  // the producing thread renews its view now and then
  std::shared_ptr<const MachineToPhys> m2p_;
  Executor& executor_;
  const LiveOptions& options_;
  std::function<void()> check_;
  PageStates states_;
  std::unique_ptr<Tracking> tracking_;
  Policy policy_;
  LiveReport report_;
  LiveProgress progress_;

  uint64_t started_us_ = 0;
  uint64_t released_us_ = 0;
  uint64_t scan_began_us_ = 0;  // the last scan, or the first copy
  uint64_t round_us_ = 0;       // between the last two of them
  uint64_t sent_pages_ = 0;     // in the last round
  uint64_t send_us_ = 0;
};

}  // namespace ferry
