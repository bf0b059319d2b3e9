// The image of a save that was broken off when it had its name.
#include "custody/left_image.h"

#include <fmt/format.h>

#include "custody/suspend_mark.h"
#include "text/printable.h"
#include "text/say.h"

namespace ferry {
namespace {

void tell_that_it_stays(const NamedFile& image) {
  say(
      fmt::format("ferry: {} has an image of the guest, of a save that was broken off: it is "
                  "older than the guest now and must not be restored\n",
                  printable(image.path)));
}

}  // namespace

void withdraw_left_image(const DomainInfo& domain) {
  const auto image = image_in_suspend_mark(domain);
  if (!image) return;
  const Removed removed = remove_file(*image);
  if (removed == Removed::yes)
    say(
        fmt::format("ferry: {} is removed: the save into it was broken off before the guest was "
                    "let go, and the image is older than the guest now\n",
                    printable(image->path)));
  if (removed == Removed::no) tell_that_it_stays(*image);
}

void keep_left_image(const DomainInfo& domain) {
  const auto image = image_in_suspend_mark(domain);
  if (!image) return;
  note_image(domain, {});
  tell_that_it_stays(*image);
}

}  // namespace ferry
