// The socket (the setting control) through which a save is watched and steered while it runs; of
// one that is not live nothing can be set.
//
//   request, a line    answer, a line of JSON
//   status             {"phase": "sending", "memory_iteration": 2, …}
//   cancel             {"ok": true}
//   set NAME VALUE     {"ok": true}   a setting of ferry job set's (settings/table.h)
//   anything else      {"error": "…"}
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "io/descriptor.h"
#include "p2m/frames.h"
#include "save/live/control.h"

namespace ferry {

// Where a live save of the domain listens for whoever watches and steers it, unless it was told
// another path: a socket in run_directory() . Throws Error(io).
std::string control_path(domid_t domid);

}  // namespace ferry

namespace ferry::helper {

class ControlSocket {
 public:
  // Listens at path (mode 0600; a socket at which nobody listens any more is replaced). stop is
  // called on "cancel". live: false for a guest that stands still. Throws Error(io), Error(busy).
  ControlSocket(const std::string& path, LiveControl& control, std::function<void()> stop,
                bool live = true);
  ~ControlSocket();  // and removes the path
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

  void update(const LiveProgress& progress);

  // The answer to one request.
  std::string answer(std::string_view request);

 private:
  void serve();
  bool serve_client(int fd, std::string& pending);

  // A socket with a name in the file system, for as long as it lives.
  struct Listener {
    explicit Listener(const std::string& at);
    ~Listener();
    std::string path;
    Descriptor fd;
  };

  LiveControl& control_;
  std::function<void()> stop_;
  const bool live_;
  Listener listener_;
  Descriptor end_;
  std::mutex mutex_;
  LiveProgress progress_;
  std::thread thread_;
};

}  // namespace ferry::helper
