// An image on its way to another host, over all connections of a job at once.
#pragma once

#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "io/descriptor.h"
#include "migrate/link.h"
#include "migrate/patience.h"

namespace ferry {

// engine → socket → | a thread for each link: reads a chunk, numbers it, sends it | → links
class ImageSender {
 public:
  // patience knows how long a link takes nothing.
  ImageSender(std::vector<Link*> links, Patience& patience);
  ~ImageSender();
  ImageSender(const ImageSender&) = delete;
  ImageSender& operator=(const ImageSender&) = delete;

  // Where the image is to be written; whoever writes fails once a link is broken.
  int input() const { return input_.get(); }

  // The image is of no use any more. From any thread.
  void stop() const;
  // The image is whole, or never will be: waits until all of it is sent. Throws Error(io) if a link
  // broke.
  void finish();

  uint64_t chunks() const { return next_; }
  uint64_t bytes() const { return bytes_; }

 private:
  void pump(Link& link);
  // The next chunk and its number; empty at the end.
  uint64_t read_chunk(Bytes& chunk);

  Patience& patience_;
  Descriptor input_, output_;
  std::mutex reading_;
  uint64_t next_ = 0, bytes_ = 0;
  std::mutex failing_;
  std::exception_ptr failure_;
  std::vector<std::thread> threads_;
};

}  // namespace ferry
