// Something for each pfn of a guest, at a cost that follows the pfns of which something is known.
//
//   parts of 65536 pfns    blocks of 8192       a block is
//   | · | P | · | · | P |  P: | B | B | … |       nothing, or one and the same value throughout
//     ·: nothing                                  a few values, by pfn, among nothing; or
//                                                 8192 values
//
// An image may name 2^32 pfns and speak of few, of every 4096th, or of all in a handful of long
// runs: none of that may cost more than a few words for each pfn that it spells out.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <type_traits>
#include <vector>

namespace ferry {

// T: small and trivially copyable. pfns in all calls are below size(). Readers on any thread while
// nobody calls fill(), change() or grow(); for own() and update() see there.
template <typename T>
class PfnMap {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  // nothing: the value of a pfn that was never written.
  explicit PfnMap(uint64_t size = 0, const T& nothing = T()) : nothing_(nothing) { grow(size); }

  uint64_t size() const { return size_; }

  // Never makes it smaller.
  void grow(uint64_t size) {
    size_ = std::max(size_, size);
    parts_.resize((size_ + kPart - 1) / kPart);
  }

  const T& get(uint64_t pfn) const {
    const Part* part = parts_[pfn / kPart].get();
    if (part == nullptr) return nothing_;
    const Block& block = (*part)[pfn / kBlock % kBlocks];
    if (const T* all = block.all.load(std::memory_order_acquire)) return all[pfn % kBlock];
    if (block.used == 0) return block.common;
    const Slot* slot = block.find(low(pfn));
    return slot == block.end_of_few() || slot->key != low(pfn) ? nothing_ : slot->value;
  }

  // The value of this pfn alone, to be written at once: the next call may move it.
  T& change(uint64_t pfn) {
    Block& block = block_of(pfn);
    if (T* all = block.all.load(std::memory_order_relaxed)) return all[pfn % kBlock];
    if (block.said || block.used == kMostFew) return spread(block)[pfn % kBlock];
    return block.insert(low(pfn), nothing_);
  }

  // Gives all of them this value.
  void fill(uint64_t first, uint64_t count, const T& value) {
    by_block(first, count, [&](uint64_t from, uint64_t n) {
      Block& block = block_of(from);
      if (n == kBlock) {
        block.become(value);
      } else if (block.all.load(std::memory_order_relaxed) != nullptr || n > kMostFew / 4) {
        std::fill_n(spread(block) + from % kBlock, n, value);
      } else {
        for (uint64_t i = 0; i < n; ++i) change(from + i) = value;
      }
    });
  }

  // The value of this pfn alone, or null if it has none but `nothing`. Several threads may do this,
  // and one of them update(); what they write in the value is for them to agree on.
  T* own(uint64_t pfn) {
    Part* part = parts_[pfn / kPart].get();
    if (part == nullptr) return nullptr;
    Block& block = (*part)[pfn / kBlock % kBlocks];
    T* all = block.all.load(std::memory_order_acquire);
    if (all == nullptr && block.used != 0) {
      Slot* slot = block.find(low(pfn));
      return slot == block.end_of_few() || slot->key != low(pfn) ? nullptr : &slot->value;
    }
    if (all == nullptr && !block.said) return nullptr;
    if (all == nullptr) {
      std::lock_guard lock(*common_);
      all = spread(block);
    }
    return &all[pfn % kBlock];
  }

  // write(T&) for all values in the range, where a block's common one counts as one; and
  // missing(first, count) for pfns that have none but `nothing`. From one thread.
  template <typename Write, typename Missing>
  void update(uint64_t first, uint64_t count, Write write, Missing missing) {
    by_block(first, count, [&](uint64_t from, uint64_t n) {
      Part* part = parts_[from / kPart].get();
      if (part == nullptr) return missing(from, n);
      Block& block = (*part)[from / kBlock % kBlocks];
      if (block.used != 0) return update_few(block, from, n, write, missing);
      T* all = block.all.load(std::memory_order_acquire);
      if (all == nullptr && !block.said) return missing(from, n);
      if (all == nullptr) {
        std::lock_guard lock(*common_);
        all = block.all.load(std::memory_order_acquire);
        if (all == nullptr && n == kBlock) return write(block.common);
        all = spread(block);
      }
      for (uint64_t i = 0; i < n; ++i) write(all[from % kBlock + i]);
    });
  }

  // visit(first, count, value) for all pfns, ascending. Runs are as long as is easy.
  template <typename Visit>
  void for_each_run(Visit visit) const {
    runs_within(0, size_, visit);
  }
  // The same for some; those at the end may be fewer.
  template <typename Visit>
  void runs_within(uint64_t first, uint64_t count, Visit visit) const {
    const uint64_t end = first + std::min(count, size_ - first);
    while (first < end) {
      const Part* part = parts_[first / kPart].get();
      const uint64_t step = part == nullptr ? kPart : kBlock;
      const uint64_t n = std::min(end - first, step - first % step);
      if (part == nullptr)
        visit(first, n, nothing_);
      else
        runs_in_block((*part)[first / kBlock % kBlocks], first, n, visit);
      first += n;
    }
  }

