// A logarithmic axis.
#include "html/log_scale.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace ferry::html {
namespace {

// What is beyond is no figure of a save, but of somebody who makes images up.
constexpr double kLeast = 1e-3, kMost = 1e24;

}  // namespace

LogScale::LogScale(const std::vector<double>& values) {
  double least = 0, most = 0;
  for (double value : values) {
    if (!(value > 0)) continue;
    value = std::clamp(value, kLeast, kMost);
    least = least == 0 ? value : std::min(least, value);
    most = std::max(most, value);
  }
  if (most == 0) return;
  low_ = static_cast<int>(std::floor(std::log10(least)));
  high_ = std::max(low_ + 1, static_cast<int>(std::ceil(std::log10(most))));
}

double LogScale::at(double value) const {
  if (!(value > 0)) return 0;
  return std::clamp((std::log10(value) - low_) / (high_ - low_), 0.0, 1.0);
}

std::vector<double> LogScale::marks() const {
  std::vector<double> marks;
  const int step = (high_ - low_ + 4) / 5;
  for (int exponent = low_; exponent <= high_; exponent += step)
    marks.push_back(std::pow(10, exponent));
  return marks;
}

std::string brief(double value) {
  const char* const units[] = {"", "k", "M", "G", "T", "P", "E", "Z", "Y"};
  size_t unit = 0;
  value = value < kLeast ? 0 : std::min(value, kMost);
  for (; value >= 999.5 && unit + 1 < std::size(units); ++unit) value /= 1000;
  return fmt::format("{:.3g}{}", value, units[unit]);
}

}  // namespace ferry::html
