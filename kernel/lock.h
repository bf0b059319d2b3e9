// A lock that spins. The kernel is never interrupted by an event while it holds one.
#pragma once

namespace ferry::kernel {

class spinlock {
 public:
  bool try_lock() { return !__atomic_exchange_n(&held_, true, __ATOMIC_ACQUIRE); }
  void lock() {
    while (!try_lock()) asm volatile("pause");
  }
  void unlock() { __atomic_store_n(&held_, false, __ATOMIC_RELEASE); }

 private:
  bool held_ = false;
};

}  // namespace ferry::kernel
