// What something takes, by the clock and of the processors, with the processes it has waited for.
#pragma once

#include <sys/resource.h>

#include <chrono>

namespace ferry {

struct Cost {
  double seconds = 0, cpu = 0;
};

inline double cpu_seconds() {
  double all = 0;
  for (const auto who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage = {};
    getrusage(who, &usage);
    for (const timeval& time : {usage.ru_utime, usage.ru_stime})
      all += static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  }
  return all;
}

template <typename Body>
Cost cost_of(Body body) {
  const double cpu = cpu_seconds();
  const auto start = std::chrono::steady_clock::now();
  body();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  return {took.count(), cpu_seconds() - cpu};
}

}  // namespace ferry
