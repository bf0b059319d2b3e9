// Saving a guest without ever losing it.
#include "custody/save_guest.h"

#include <unistd.h>

#include <chrono>
#include <exception>
#include <filesystem>

#include "config/own_mark.h"
#include "custody/guest_custody.h"
#include "custody/leaving.h"
#include "custody/suspend_mark.h"
#include "error/error.h"
#include "ferry/v1/image.pb.h"
#include "files/image_output.h"
#include "proto/xl_wrapper.h"
#include "save/save.h"
#include "text/printable.h"
#include "text/say.h"
#include "text/shell_word.h"

namespace ferry {
namespace {

using Clock = std::chrono::steady_clock;

class GuestSave {
 public:
  GuestSave(const Hypervisor& xen, Lifecycle& life, const SaveEngine& engine,
            const SaveRequest& request, const ProgressCallback& progress)
      : xen_(xen), life_(life), engine_(engine), request_(request), progress_(progress) {}

  SaveReport run() {
    guest_.emplace(xen_, life_, life_.find(request_.domain));
    domain_ = guest_->look();
    if (request_.refuse_claimed) request_.refuse_claimed(xen_, domain_);
    check_can_save(xen_, domain_);
    if (request_.base) guest_->keep_image_of_earlier_save();
    read_config();
    ImageOutput output(request_.file, ImageOutput::Takes::any);
    if (output.others_can_read())
      say(
          fmt::format("ferry: others than its owner may read {}, as before, and the guest's memory "
                      "in it\n",
                      printable(request_.file)));
    try {
      save(output);
      request_.is_whole();
      whole_ = true;
      guest_->check_untouched();
      request_.check_base();
      output.commit([&](const NamedFile& image) {
        if (request_.afterwards == Afterwards::destroy) guest_->about_to_count(image);
        request_.about_to_count();
      });
      counts_ = true;
      request_.counts();
      if (!output.durable()) guest_->leave_image_of_earlier_save();
      if (!let_go()) destroy(output);
    } catch (...) {
      const std::exception_ptr why = suspend_error_ ? suspend_error_ : std::current_exception();
      if (gone_) std::rethrow_exception(why);
      if (is_gone()) fail_destroyed(output, why);
      output.withdraw();
      guest_->give_back();
      fail_given_back(why);
    }
    const std::chrono::duration<double> down = Clock::now() - suspended_at_;
    return {domain_.domid, config_.name(), domain_.nr_pages * kPageSize, image_bytes_,
            down.count()};
  }

 private:
  void read_config() {
    config_.set_name(life_.name(domain_.domid));
    const Leaving leaving = look_at_leaving(life_, domain_);
    tell_notes(config_.name(), leaving);
    config_.set_libxl_json(leaving.config);
    if (!is_utf8(config_.name()))
      fail(Errc::unsupported, "the domain's name is not UTF-8: {}", config_.name());
    config_.set_uuid(domain_.uuid.data(), domain_.uuid.size());
    config_.set_xl_flags(kXlFlagJson | kXlFlagStreamV2);
    config_.set_paused(guest_->was_paused());
    mark_config();
  }

  // Without a mark the image is as good, and a restore asks whoever gives it to vouch for it.
  void mark_config() {
    try {
      config_.set_mark(own_mark(config_.libxl_json()));
    } catch (const Error& e) {
      say(fmt::format("ferry: the image is not marked as this host's own: {}\n", e.what()));
    }
  }

  void save(const ImageOutput& output) {
    EngineOptions options;
    options.settings = request_.settings;
    options.live = request_.live;
    options.base = request_.base;
    options.page_hashes = request_.page_hashes;
    options.config = config_.SerializeAsString();
    options.lock = guest_->lock().descriptor();
    EngineCallbacks callbacks;
    callbacks.suspend = [this] { return suspend(); };
    callbacks.progress = progress_;
    output_ = &output;
    if (domain_.suspended) note_stream();  // otherwise when it is
    guest_->reading();
    engine_(domain_.domid, output.fd(), options, callbacks);
    if (output.durable()) image_bytes_ = static_cast<uint64_t>(lseek(output.fd(), 0, SEEK_CUR));
  }

  // From here on somebody may read all of the guest there, whatever becomes of this process.
  void note_stream() {
    if (!output_->durable() && request_.afterwards == Afterwards::destroy)
      guest_->about_to_count(stream_called(
          request_.file == "-" ? "standard output" : std::filesystem::absolute(request_.file)));
  }

