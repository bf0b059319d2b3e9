// A delta with all that it builds upon, opened as one image.
#include "delta/chain.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "delta/identity.h"
#include "error/error.h"
#include "proto/record_reader.h"

namespace ferry::delta {
namespace {

// What an End says of an image, and a delta of its base.
using Mark = std::pair<uint64_t, std::string>;  // bytes, digest of digests

Mark mark_of(const v1::End& end) {
  return {end.bytes(), end.digest_of_digests()};
}
Mark mark_of(const v1::Base& base) {
  return {base.bytes(), base.digest_of_digests()};
}

// Nothing of what is no image, or a damaged one: it is no link then.
std::optional<ImageFile> try_open(const InputFile& file) {
  try {
    return ImageFile::open_link(file);
  } catch (const Error& error) {
    if (error.code() != Errc::bad_image && error.code() != Errc::unsupported) throw;
    return {};
  }
}

}  // namespace

ImageFile open_chain(const std::vector<InputFile>& links, Executor& executor) {
  if (links.size() == 1) return ImageFile::open(links.front());
  if (links.size() > kMostLinks)
    fail(Errc::unsupported, "{} images, one upon the other, are more than the {} that can be read",
         links.size(), kMostLinks);
  ImageFile chain = ImageFile::open_chain(links);
  for (size_t i = 0; i + 1 < links.size(); ++i) {
    const BaseName is = identify(ImageFile::open_link(links[i]), links[i].path(), executor);
    const std::string sha256(reinterpret_cast<const char*>(is.sha256.data()), is.sha256.size());
    const std::string named = ImageFile::open_link(links[i + 1]).head().base().sha256();
    if (sha256 != named)
      fail(Errc::bad_image,
           "{} is not the image that {} was saved against: its SHA-256 is {}, not {}",
           links[i].path(), links[i + 1].path(), hex_of(sha256), hex_of(named));
  }
  return chain;
}

std::vector<InputFile> find_links(const InputFile& newest, std::span<const InputFile> among) {
  std::map<Mark, const InputFile*> by_mark;
  std::map<Mark, v1::Base> bases;
  for (const InputFile& file : among) {
    const std::optional<ImageFile> image = try_open(file);
    if (!image) continue;
    by_mark.emplace(mark_of(image->end()), &file);
    if (is_delta(image->head())) bases.emplace(mark_of(image->end()), image->head().base());
  }
  std::vector<InputFile> links{newest};
  const ImageFile image = ImageFile::open_link(newest);
  std::optional<v1::Base> base;
  if (is_delta(image.head())) base = image.head().base();
  while (base) {
    const auto found = by_mark.find(mark_of(*base));
    if (found == by_mark.end())
      fail(Errc::bad_image, "the base of {} is missing: the image with the SHA-256 {}",
           links.back().path(), hex_of(base->sha256()));
    if (links.size() == kMostLinks)
      fail(Errc::unsupported, "{} builds upon more than {} images", newest.path(), kMostLinks);
    links.push_back(*found->second);
    const auto next = bases.find(found->first);
    base = next == bases.end() ? std::nullopt : std::optional(next->second);
  }
  std::ranges::reverse(links);
  return links;
}

}  // namespace ferry::delta
