// A logarithmic axis from one power of ten to another.
#pragma once

#include <string>
#include <vector>

namespace ferry::html {

class LogScale {
 public:
  // Just large enough for all of the values; those of 0 and below do not count.
  explicit LogScale(const std::vector<double>& values);

  // 0 at the low end, 1 at the high one; outside it is cut off.
  double at(double value) const;
  // The powers of ten, both ends included; at most six of them.
  std::vector<double> marks() const;

 private:
  int low_ = 0, high_ = 1;  // exponents
};

// "12", "1.4k", "65.5k", "2M": three digits.
std::string brief(double value);

}  // namespace ferry::html
