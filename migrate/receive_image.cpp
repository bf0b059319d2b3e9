// An image that arrives from another host.
#include "migrate/receive_image.h"

#include "error/error.h"

namespace ferry {
namespace {

// How far one connection may be ahead of the slowest, for each of them.
constexpr uint64_t kChunksAhead = 4;

std::exception_ptr broken(std::string_view sentence) {
  return std::make_exception_ptr(Error(Errc::io, std::string(sentence)));
}

}  // namespace

ImageReceiver::ImageReceiver(std::vector<Link*> links)
    : window_(kChunksAhead * links.size()), receiving_(links.size()) {
  for (size_t i = 0; i < links.size(); ++i)
    threads_.emplace_back([this, link = links[i], i] { receive(*link, i == 0); });
}

ImageReceiver::~ImageReceiver() {
  window_.fail(broken("nobody wants the image any more"));
  for (std::thread& thread : threads_) thread.join();
}

void ImageReceiver::run(const std::function<void(std::span<const std::byte>)>& take) {
  while (auto chunk = window_.take()) {
    take(chunk->bytes());
    const std::lock_guard lock(mutex_);
    spare_.push_back(std::move(chunk->memory));
  }
}

// Of one that was handed on, or none.
Bytes ImageReceiver::spare() {
  const std::lock_guard lock(mutex_);
  if (spare_.empty()) return {};
  Bytes memory = std::move(spare_.back());
  spare_.pop_back();
  return memory;
}

void ImageReceiver::receive(Link& link, bool first) {
  std::exception_ptr why;
  try {
    for (;;) {
      ImageChunk chunk{.memory = spare()};
      const auto frame = link.receive(chunk);
      if (!frame && first) fail(Errc::io, "the source hung up");
      if (!frame || !accept(*frame, std::move(chunk), first)) break;
    }
  } catch (const Error&) {
    why = std::current_exception();
  }
  ended(why);
}

bool ImageReceiver::accept(const v1::MigrateFrame& frame, ImageChunk chunk, bool first) {
  if (frame.has_chunk()) {
    if (chunk.size == 0) fail(Errc::io, "the other host sent a piece of no bytes");
    chunk.number = frame.chunk().number();
    window_.put(std::move(chunk));
    return true;
  }
  if (first && frame.has_handover()) fail(Errc::aborted, "the source kept the guest");
  if (first && frame.has_end()) {
    window_.end(frame.end().chunks());
    return false;
  }
  fail(Errc::io, "the other host said something else while it sent the image");
}

// A link that broke is the end of the image; so is the last one, if something is missing then.
void ImageReceiver::ended(std::exception_ptr why) {
  const std::lock_guard lock(mutex_);
  --receiving_;
  if (!why && receiving_ == 0) why = broken("a part of the image did not arrive");
  if (why) window_.fail(why);
}

}  // namespace ferry
