// Where an image has the configuration of its guest.
#include "config/config_record.h"

#include "error/error.h"

namespace ferry {

std::optional<v1::Config> config_record(const ImageFile& image) {
  std::optional<v1::Config> found;
  image.for_each_other([&](const RawRecord& raw) {
    if (raw.kind != v1::Record::kConfigFieldNumber) return true;
    v1::Record record = parse_record(raw);
    if (record.config().libxl_json().empty()) return true;
    found = std::move(*record.mutable_config());
    return false;
  });
  return found;
}

XlHeader config_header(const ImageFile& image) {
  return saved_config(image).header;
}

SavedConfig saved_config(const ImageFile& image) {
  const uint64_t pages = image.head().populated_pages();
  if (image.place().in_xl_file)
    return {{image.place().xl_flags, image.place().xl_config, image.place().of_libvirt},
            true,
            {},
            pages};
  const std::optional<v1::Config> config = config_record(image);
  if (config)
    return {
        {config->xl_flags(), config->libxl_json()}, false, config->mark(), pages, config->paused()};
  fail(Errc::bad_image,
       "the image says nothing of how to create the domain; it was not written by ferry save");
}

}  // namespace ferry
