// A save in which nothing happens but time.
#include "tests/engine/virtual_save.h"

#include <algorithm>
#include <deque>

namespace ferry {
namespace {

struct Written {
  LevelControl::Choice choice;
  LevelControl::Done done;
};

uint64_t time_of(double ns_a_byte, double bytes) {
  return static_cast<uint64_t>(ns_a_byte * bytes);
}

}  // namespace

uint64_t VirtualSave::run(std::optional<int> level, std::vector<int>* levels) const {
  uint64_t now = 0;
  LevelControl control(level, width, [&] { return now; });
  std::deque<Written> under_way;  // written in this order, at times that are known already
  std::vector<uint64_t> workers(width, 0);
  uint64_t begun = 0, write_ended = 0;
  const auto finish_until = [&](uint64_t until) {
    for (; !under_way.empty() && under_way.front().done.write_ended <= until;
         under_way.pop_front()) {
      control.written(under_way.front().choice, under_way.front().done);
    }
  };
  for (uint64_t batch = 0; batch < batches; ++batch) {
    if (under_way.size() >= 2 * width) begun = std::max(begun, under_way.front().done.write_ended);
    finish_until(now = begun);
    const LevelControl::Choice choice = control.next();
    if (levels) levels->push_back(choice.level);
    const uint64_t raw = bytes(batch);
    const auto size = static_cast<double>(raw);
    const AtLevel here = at(batch, choice.level);
    begun += time_of(produced, size);
    uint64_t& worker = *std::ranges::min_element(workers);
    const uint64_t work = time_of(here.cost, size);
    worker = std::max(worker, begun) + work;
    const uint64_t write_began = std::max(worker, write_ended);
    write_ended = write_began + time_of(sink(batch), size * here.left);
    under_way.push_back({choice,
                         {.bytes = raw,
                          .stored = time_of(here.left, size),
                          .work = work,
                          .write_began = write_began,
                          .write_ended = write_ended}});
  }
  return write_ended;
}

}  // namespace ferry
