// A client of xenstore: one request at a time, waited for. vCPU 0 alone uses it.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernel/xen_abi.h"

namespace ferry::kernel {

// Its functions give a negative error (guest/abi.h), or else what they say. Paths are relative to
// the domain's own. Transaction 0 is none. It is the Store of guest/shutdown_request.h.
class Store {
 public:
  // ring: the page that start_info names; port: its event channel.
  void begin(void* ring, uint32_t port);

  int begin(uint32_t& transaction);
  int end(uint32_t transaction, bool commit);
  int read(uint32_t transaction, const char* path, char* to, size_t room);  // length of the value
  int write(uint32_t transaction, const char* path, const char* value);
  // token: a letter, by which fired() tells watches apart.
  int watch(const char* path, char token);

  // Whether a watch has fired since the last time that this was asked.
  bool fired(char token);

  // After a suspend: in a new domain the ring is empty, on another port, and nobody watches.
  void resume(bool cancelled, uint32_t port);

 private:
  struct piece {
    const void* at;
    size_t length;
  };
  int request(uint32_t type, uint32_t transaction, const piece* pieces, unsigned nr, char* to,
              size_t room);
  void send(const void* from, size_t length);
  void receive(void* to, size_t length);
  void take_watch_event(size_t length);
  void take_waiting_events();
  void wait();
  void kick() const;

  xenstore_domain_interface* ring_ = nullptr;
  uint32_t port_ = 0;
  uint32_t request_ = 0;
  uint32_t fired_ = 0;  // a bit for each token
  struct {
    const char* path;
    char token;
  } watches_[4];
  unsigned nr_watches_ = 0;
};

Store& store();

}  // namespace ferry::kernel