 private:
  static constexpr uint64_t kBlock = 8192, kBlocks = 8, kPart = kBlock * kBlocks;
  static constexpr uint16_t kMostFew = 4096;

  struct Slot {
    uint16_t key;
    T value;
  };
  struct Block {
    Block() = default;
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;
    ~Block() { delete[] all.load(std::memory_order_relaxed); }

    Slot* end_of_few() const { return few.get() + used; }
    Slot* find(uint16_t key) const {
      // Mostly they come in order.
      if (used != 0 && few[used - 1].key < key) return end_of_few();
      return std::lower_bound(few.get(), end_of_few(), key,
                              [](const Slot& slot, uint16_t k) { return slot.key < k; });
    }
    T& insert(uint16_t key, const T& value) {
      Slot* at = find(key);
      if (at != end_of_few() && at->key == key) return at->value;
      const auto place = at - few.get();
      if (used == room) {
        room = static_cast<uint16_t>(used + used / 8 + 1);
        auto larger = std::make_unique_for_overwrite<Slot[]>(room);
        std::copy_n(few.get(), used, larger.get());
        few = std::move(larger);
      }
      std::copy_backward(few.get() + place, few.get() + used, few.get() + used + 1);
      few[static_cast<size_t>(place)] = {key, value};
      ++used;
      return few[static_cast<size_t>(place)].value;
    }
    void become(const T& value) {
      delete[] all.exchange(nullptr, std::memory_order_relaxed);
      few.reset();
      used = room = 0;
      common = value;
      said = true;
    }

    T common{};
    bool said = false;            // common is not `nothing`
    uint16_t used = 0, room = 0;  // of few
    std::unique_ptr<Slot[]> few;
    std::atomic<T*> all{nullptr};
  };
  using Part = std::array<Block, kBlocks>;

  static uint16_t low(uint64_t pfn) { return static_cast<uint16_t>(pfn % kBlock); }

  Block& block_of(uint64_t pfn) {
    auto& part = parts_[pfn / kPart];
    if (!part) {
      part = std::make_unique<Part>();
      for (Block& block : *part) block.common = nothing_;
    }
    return (*part)[pfn / kBlock % kBlocks];
  }

  // 8192 values of their own.
  T* spread(Block& block) {
    T* all = block.all.load(std::memory_order_relaxed);
    if (all != nullptr) return all;
    auto values = std::make_unique_for_overwrite<T[]>(kBlock);
    std::fill_n(values.get(), kBlock, block.common);
    for (const Slot* slot = block.few.get(); slot != block.end_of_few(); ++slot)
      values[slot->key] = slot->value;
    all = values.release();
    block.all.store(all, std::memory_order_release);
    block.few.reset();
    block.used = block.room = 0;
    return all;
  }

  template <typename Each>
  static void by_block(uint64_t first, uint64_t count, Each each) {
    while (count != 0) {
      const uint64_t n = std::min(count, kBlock - first % kBlock);
      each(first, n);
      first += n;
      count -= n;
    }
  }

  template <typename Write, typename Missing>
  static void update_few(Block& block, uint64_t from, uint64_t n, Write& write, Missing& missing) {
    const uint64_t base = from - from % kBlock;
    uint64_t at = from;
    for (Slot* slot = block.find(low(from)); slot != block.end_of_few(); ++slot) {
      if (base + slot->key >= from + n) break;
      if (base + slot->key > at) missing(at, base + slot->key - at);
      write(slot->value);
      at = base + slot->key + 1;
    }
    if (at < from + n) missing(at, from + n - at);
  }

  template <typename Visit>
  void runs_in_block(const Block& block, uint64_t at, uint64_t count, Visit& visit) const {
    if (const T* all = block.all.load(std::memory_order_acquire)) {
      for (uint64_t i = 0; i < count; ++i) visit(at + i, uint64_t{1}, all[at % kBlock + i]);
    } else if (block.used == 0) {
      visit(at, count, block.common);
    } else {
      const uint64_t base = at - at % kBlock;
      uint64_t next = at;
      for (const Slot* slot = block.find(low(at)); slot != block.end_of_few(); ++slot) {
        const uint64_t pfn = base + slot->key;
        if (pfn >= at + count) break;
        if (pfn > next) visit(next, pfn - next, nothing_);
        visit(pfn, uint64_t{1}, slot->value);
        next = pfn + 1;
      }
      if (next < at + count) visit(next, at + count - next, nothing_);
    }
  }

  T nothing_;
  uint64_t size_ = 0;
  std::vector<std::unique_ptr<Part>> parts_;
  // Of what blocks have in common, while they may be spread.
  std::unique_ptr<std::mutex> common_ = std::make_unique<std::mutex>();
};

}  // namespace ferry
