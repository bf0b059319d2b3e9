// The allocator of machine frames and the count of general references.
#include "sim/machine/frame_pool.h"

#include <algorithm>
#include <cstring>

#include "sim/machine/domains.h"

namespace ferry::sim {

namespace {

constexpr uint64_t kChunk = 512;
constexpr uint64_t kPoison = 0xc2c2c2c2c2c2c2c2;

bool is_free(Host& host, uint64_t n) {
  return host.free_bitmap()[n / 64] >> (n % 64) & 1;
}
void set_free(Host& host, uint64_t n) {
  host.free_bitmap()[n / 64] |= uint64_t{1} << (n % 64);
  ++host.state().free_pages;
}
void clear_free(Host& host, uint64_t n) {
  host.free_bitmap()[n / 64] &= ~(uint64_t{1} << (n % 64));
  --host.state().free_pages;
}

// The first free frame at or after `from`, going round once.
std::optional<uint64_t> next_free(Host& host, uint64_t from) {
  const uint64_t frames = host.state().max_page;
  const uint64_t words = (frames + 63) / 64;
  const uint64_t* bits = host.free_bitmap();
  uint64_t word = bits[from / 64] & (~uint64_t{0} << (from % 64));
  for (uint64_t i = 0, w = from / 64; i <= words; ++i) {
    if (word) return w * 64 + static_cast<uint64_t>(__builtin_ctzll(word));
    w = w + 1 == words ? 0 : w + 1;
    word = bits[w];
  }
  return std::nullopt;
}

std::optional<uint64_t> find_single(Host& host) {
  HostState& s = host.state();
  // Single frames come from the lower three quarters as long as they can, so that whole extents
  // stay to be had on a host that is not full.
  const uint64_t from = s.frame_order == FrameOrder::contiguous
                            ? s.scan_cursor
                            : host.random_below(s.max_page - s.max_page / 4);
  const auto n = next_free(host, from);
  if (n) s.scan_cursor = *n + 1 == s.max_page ? 0 : *n + 1;
  return n;
}

std::optional<uint64_t> find_extent(Host& host, unsigned order) {
  const uint64_t size = uint64_t{1} << order;
  const uint64_t extents = host.state().max_page / size;
  if (extents == 0) return std::nullopt;
  const uint64_t from =
      host.state().frame_order == FrameOrder::contiguous ? 0 : host.random_below(extents);
  for (uint64_t i = 0; i < extents; ++i) {
    const uint64_t first = (from + i) % extents * size;
    uint64_t n = 0;
    while (n < size && is_free(host, first + n)) ++n;
    if (n == size) return first;
  }
  return std::nullopt;
}

void fill_fresh(Host& host, mfn_t mfn) {
  switch (host.state().fresh_pages) {
    case FreshPages::stale:
      break;
    case FreshPages::zero:
      memset(host.page(mfn), 0, kPageSize);
      break;
    case FreshPages::poison: {
      uint64_t* words = host.entries(mfn);
      for (unsigned i = 0; i < 512; ++i) words[i] = kPoison;
      break;
    }
  }
}

}  // namespace

void set_up_frames(Host& host) {
  HostState& s = host.state();
  for (uint64_t n = 0; n < s.max_page; ++n) host.frame(mfn_t(n)).owner = kNoDomain;
  // Frame 0 is never handed out, so that 0 can mean none; then a few holes as machines have them.
  const uint64_t holes = s.max_page / 64;
  const uint64_t hole_at = s.max_page / 2 + host.random_below(s.max_page / 4);
  for (uint64_t n = hole_at; n < hole_at + holes; ++n) host.frame(mfn_t(n)).hole = 1;
  const uint64_t chunks = m2p_frames(s.max_page) / kChunk;
  // The M2P is one run of whole chunks below the holes.
  s.m2p_mfn = host.random_below(s.max_page / 2 / kChunk - chunks + 1) * kChunk;
  if (s.m2p_mfn == 0 && s.max_page / 2 / kChunk > chunks) s.m2p_mfn = kChunk;
  host.frame(mfn_t(0)).hole = s.m2p_mfn != 0;
  for (uint64_t n = 0; n < s.max_page; ++n)
    if (!host.frame(mfn_t(n)).hole) set_free(host, n);
}

void set_up_m2p(Host& host) {
  HostState& s = host.state();
  // The chunks end after max_page: whoever reads past it finds invalid entries.
  for (uint64_t n = 0; n < m2p_frames(s.max_page) * 512; ++n) host.m2p(mfn_t(n)) = kInvalidM2p;
  for (uint64_t n = 0; n < m2p_frames(s.max_page); ++n) {
    const mfn_t mfn = mfn_t(s.m2p_mfn) + n;
    Frame& f = host.frame(mfn);
    clear_free(host, mfn.raw());
    f.owner = DOMID_XEN;
    f.count = 1;
    f.allocated = 1;
    f.special = 1;
    // Typed as nothing and held, so that nobody ever gets a writable reference to it.
    f.type = PageType::none;
    f.type_count = 1;
    f.validated = 1;
  }
}

std::optional<mfn_t> allocate_frames(Host& host, Domain& domain, unsigned order) {
  const uint64_t size = uint64_t{1} << order;
  if (domain.dying || domain.tot_pages + size > domain.max_pages) return std::nullopt;
  // What is claimed goes to nobody else.
  const uint64_t claimed = std::min(domain.outstanding, size);
  if (host.state().free_pages < host.state().claimed_pages + size - claimed) return std::nullopt;
  const auto first = order == 0 ? find_single(host) : find_extent(host, order);
  if (!first) return std::nullopt;
  for (uint64_t n = 0; n < size; ++n) {
    const mfn_t mfn(*first + n);
    clear_free(host, mfn.raw());
    Frame& f = host.frame(mfn);
    f.owner = domain.domid;
    f.count = 1;
    f.type = PageType::none;
    f.type_count = 0;
    f.allocated = 1;
    fill_fresh(host, mfn);
  }
  domain.tot_pages += size;
  domain.outstanding -= claimed;
  host.state().claimed_pages -= claimed;
  return mfn_t(*first);
}

std::optional<mfn_t> allocate_special(Host& host, Domain& domain) {
  const auto n = find_single(host);
  if (!n) return std::nullopt;
  const mfn_t mfn(*n);
  clear_free(host, mfn.raw());
  Frame& f = host.frame(mfn);
  f.owner = domain.domid;
  f.count = 1;
  f.allocated = 1;
  f.special = 1;
  f.type = PageType::writable;
  f.type_count = 1;
  f.validated = 1;
  host.m2p(mfn) = kInvalidM2p;
  memset(host.page(mfn), 0, kPageSize);
  ++domain.special_pages;
  return mfn;
}

bool get_page(Host& host, mfn_t mfn, DomainNumber owner) {
  if (!host.valid(mfn)) return false;
  Frame& f = host.frame(mfn);
  if (f.count == 0 || f.owner != owner) return false;
  ++f.count;
  return true;
}

void put_page(Host& host, mfn_t mfn) {
  Frame& f = host.frame(mfn);
  if (--f.count != 0) return;
  Domain* owner = host.find_domain(f.owner);
  const bool special = f.special;
  f = Frame{};
  f.owner = kNoDomain;
  host.m2p(mfn) = kInvalidM2p;
  set_free(host, mfn.raw());
  if (!owner) return;
  if (special)
    --owner->special_pages;
  else
    --owner->tot_pages;
  reap_if_dead(host, *owner);
}

void put_allocation(Host& host, mfn_t mfn) {
  Frame& f = host.frame(mfn);
  if (!f.allocated) return;
  f.allocated = 0;
  put_page(host, mfn);
}

}  // namespace ferry::sim
