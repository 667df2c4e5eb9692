//===- DeviceTest.cpp - Operations on a device
//-----------------------------===//

#include "TestProgram.h"
#include "abi/Context.h"
#include "comm/ThreadCommunicator.h"
#include "io/TokenData.h"
#include "trainer/Program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

using namespace fsdprt;
using namespace fsdprt::test;
using testing::HasSubstr;

namespace {

/// The CPU, behind addresses that are not the host's: who reads or writes the
/// memory of the device other than through it, faults. Counts what is bound.
class OpaqueDevice : public Device {
public:
  OpaqueDevice(Communicator &communicator, const Options &options)
      : cpu(communicator, options) {}

  const char *name() const override { return "opaque"; }

  Expected<DeviceAddress> allocate(const ArenaSpec &arena) override {
    Expected<DeviceAddress> begin = cpu.allocate(arena);
    if (!begin.ok())
      return begin;
    arenas.push_back({*begin, arena.bytes});
    return DeviceAddress(arenas.size() << 48);
  }
  void *hostWrite(const DeviceRange &range) override {
    std::vector<char> &slot = written[range.begin];
    slot.assign(range.bytes, 0x55);
    return slot.data();
  }
  Expected<const void *> hostRead(const DeviceRange &range) override {
    std::vector<char> &slot = read[range.begin];
    slot.resize(range.bytes);
    std::memcpy(slot.data(), pointer(range.begin), range.bytes);
    return static_cast<const void *>(slot.data());
  }
  Status download(const DeviceRange &range, void *to) override {
    std::memcpy(to, pointer(range.begin), range.bytes);
    return Status();
  }
  Status upload(const DeviceRange &range, const void *from) override {
    std::memcpy(pointer(range.begin), from, range.bytes);
    return Status();
  }

  Status prepare(const fsdprt_gemm_desc &desc) override {
    return cpu.prepare(desc);
  }
  Bound bindLaunch(const fsdprt_launch_desc &desc,
                   const Dispatch &operation) override {
    return bind(operation, [&](const Dispatch &inner) {
      return cpu.bindLaunch(desc, inner);
    });
  }
  Bound bindProduct(const fsdprt_gemm_desc &desc,
                    const Dispatch &operation) override {
    return bind(operation, [&](const Dispatch &inner) {
      return cpu.bindProduct(desc, inner);
    });
  }
  Bound bindFill(const fsdprt_fill_desc &desc,
                 const Dispatch &operation) override {
    return bind(operation, [&](const Dispatch &inner) {
      return cpu.bindFill(desc, inner);
    });
  }
  Bound bindCopy(const fsdprt_copy_desc &desc,
                 const Dispatch &operation) override {
    return bind(operation, [&](const Dispatch &inner) {
      return cpu.bindCopy(desc, inner);
    });
  }
  Bound bindConstant(const fsdprt_constant_desc &desc,
                     const Dispatch &operation) override {
    return bind(operation, [&](const Dispatch &inner) {
      return cpu.bindConstant(desc, inner);
    });
  }
  Bound bindCollective(CollectiveKind kind, const fsdprt_collective_desc &desc,
                       const Dispatch &operation) override {
    return bind(operation, [&](const Dispatch &inner) {
      return cpu.bindCollective(kind, desc, inner);
    });
  }
  Bound bindHost(HostWork work, const Dispatch &operation) override {
    return bind(operation, [&](const Dispatch &inner) {
      return cpu.bindHost(std::move(work), inner);
    });
  }
  Bound bindJoin(const Dispatch &operation) override {
    return bind(operation,
                [&](const Dispatch &inner) { return cpu.bindJoin(inner); });
  }

  Status beginPhase(int phase, int64_t step) override {
    for (const auto &[address, bytes] : written)
      std::memcpy(pointer(address), bytes.data(), bytes.size());
    written.clear();
    return cpu.beginPhase(phase, step);
  }
  Status enqueue(const Dispatch &operation) override {
    return cpu.enqueue(static_cast<Inner &>(*operation.work).dispatch);
  }
  Status drain() override { return cpu.drain(); }
  bool failed() const override { return cpu.failed(); }
  Status status() const override { return cpu.status(); }
  double takeBlockedSeconds() override { return cpu.takeBlockedSeconds(); }
  Control &control() override { return cpu.control(); }

  int numBound = 0;

private:
  struct Inner : Work {
    Dispatch dispatch;
  };

  char *pointer(DeviceAddress address) const {
    const DeviceRange &arena = arenas[(uint64_t(address) >> 48) - 1];
    return hostPointer(arena.begin) + (uint64_t(address) & 0xffffffffffff);
  }

  template <typename BindInner>
  Bound bind(const Dispatch &operation, BindInner bindInner) {
    ++numBound;
    auto inner = std::make_unique<Inner>();
    inner->dispatch.op = operation.op;
    inner->dispatch.mark = operation.mark;
    for (DeviceAddress address : operation.args)
      inner->dispatch.args.push_back(DeviceAddress(uint64_t(pointer(address))));
    Bound work = bindInner(inner->dispatch);
    if (!work.ok())
      return work;
    inner->dispatch.work = std::move(*work);
    return std::unique_ptr<Work>(std::move(inner));
  }

