// The images of saves that were broken off when each had its name.
#include "custody/left_image.h"

#include <algorithm>

#include <fmt/format.h>

#include "custody/suspend_mark.h"
#include "error/error.h"
#include "files/held_files.h"
#include "text/printable.h"
#include "text/say.h"

namespace ferry {
namespace {

// Whether it ever had its name nobody has noted.
void tell_that_it_is_gone(const NamedFile& image) {
  say(
      fmt::format("ferry: {}: an image of the guest, of a save that was broken off, was there or "
                  "about to be, and is not any more: wherever it is, it is older than the guest "
                  "now and must not be restored\n",
                  printable(image.path)));
}

void tell_that_it_stays(const NamedFile& image) {
  say(
      fmt::format("ferry: {} has an image of the guest, of a save that was broken off: once "
                  "that runs again it is older and must not be restored\n",
                  printable(image.path)));
}

// What is in it now may be another guest's only image.
void tell_that_it_was_written_to(const NamedFile& image) {
  say(
      fmt::format("ferry: {} had an image of the guest, of a save that was broken off, and was "
                  "written to since: if that image is still in it, it is older than the guest now "
                  "and must not be restored\n",
                  printable(image.path)));
}

bool is_same(const NamedFile& a, const NamedFile& b) {
  return a.path == b.path && a.device == b.device && a.inode == b.inode;
}

// What has the path of one that is not there may be another of them.
bool is_there(const std::vector<NamedFile>& images, const std::string& path) {
  return std::any_of(images.begin(), images.end(),
                     [&](const NamedFile& one) { return one.path == path && has_its_path(one); });
}

void withdraw(const std::vector<NamedFile>& images, const std::string& why) {
  std::vector<NamedFile> gone = images;
  std::erase_if(gone, [&](const NamedFile& one) { return is_there(images, one.path); });
  for (const NamedFile& image : images) {
    const Removed removed = is_built_upon(image) ? Removed::no : remove_file(image);
    if (removed == Removed::yes) {
      std::erase_if(gone, [&](const NamedFile& one) { return is_same(one, image); });
      say(fmt::format("ferry: {} is removed: {}\n", printable(image.path), printable(why)));
    }
    if (removed == Removed::no)
      was_written_to(image) ? tell_that_it_was_written_to(image) : tell_that_it_stays(image);
  }
  for (const NamedFile& image : gone) tell_that_it_is_gone(image);
}

}  // namespace

void withdraw_left_images(const DomainInfo& domain) {
  withdraw(images_in_suspend_mark(domain),
           "the save into it was broken off before the guest was let go, and the image is older "
           "than the guest now");
}

void replace_left_images(const std::vector<NamedFile>& earlier, const NamedFile& by) {
  std::vector<NamedFile> others = earlier;
  std::erase_if(others, [&](const NamedFile& one) { return one.path == by.path; });
  withdraw(others, fmt::format("the save into it was broken off before the guest was let go, and "
                               "the guest is in {} now",
                               by.path));
}

void keep_left_images(const DomainInfo& domain) {
  const std::vector<NamedFile> images = images_in_suspend_mark(domain);
  if (images.empty()) return;
  note_images(domain, {});
  for (const NamedFile& image : images)
    has_its_path(image) ? tell_that_it_stays(image) : tell_that_it_is_gone(image);
}

void refuse_left_image(const DomainInfo& domain) {
  const std::vector<NamedFile> images = images_in_suspend_mark(domain);
  if (images.empty()) return;
  const auto there = std::ranges::find_if(images, has_its_path);
  const NamedFile& image = there == images.end() ? images.front() : *there;
  fail(Errc::needs_operator,
       "domain {0} is suspended, by a save that was broken off when the guest was in {1}{2}, and "
       "runs elsewhere if somebody has restored that; only if nobody has: here, try: ferry resume "
       "{0}",
       raw(domain.domid), printable(image.path),
       there != images.end() ? ""
       : was_a_stream(image) ? ", or about to be, where somebody may have read all of it"
                             : ", or about to be, which is not there any more");
}

}  // namespace ferry
