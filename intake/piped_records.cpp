// The engine's end of the way from the reader: messages become records.
#include "intake/piped_records.h"

#include <cstring>
#include <string>

#include "intake/message.h"

namespace ferry {
namespace {

using message::Type;

template <typename... Args>
[[noreturn]] void senseless(fmt::format_string<Args...> format, Args&&... args) {
  fail(Errc::internal,
       "what reads the image says what makes no sense ({}): the image may have been made to take "
       "it over",
       fmt::format(format, std::forward<Args>(args)...));
}

// Of what a reader can say: the others are about a guest, or the operator's.
Errc code_of(uint32_t number) {
  for (const Errc code : {Errc::bad_image, Errc::unsupported, Errc::no_memory, Errc::io})
    if (number == static_cast<uint32_t>(code)) return code;
  return Errc::internal;
}

}  // namespace

// Its bytes are ours alone.
class PipedRecords::Message {
 public:
  Message(const message::Prefix& prefix, Bytes bytes)
      : type_{prefix.type}, record_(prefix.record), bytes_(std::move(bytes)) {}

  Type type() const { return type_; }
  uint64_t record() const { return record_; }
  bool empty() const { return at_ == bytes_.size(); }

  // What comes next of the body.
  template <typename T>
  T get() {
    T value;
    std::memcpy(&value, get(sizeof value).data(), sizeof value);
    return value;
  }
  std::span<const std::byte> get(uint64_t size) {
    if (size > bytes_.size() - at_) senseless("message {} is too short", number());
    at_ += size;
    return std::span(bytes_).subspan(at_ - size, size);
  }
  std::span<const std::byte> rest() { return get(bytes_.size() - at_); }

  void check_end() const {
    if (!empty()) senseless("message {} is too long", number());
  }

 private:
  uint32_t number() const { return static_cast<uint32_t>(type_); }

  Type type_;
  uint64_t record_;
  Bytes bytes_;
  size_t at_ = 0;
};

PipedRecords::Message PipedRecords::next() {
  message::Prefix prefix;
  const auto bytes = std::as_writable_bytes(std::span(&prefix, 1));
  if (messages_.read(bytes) != bytes.size()) throw ReaderGone();
  const size_t most = message::most_bytes(prefix.type);
  if (most == 0 && Type{prefix.type} != Type::end) senseless("message {}", prefix.type);
  if (prefix.bytes > most) senseless("message {} of {} bytes", prefix.type, prefix.bytes);
  Bytes body(prefix.bytes);
  if (messages_.read(body) != body.size()) throw ReaderGone();
  return {prefix, std::move(body)};
}

// Held, head, the others; only a failure may come before the head.
void PipedRecords::check_order(const Message& message) const {
  const bool first = message.type() == Type::held;
  if (first == has_held_) senseless("{}", first ? "its first message again" : "no first message");
  if (first || message.type() == Type::failed) return;
  const bool head = message.type() == Type::head;
  if (head == has_head_) senseless("{}", head ? "a second head" : "no head");
}

namespace {

GuestHead head_of(const message::Head& head) {
  return {head.nr_pfns,     head.populated_pages, head.p2m_root_pfn,
          head.max_vcpu_id, head.linear_p2m != 0, head.live != 0};
}

PfnRun run_of(const message::Populated& run) {
  return {pfn_t(run.first), run.count};
}

KindRun run_of(const message::Pages& run) {
  const auto kind = page_kind_of(run.kind);
  if (!kind) senseless("a page of kind {}", run.kind);
  return {pfn_t(run.first), run.count, *kind};
}

template <typename Message>
GuestVcpu vcpu_in(Message& message) {
  const auto fixed = message.template get<message::Vcpu>();
  GuestVcpu vcpu;
  vcpu.id = fixed.id;
  std::vector<std::byte>* const blobs[] = {&vcpu.basic, &vcpu.extended, &vcpu.xsave, &vcpu.msrs};
  for (size_t i = 0; i < std::size(blobs); ++i) {
    const auto bytes = message.get(fixed.sizes[i]);
    blobs[i]->assign(bytes.begin(), bytes.end());
  }
  return vcpu;
}

template <typename Message>
[[noreturn]] void throw_as_said(Message& message) {
  const auto fixed = message.template get<message::Failed>();
  const auto text = message.rest();
  throw Error(code_of(fixed.code),
              std::string(reinterpret_cast<const char*>(text.data()), text.size()), fixed.os_errno);
}

}  // namespace

void PipedRecords::read(GuestRecords& into) {
  for (;;) {
    Message message = next();
    check_order(message);
    if (message.type() == Type::end) return;
    hand_on(message, into);
    message.check_end();
  }
}

void PipedRecords::hand_on(Message& message, GuestRecords& into) {
  switch (message.type()) {
    case Type::held:
      has_held_ = true;
      return held_(message.get<message::Held>().os_errno);
    case Type::head:
      has_head_ = true;
      return into.head(head_of(message.get<message::Head>()));
    case Type::cpu_policy: {
      const auto leaves = message.get(message.get<message::Policy>().cpuid_bytes);
      return into.cpu_policy(leaves, message.rest());
    }
    case Type::populated: {
      std::vector<PfnRun> runs;
      while (!message.empty()) runs.push_back(run_of(message.get<message::Populated>()));
      return into.populated(runs);
    }
    case Type::pages:
      return hand_on_pages(message, into);
    case Type::tsc: {
      const auto tsc = message.get<message::Tsc>();
      return into.tsc(message.record(), {tsc.mode, tsc.khz, tsc.nsec, tsc.incarnation});
    }
    case Type::shared_info:
      return into.shared_info(message.record(), message.rest());
    case Type::vcpu:
      return into.vcpu(message.record(), vcpu_in(message));
    case Type::failed:
      throw_as_said(message);
    case Type::end:
      break;
  }
}

void PipedRecords::hand_on_pages(Message& message, GuestRecords& into) {
  std::vector<KindRun> runs;
  while (!message.empty()) runs.push_back(run_of(message.get<message::Pages>()));
  into.pages(runs, ring_.place(turns_++));
  ring_.give_turns(1);
}

}  // namespace ferry
