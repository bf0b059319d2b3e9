// What differs between the releases of Xen that the simulated machine answers as.
#include "sim/machine/release.h"

#include <cerrno>
#include <string_view>

namespace ferry::sim {

namespace {

constexpr Release kRelease4_17 = {.major = 4,
                                  .minor = 17,
                                  .extra_version = ".7",
                                  .info_goes_on_to_next = true,
                                  .shadow_op_on_dying = 0,
                                  .unknown_msr = -EINVAL,
                                  .unknown_resource = -EOPNOTSUPP,
                                  .vcpu_info_again = -EINVAL,
                                  .vcpu_info_in_a_table = -EINVAL,
                                  .flush_all_caches = -EINVAL};

constexpr Release kRelease4_20 = {.major = 4,
                                  .minor = 20,
                                  .extra_version = ".5-pre",
                                  .info_goes_on_to_next = false,
                                  .shadow_op_on_dying = -EINVAL,
                                  .unknown_msr = -ENXIO,
                                  .unknown_resource = -EINVAL,
                                  .vcpu_info_again = -EBUSY,
                                  .vcpu_info_in_a_table = -EACCES,
                                  .flush_all_caches = -EACCES};

constexpr std::string_view kBuiltWith = FERRY_XEN_RELEASE;
static_assert(kBuiltWith == "4.17" || kBuiltWith == "4.20",
              "nobody has written down how this release of Xen answers (tests/conformance)");

}  // namespace

const Release& release() {
  return kBuiltWith == "4.17" ? kRelease4_17 : kRelease4_20;
}

}  // namespace ferry::sim
