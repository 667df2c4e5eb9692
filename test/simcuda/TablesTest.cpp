//===- TablesTest.cpp - Libraries that are found at run time --------------===//

#include "cuda/SharedLibrary.h"
#include "test/simcuda/TestBase.h"

using namespace simcuda::test;
using ::testing::HasSubstr;

TEST(SharedLibrary, SaysWhatItLookedForAndWhatToDo) {
  auto library = SharedLibrary::open(
      "the product library", {"libnone.so.13", "libnone.so.12"}, "install it");
  ASSERT_FALSE(library.ok());
  EXPECT_THAT(library.status().message(),
              HasSubstr("the product library was not found: looked for "
                        "libnone.so.13, libnone.so.12 where the dynamic linker "
                        "does (libnone.so.13: cannot open"));
  EXPECT_THAT(library.status().message(), HasSubstr("; install it"));
}

TEST(SharedLibrary, NamesAFunctionThatIsMissing) {
  auto library = SharedLibrary::open("C", {"libnone.so.9", "libc.so.6"},
                                     "install another");
  ASSERT_TRUE(library.ok()) << library.status().message();
  EXPECT_THAT(library->path(), HasSubstr("/libc.so.6"));
  void (*function)() = nullptr;
  EXPECT_TRUE(library->bind("abort", function).ok());
  EXPECT_TRUE(function);
  fsdprt::Status status = library->bind("no_such_function", function);
  EXPECT_EQ(status.message(), "C at " + library->path() +
                                  " has no function 'no_such_function'; "
                                  "install another");
}

namespace {
class TablesTest : public SimulatedTest {};
} // namespace

TEST_F(TablesTest, TheDriverSaysWhatItIs) {
  EXPECT_EQ(d.version, 13000);
  EXPECT_THAT(d.path, HasSubstr("libcuda.so.1"));
  EXPECT_TRUE(d.simulatedOperation);
}

TEST_F(TablesTest, ADriverThatIsTooOldIsRefused) {
  restart({{"SIMCUDA_DRIVER_VERSION", "11080"}});
  auto driver = Driver::load();
  ASSERT_FALSE(driver.ok());
  EXPECT_THAT(
      driver.status().message(),
      HasSubstr("is for CUDA 11.8, and 12.0 or later is needed; install "
                "a newer NVIDIA driver"));
}

TEST_F(TablesTest, ErrorsNameTheCall) {
  EXPECT_TRUE(d.check("cuInit", CUDA_SUCCESS).ok());
  EXPECT_EQ(d.check("cuLaunchKernel", CUDA_ERROR_ILLEGAL_ADDRESS).message(),
            "cuLaunchKernel failed: CUDA_ERROR_ILLEGAL_ADDRESS (an illegal "
            "memory access was encountered)");
  EXPECT_EQ(d.check("cuInit", CUresult(12345)).message(),
            "cuInit failed: error 12345");
}