  // The engine learns only whether it worked; the reason is ours to tell.
  bool suspend() {
    try {
      suspended_at_ = Clock::now();
      guest_->suspend();
      note_stream();
      return true;
    } catch (const Error&) {
      suspend_error_ = std::current_exception();
      return false;
    }
  }

  // By somebody else, with xl: then a whole image is all that is left of it.
  [[noreturn]] void fail_destroyed(ImageOutput& output, const std::exception_ptr& why) {
    guest_->forget_note();
    if (!whole_) fail_gone(why);
    if (!counts_) output.commit([this](const NamedFile&) { count_all_the_same(); });
    try {
      request_.check_base();
      output.check_there();
    } catch (const Error& e) {
      fail(Errc::needs_operator, "somebody has destroyed {} while it was saved, and {}",
           config_.name(), e.what());
    }
    if (!output.durable()) std::rethrow_exception(why);
    fail(Errc::needs_operator,
         "somebody has destroyed {} while it was saved; {} has it as it was then; if it is to go "
         "on, here, try: ferry restore {}{}",
         config_.name(), request_.file, request_.restore_options, shell_word(request_.file));
  }

  // The image is the only copy of the guest: nothing may keep it from its name.
  void count_all_the_same() {
    try {
      request_.about_to_count();
    } catch (const Error& e) {
      say(fmt::format("ferry: {}\n", printable(e.what())));
    }
  }

  // It has ended by itself, or somebody has destroyed it; what failed for that says nothing of it.
  [[noreturn]] void fail_gone(const std::exception_ptr& why) {
    try {
      std::rethrow_exception(why);
    } catch (const std::exception& e) {
      fail(
          Errc::needs_operator,
          "{} has ended while it was saved, or somebody has destroyed it: it is not here any more, "
          "and there is no image of it ({})",
          config_.name(), e.what());
    }
  }

  // Where the guest is now is what an operator asks first.
  [[noreturn]] void fail_given_back(const std::exception_ptr& why) {
    try {
      std::rethrow_exception(why);
    } catch (const Error& e) {
      if (!runs()) throw;
      fail(e.code(), "{}; {} runs on here", e.what(), config_.name());
    }
  }

  bool runs() const {
    try {
      const DomainInfo now = guest_->look();
      return !now.suspended && !now.paused;
    } catch (const Error&) {
      return false;
    }
  }

  bool is_gone() const {
    try {
      return !guest_->there();
    } catch (const Error&) {
      return false;
    }
  }

  bool somebody_resumed_it() {
    try {
      guest_->check_untouched();
      return false;
    } catch (const Error& e) {
      if (e.code() != Errc::guest) throw;
      return true;
    }
  }

  // True if nothing is left to do.
  bool let_go() {
    if (request_.afterwards == Afterwards::destroy) return false;
    const bool ours = guest_->asked_to_suspend();
    const bool resumed = ours && somebody_resumed_it();
    gone_ = true;  // from here on the image is good, whatever becomes of the guest
    // Whoever had suspended it before goes on from there.
    if (!ours) return true;
    if (resumed && request_.afterwards == Afterwards::pause) {
      guest_->forget_note();
      fail(Errc::guest, "{} is saved, but somebody else has resumed it: it is not paused",
           config_.name());
    }
    if (request_.afterwards == Afterwards::pause && !guest_->was_paused())
      life_.resume_paused(domain_.domid);
    else if (!resumed)
      life_.resume(domain_.domid);
    guest_->forget_note();
    return true;
  }

  // Once Xen was asked for the last time it is the image that counts.
  void destroy(const ImageOutput& output) {
    request_.check_base();
    output.check_there();
    guest_->check_untouched();
    gone_ = true;
    guest_->destroy();
  }

  const Hypervisor& xen_;
  Lifecycle& life_;
  const SaveEngine& engine_;
  const SaveRequest& request_;
  const ProgressCallback& progress_;
  std::optional<GuestCustody> guest_;
  const ImageOutput* output_ = nullptr;
  DomainInfo domain_;
  v1::Config config_;
  bool whole_ = false, counts_ = false;  // the image: written, and has its name
  bool gone_ = false;                    // out of our hands: the image is all that counts
  std::exception_ptr suspend_error_;
  uint64_t image_bytes_ = 0;
  Clock::time_point suspended_at_ = Clock::now();
};

}  // namespace

SaveReport save_guest(const Hypervisor& xen, Lifecycle& life, const SaveEngine& engine,
                      const SaveRequest& request, const ProgressCallback& progress) {
  return GuestSave(xen, life, engine, request, progress).run();
}

}  // namespace ferry
