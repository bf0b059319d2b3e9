// The Executor without threads: each job runs to its end before the next is produced. For one core
// it costs least, because nothing is handed from one thread to another.
#pragma once

#include "pipeline/pipeline.h"

namespace ferry {

class InlineExecutor final : public Executor {
 public:
  void run(const std::function<std::unique_ptr<Job>()>& produce) override {
    while (std::unique_ptr<Job> job = produce()) {
      job->work();
      job->consume();
    }
  }
  unsigned width() const override { return 1; }
};

}  // namespace ferry
