// Whether xl makes room for a guest by shrinking domain 0, as xl itself decides that.
#include "host/autoballoon.h"

#include <gtest/gtest.h>

namespace ferry::host {
namespace {

TEST(Autoballoon, is_what_xl_does_unless_domain_0_has_a_fixed_size) {
  EXPECT_TRUE(xl_balloons_domain_0("", ""));
  EXPECT_TRUE(xl_balloons_domain_0("", "console=com1 loglvl=all"));
  EXPECT_FALSE(xl_balloons_domain_0("", "dom0_mem=1024M"));
  EXPECT_FALSE(xl_balloons_domain_0("", "console=com1 dom0_mem=1G,max:2G loglvl=all"));
  EXPECT_FALSE(xl_balloons_domain_0("autoballoon=\"auto\"\n", "dom0_mem=max:1024M"));
  EXPECT_TRUE(xl_balloons_domain_0("autoballoon=\"auto\"\n", "xdom0_mem=1024M"));
  EXPECT_TRUE(xl_balloons_domain_0("", "dom0_mem=10%"));
}

TEST(Autoballoon, is_as_xl_conf_says) {
  EXPECT_TRUE(xl_balloons_domain_0("# x\n  autoballoon = \"on\"  # y\n", "dom0_mem=1024M"));
  EXPECT_TRUE(xl_balloons_domain_0("autoballoon=1", "dom0_mem=1024M"));
  EXPECT_FALSE(xl_balloons_domain_0("autoballoon='off'\n", ""));
  EXPECT_FALSE(xl_balloons_domain_0("autoballoon=0\n", ""));
  EXPECT_TRUE(xl_balloons_domain_0("#autoballoon=\"off\"\nautoballoon_x=0\n", ""));
}

}  // namespace
}  // namespace ferry::host
