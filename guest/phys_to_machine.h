// The guest's p2m in the form it was booted with. Freestanding-clean.
#pragma once

#include <stdint.h>

#include "guest/kernel_map.h"
#include "guest/machine.h"
#include "p2m/list.h"
#include "p2m/m2p.h"
#include "p2m/tree.h"

namespace ferry {

enum class p2m_form : uint8_t { tree, list };

template <guest_machine Machine>
class phys_to_machine {
 public:
  phys_to_machine(Machine& machine, kernel_map<Machine>& map)
      : machine_(machine), tree_(machine), list_(machine, map) {}

  // The functions are those of p2m/tree.h and p2m/list.h.
  [[nodiscard]] bool init(p2m_form form, uint64_t mfn_list_va, uint64_t nr_pages) {
    form_ = form;
    return linear() ? list_.init(mfn_list_va, nr_pages) : tree_.init(mfn_list_va, nr_pages);
  }
  bool linear() const { return form_ == p2m_form::list; }

  uint64_t get(pfn_t pfn) const { return linear() ? list_.get(pfn) : tree_.get(pfn); }
  [[nodiscard]] bool try_set(pfn_t pfn, uint64_t entry) {
    return linear() ? list_.try_set(pfn, entry) : tree_.try_set(pfn, entry);
  }
  [[nodiscard]] bool set(pfn_t pfn, uint64_t entry) {
    return linear() ? list_.set(pfn, entry) : tree_.set(pfn, entry);
  }
  [[nodiscard]] bool set_identity(pfn_t first, pfn_t end) {
    return linear() ? list_.set_identity(first, end) : tree_.set_identity(first, end);
  }
  uint64_t max_pfn() const { return linear() ? list_.max_pfn() : tree_.max_pfn(); }

  // The list form moves to an area of its own; lists say whether frame lists are wanted as well.
  [[nodiscard]] bool build(uint64_t area_va, uint64_t nr_pfns, bool lists) {
    if (!linear()) return tree_.build_lists();
    return list_.build(area_va, nr_pfns) && (!lists || list_.build_lists());
  }
  uint64_t boot_pages() const { return linear() ? list_.boot_pages() : 0; }
  void set_beyond_end(bool identity) { list_.set_beyond_end(identity); }

  void rebuild_lists() {
    if (linear())
      list_.rebuild_lists();
    else
      tree_.rebuild_lists();
  }
  void publish(uint64_t shared_info_va) {
    if (linear())
      list_.publish(shared_info_va);
    else
      tree_.publish(shared_info_va);
  }
  void unpublish() {
    tree_.unpublish();
    list_.unpublish();
  }

  void set_m2p(const m2p_table& m2p) { m2p_ = m2p; }

  // kInvalidPfn for each frame that is not the guest's.
  uint64_t mfn_to_pfn(mfn_t mfn) const { return ferry::mfn_to_pfn(machine_, *this, m2p_, mfn); }

  // Where a page of the guest's memory is. It has to have a frame.
  mfn_t frame_of(pfn_t pfn) const {
    const uint64_t entry = get(pfn);
    if (p2m_kind_of(entry) != p2m_kind::own) machine_.bug("page without a frame of its own");
    return mfn_t(entry);
  }

  // Everything remembered from one call to the next, member by member: visit(member).
  template <typename Visitor>
  void visit_state(Visitor& visit) {
    visit(form_), visit(m2p_);
    tree_.visit_state(visit);
    list_.visit_state(visit);
  }

 private:
  Machine& machine_;
  p2m_form form_ = p2m_form::tree;
  m2p_table m2p_;
  p2m_tree<Machine> tree_;
  p2m_list<Machine, kernel_map<Machine>> list_;
};

}  // namespace ferry