  CpuDevice cpu;
  std::vector<DeviceRange> arenas; // the CPU's
  std::map<DeviceAddress, std::vector<char>> written, read;
};

/// The hand-written program on one rank, without the trainer.
class ProgramRun {
public:
  explicit ProgramRun(bool isOpaque) {
    writeProgram(folder / "p", makeManifest(1), 1);
    writeFile(folder / "text", makeText(20000));
    manifest = *loadManifest(folder / "p");
    program = std::move(*Program::load(manifest));
    loader = *ParameterLoader::create(manifest, {});
    TokenData::Options dataOptions;
    dataOptions.paths = {folder / "text"};
    dataOptions.tokenizer = "bytes";
    data = *TokenData::open(manifest, dataOptions);
    auto makeOpaque =
        [&](Communicator &communicator,
            Device::Options options) -> Expected<std::unique_ptr<Device>> {
      auto made = std::make_unique<OpaqueDevice>(communicator, options);
      opaque = made.get();
      return std::unique_ptr<Device>(std::move(made));
    };
    auto create = isOpaque ? fsdprt_context::MakeDevice(makeOpaque)
                           : fsdprt_context::MakeDevice(CpuDevice::create);
    context = std::move(
        *fsdprt_context::create(manifest, communicator, nullptr, {}, create));
    EXPECT_TRUE(context->allocate().ok());
    context->loader = &*loader;
  }

  Status phase(Runs when, int64_t step) {
    return program->run(*context, *manifest.phaseThatRuns(when), step);
  }
  double step(int64_t number) {
    for (const InputSpec &input : manifest.inputs)
      EXPECT_TRUE(data->fill(input, number * data->rowsPerBatch(),
                             context->hostWrite(input.place))
                      .ok());
    context->writeScalar("lr", 0.5);
    Status status = phase(Runs::Microbatch, number);
    EXPECT_TRUE(status.ok()) << status.message();
    return *context->readResult("loss");
  }

  TemporaryFolder folder;
  ThreadCommunicator communicator{std::make_shared<ThreadGroup>(1), 0};
  Manifest manifest;
  std::optional<ParameterLoader> loader;
  std::optional<TokenData> data;
  std::unique_ptr<Program> program;
  std::unique_ptr<fsdprt_context> context;
  OpaqueDevice *opaque = nullptr;
};

} // namespace

/// Tests that nothing but the device looks at its memory: loading, inputs,
/// scalars, results and what is saved go through it, and the bits are those of
/// the CPU.
TEST(Device, OnlyTheDeviceSeesItsMemory) {
  ProgramRun expected(false), run(true);
  ASSERT_TRUE(expected.phase(Runs::Once, -1).ok());
  ASSERT_TRUE(run.phase(Runs::Once, -1).ok());
  double first = 0, last = 0;
  for (int64_t step = 0; step < 10; ++step) {
    last = run.step(step);
    EXPECT_EQ(last, expected.step(step));
    first = step == 0 ? last : first;
  }
  EXPECT_LT(last, first);
  for (ProgramRun *each : {&expected, &run}) {
    auto saver =
        CheckpointSaver::create(each->manifest, each->folder / "saved", "");
    ASSERT_TRUE(saver.ok());
    each->context->saver = saver->get();
    ASSERT_TRUE(each->phase(Runs::Save, -1).ok());
    ASSERT_TRUE((*saver)->finish().ok());
  }
  EXPECT_EQ(readFile(run.folder / "saved"),
            readFile(expected.folder / "saved"));
  EXPECT_EQ(run.context->recorder.peakBytes(),
            expected.context->recorder.peakBytes());
}

TEST(Device, BindsAnOperationOnce) {
  ProgramRun run(true);
  ASSERT_TRUE(run.phase(Runs::Once, -1).ok());
  run.step(0);
  int bound = run.opaque->numBound;
  int64_t gathered = run.context->counts.gathered;
  EXPECT_GT(gathered, 0);
  run.step(1);
  EXPECT_EQ(run.opaque->numBound, bound);
  EXPECT_EQ(run.context->counts.gathered, 2 * gathered); // counts each time
}

/// Tests that what a phase issues in an operation's place is bound anew, not
/// taken for it.
TEST(Device, BindsWhatTakesAnOperationsPlace) {
  ProgramRun run(true);
  fsdprt_arg arg = {0, FSDPRT_ACCESS_WRITE, 0, 4, 0};
  fsdprt_fill_desc one = {
      {"one", "", "", &arg, nullptr, 1, 0, FSDPRT_STREAM_COMPUTE, -1}, 1, 0};
  fsdprt_fill_desc two = one;
  two.byte = 2;
  auto valueAfter = [&](fsdprt_fill_desc &desc) {
    EXPECT_TRUE(run.context->beginPhase("other", 0).ok());
    EXPECT_EQ(fsdprt_fill(run.context.get(), &desc), 0);
    int32_t value = 0;
    std::memcpy(&value,
                *run.context->device->hostRead(
                    {run.context->arenas[0].begin, sizeof(value)}),
                sizeof(value));
    return value;
  };
  EXPECT_EQ(valueAfter(one), 0x01010101);
  EXPECT_EQ(valueAfter(two), 0x02020202);
  EXPECT_EQ(run.opaque->numBound, 2);
}

TEST(Device, NamesTheOperationThatCannotBeBound) {
  ProgramRun run(true);
  fsdprt_arg arg = {0, FSDPRT_ACCESS_WRITE, 1 << 30, 4, 0};
  fsdprt_fill_desc fill = {
      {"fill", "head", "", &arg, nullptr, 1, 0, FSDPRT_STREAM_COMPUTE, -1},
      0,
      0};
  ASSERT_TRUE(run.context->beginPhase("step", 4).ok());
  EXPECT_NE(fsdprt_fill(run.context.get(), &fill), 0);
  EXPECT_THAT(run.context->error.message(),
              HasSubstr("operation 0 ('fill' of unit 'head') of phase 'step', "
                        "step 5: argument 0 takes bytes"));
  EXPECT_EQ(run.opaque->numBound, 0);
}
