//===- PeakSpeedTest.cpp - Which chip is which ----------------------------===//

#include "trainer/PeakSpeed.h"

#include <gtest/gtest.h>

using namespace fsdprt;

namespace {

double halfOf(const std::string &name) {
  std::optional<PeakSpeed> peak = PeakSpeed::ofChip(name);
  return peak ? peak->half / 1e12 : 0;
}

TEST(PeakSpeedTest, ChipsAsDriversNameThem) {
  EXPECT_EQ(halfOf("NVIDIA A100-SXM4-80GB"), 312);
  EXPECT_EQ(halfOf("NVIDIA A100 80GB PCIe"), 312);
  EXPECT_EQ(halfOf("NVIDIA A10"), 125);
  EXPECT_EQ(halfOf("NVIDIA H100 80GB HBM3"), 989.4);
  EXPECT_EQ(halfOf("NVIDIA H100 PCIe"), 756);
  EXPECT_EQ(halfOf("NVIDIA H100 NVL"), 835);
  EXPECT_EQ(halfOf("NVIDIA H200"), 989.4);
  EXPECT_EQ(halfOf("NVIDIA H200 NVL"), 835);
  EXPECT_EQ(halfOf("NVIDIA H20"), 148);
  EXPECT_EQ(halfOf("NVIDIA B200"), 2250);
  EXPECT_EQ(halfOf("NVIDIA GB200"), 2500);
  EXPECT_EQ(halfOf("NVIDIA L4"), 121);
  EXPECT_EQ(halfOf("NVIDIA L40S"), 362);
  EXPECT_EQ(halfOf("NVIDIA GeForce RTX 4090"), 165.2);
  EXPECT_EQ(halfOf("NVIDIA GeForce RTX 4090 D"), 147);
}

TEST(PeakSpeedTest, OthersAreNotKnown) {
  for (const char *name :
       {"", "simulated GPU", "NVIDIA A100-SXM4-40GB MIG 1g.5gb",
        "NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA GeForce RTX 3090 Ti",
        "NVIDIA A1000", "NVIDIA L400", "NVIDIA H1000", "XH100"})
    EXPECT_FALSE(PeakSpeed::ofChip(name)) << name;
}

TEST(PeakSpeedTest, ProductsAreAsFastAsTheirTypesAllow) {
  fsdprt_gemm_desc desc = {};
  desc.op.name = "matmul";
  desc.m = 3, desc.n = 5, desc.k = 7;
  desc.num_batch_dims = 2;
  desc.batch[0] = 2, desc.batch[1] = 11;
  ProductWork work;
  work += ProductWork(desc);
  desc.precision = 1;
  work += ProductWork(desc);
  desc.dtype = FSDPRT_BF16;
  work += ProductWork(desc);
  const int64_t each = 2 * 3 * 5 * 7 * 2 * 11;
  EXPECT_EQ(work.f32, each);
  EXPECT_EQ(work.tf32, each);
  EXPECT_EQ(work.half, each);
  PeakSpeed peak{each / 1., each / 2., each / 4.};
  EXPECT_DOUBLE_EQ(peak.secondsOf(work), 7);
  EXPECT_DOUBLE_EQ(PeakSpeed::ofTeraflops(3e-12 * each).secondsOf(work), 1);
}

TEST(PeakSpeedTest, WhatIsComputedAgainDoesNotCount) {
  fsdprt_gemm_desc desc = {};
  desc.op.name = "recompute_matmul";
  desc.m = desc.n = desc.k = 4;
  EXPECT_EQ(ProductWork(desc).total(), 0);
}

} // namespace
