// The processes of a Linux guest.
//
//   init_task.tasks.next → task.tasks.next → … → init_task.tasks      a ring through task_struct
#include "evidence/processes.h"

#include <array>
#include <cstring>

#include "error/error.h"
#include "evidence/btf.h"
#include "evidence/kallsyms.h"

namespace ferry::evidence {
namespace {

constexpr unsigned kMostProcesses = 1u << 22;  // the highest pid that Linux gives
constexpr size_t kCommandBytes = 16;

// Bits of task_struct.__state and exit_state (include/linux/sched.h).
constexpr uint32_t kFrozen = 0x8000, kNoLoad = 0x400, kUninterruptible = 2;
constexpr uint32_t kKernelThread = 0x0020'0000;  // PF_KTHREAD, of flags

// Offsets in bytes.
struct Shape {
  uint64_t tasks, pid, parent, command, state, exit_state, flags, mm;  // task_struct
  uint64_t total_vm, rss, rss_step, rss_count;                         // mm_struct
};

class ShapeReader {
 public:
  explicit ShapeReader(const Btf& btf) : btf_(btf) {}

  Btf::Member member(const char* structure, const char* path) const {
    const auto found = btf_.member(structure, path);
    if (!found)
      fail(Errc::unsupported, "the kernel's {} has no {}: this ferry does not know it", structure,
           path);
    return *found;
  }
  uint64_t at(const char* structure, const char* path) const {
    return member(structure, path).offset;
  }

 private:
  const Btf& btf_;
};

// Resident pages are counted by kind: in an array of counters of their own, or, up to Linux 6.1, in
// an array inside of a structure.
void read_rss(const Btf& btf, const ShapeReader& read, Shape& shape) {
  const Btf::Member rss = read.member("mm_struct", "rss_stat");
  const auto counts = btf.member_of(rss.type, "count");
  shape.rss = rss.offset + (counts ? counts->offset : 0);
  const uint32_t counters = counts ? counts->type : rss.type;
  shape.rss_step = btf.element_bytes(counters);
  const auto count = btf.member_of(btf.element(counters), counts ? "counter" : "count");
  if (shape.rss_step < sizeof(uint64_t) || shape.rss_step > 4096 || !count)
    fail(Errc::unsupported,
         "the kernel counts resident pages in a way that this ferry does not know");
  shape.rss_count = count->offset;
}

Shape shape_of(const Btf& btf) {
  const ShapeReader read(btf);
  Shape shape{.tasks = read.at("task_struct", "tasks"),
              .pid = read.at("task_struct", "tgid"),
              .parent = read.at("task_struct", "real_parent"),
              .command = read.at("task_struct", "comm"),
              .state = read.at("task_struct", "__state"),
              .exit_state = read.at("task_struct", "exit_state"),
              .flags = read.at("task_struct", "flags"),
              .mm = read.at("task_struct", "mm"),
              .total_vm = read.at("mm_struct", "total_vm"),
              .rss = 0,
              .rss_step = 0,
              .rss_count = 0};
  read_rss(btf, read, shape);
  return shape;
}

char letter_of(uint32_t state, uint32_t exit_state) {
  if (exit_state == 0 && (state & kFrozen) != 0) return 'F';
  if ((state & (kNoLoad | kUninterruptible)) == (kNoLoad | kUninterruptible)) return 'I';
  constexpr std::string_view kLetters = "SDTtXZP";  // from the lowest bit up
  for (size_t bit = kLetters.size(); bit-- != 0;)
    if (((state | exit_state) >> bit & 1) != 0) return kLetters[bit];
  return 'R';
}

class Tasks {
 public:
  Tasks(KernelMemory& memory, const Shape& shape) : memory_(memory), shape_(shape) {}

  void each(uint64_t init_task, const std::function<void(const Process&)>& visit) {
    const uint64_t end = init_task + shape_.tasks;
    // Brent's: a ring that does not come back to where it began.
    uint64_t turtle = end;
    unsigned steps = 0, most = 1;
    unsigned seen = 0;
    for (uint64_t at = word(end); at != end; at = word(at)) {
      visit(process(at - shape_.tasks));
      if (++seen == kMostProcesses || at == turtle)
        fail(Errc::bad_image, "the kernel's list of tasks does not end");
      if (++steps == most) {
        turtle = at;
        most *= 2;
        steps = 0;
      }
    }
  }

 private:
  template <typename T>
  static T checked(const std::optional<T>& value, uint64_t vaddr) {
    if (!value)
      fail(Errc::bad_image,
           "the kernel's list of tasks leads to {:#x}, where the guest has no memory", vaddr);
    return *value;
  }
  uint64_t word(uint64_t vaddr) { return checked(memory_.u64(vaddr), vaddr); }
  uint32_t half(uint64_t vaddr) { return checked(memory_.u32(vaddr), vaddr); }

  Process process(uint64_t task) {
    Process process{.pid = half(task + shape_.pid),
                    .parent = half(word(task + shape_.parent) + shape_.pid),
                    .state = letter_of(half(task + shape_.state), half(task + shape_.exit_state)),
                    .kernel = (half(task + shape_.flags) & kKernelThread) != 0,
                    .command = {}};
    std::array<char, kCommandBytes> command{};
    if (memory_.read(task + shape_.command, std::as_writable_bytes(std::span(command))))
      process.command.assign(command.data(), strnlen(command.data(), command.size()));
    if (const uint64_t mm = word(task + shape_.mm); mm != 0 && !process.kernel)
      add_memory(process, mm);
    return process;
  }

  void add_memory(Process& process, uint64_t mm) {
    process.virtual_pages = word(mm + shape_.total_vm);
    for (const uint64_t kind : {0, 1, 3}) {  // files, anonymous, shared; 2 is swap
      const uint64_t count = word(mm + shape_.rss + kind * shape_.rss_step + shape_.rss_count);
      if (static_cast<int64_t>(count) > 0) process.resident_pages += count;
    }
  }

  KernelMemory& memory_;
  const Shape& shape_;
};

}  // namespace

void each_process(KernelMemory& memory, const VmcoreInfo& info,
                  const std::function<void(const Process&)>& visit) {
  const auto symbols =
      find_symbols(memory, info, {"_stext", "init_task", "__start_BTF", "__stop_BTF"});
  if (symbols.empty())
    fail(Errc::unsupported,
         "the kernel does not say where its symbols are; Linux 6.0 and later do");
  if (!symbols.contains("__start_BTF") || !symbols.contains("__stop_BTF"))
    fail(Errc::unsupported, "the kernel has no BTF, which says how its structures are laid out");
  if (!symbols.contains("init_task"))
    fail(Errc::unsupported, "the kernel has no symbol init_task, where its processes begin");
  const Shape shape = shape_of(Btf(memory, symbols.at("__start_BTF"), symbols.at("__stop_BTF")));
  Tasks(memory, shape).each(symbols.at("init_task"), visit);
}

}  // namespace ferry::evidence
