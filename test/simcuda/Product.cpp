//===- Product.cpp - Matrix products as cuBLASLt has them -----------------===//

#include "test/simcuda/Product.h"
#include "runtime/abi/fsdprt.h"
#include "test/simcuda/Numbers.h"

#include <algorithm>
#include <numeric>

using namespace simcuda;
using namespace fsdprt::cuda;

static constexpr uint64_t kMagic = 0x61647563'6d697300; // "\0simcuda"

bool Algorithm::decode(const cublasLtMatmulAlgo_t &bytes, Algorithm &a) {
  a = {uint32_t(bytes.data[1]), uint32_t(bytes.data[2]),
       uint32_t(bytes.data[3]), uint32_t(bytes.data[4])};
  return bytes.data[0] == kMagic && a.splits >= 1 && a.alignment >= 1;
}

cublasLtMatmulAlgo_t Algorithm::encode() const {
  return {{kMagic, id, splits, scheme, alignment, 0, 0, 0}};
}

uint64_t Algorithm::workspace(const Layout &d) const {
  if (scheme != CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE)
    return 0;
  return splits * d.rows * d.cols * d.batch * sizeof(float);
}

uint64_t simcuda::bytesOf(cudaDataType type) {
  switch (type) {
  case CUDA_R_32F:
    return 4;
  case CUDA_R_64F:
    return 8;
  case CUDA_R_16F:
  case CUDA_R_16BF:
    return 2;
  }
  return 0;
}

static std::string checkLayout(const Layout &x, const char *name, uint64_t rows,
                               uint64_t cols, int32_t batch) {
  std::string who = std::string("matrix ") + name;
  if (x.rows != rows || x.cols != cols)
    return who + " is " + std::to_string(x.rows) + " x " +
           std::to_string(x.cols) + ", " + std::to_string(rows) + " x " +
           std::to_string(cols) + " was expected";
  if (x.ld < int64_t(x.lineElements()))
    return who + " has the leading dimension " + std::to_string(x.ld) +
           ", at least " + std::to_string(x.lineElements()) + " was expected";
  if (x.batch != batch)
    return who + " has " + std::to_string(x.batch) + " in its batch, D has " +
           std::to_string(batch);
  return "";
}

std::string Product::check(bool &unsupported) const {
  uint64_t m = d.rows, n = d.cols;
  bool plainA = desc.transA == CUBLAS_OP_N, plainB = desc.transB == CUBLAS_OP_N;
  for (const std::string &problem :
       {checkLayout(a, "A", plainA ? m : k(), plainA ? k() : m, d.batch),
        checkLayout(b, "B", plainB ? k() : n, plainB ? n : k(), d.batch),
        checkLayout(c, "C", m, n, d.batch), checkLayout(d, "D", m, n, d.batch)})
    if (!problem.empty())
      return problem;
  if (m == 0 || n == 0 || k() == 0)
    return "a dimension is 0";
  unsupported = true;
  if (a.type != b.type || c.type != d.type || desc.scale != CUDA_R_32F ||
      a.type == CUDA_R_64F || (d.type != a.type && d.type != CUDA_R_32F))
    return "no kernel has these types";
  if (desc.compute == CUBLAS_COMPUTE_32F_FAST_TF32 && a.type != CUDA_R_32F)
    return "TF32 is for matrices of f32";
  if (desc.pointers != CUBLASLT_POINTER_MODE_HOST)
    return "the simulator reads alpha and beta from the host";
  if (!hasBias())
    return desc.epilogue == CUBLASLT_EPILOGUE_DEFAULT
               ? ""
               : "the simulator has no such epilogue";
  if (d.order != CUBLASLT_ORDER_COL || !desc.bias)
    return "a bias goes along the rows of a D in columns";
  if (desc.biasType != -1 && desc.biasType != int32_t(d.type))
    return "a bias has D's type";
  return "";
}

static void addMatrix(const Layout &x, uint64_t at, int access,
                      std::vector<Range> &ranges) {
  uint64_t size = bytesOf(x.type);
  for (int32_t b = 0; b < (x.stride ? x.batch : 1); ++b)
    for (uint64_t line = 0; line < x.lines(); ++line) {
      uint64_t begin = at + (b * x.stride + line * x.ld) * size;
      uint64_t bytes = x.lineElements() * size;
      if (!ranges.empty() && ranges.back().access == access &&
          ranges.back().end() == begin)
        ranges.back().bytes += bytes;
      else
        ranges.push_back({begin, bytes, access});
    }
}

std::vector<Range> Product::ranges() const {
  std::vector<Range> ranges;
  addMatrix(a, aAt, FSDPRT_ACCESS_READ, ranges);
  addMatrix(b, bAt, FSDPRT_ACCESS_READ, ranges);
  if (beta != 0)
    addMatrix(c, cAt, FSDPRT_ACCESS_READ, ranges);
  if (hasBias())
    for (int32_t i = 0; i < (desc.biasStride ? d.batch : 1); ++i)
      ranges.push_back({desc.bias + i * desc.biasStride * bytesOf(d.type),
                        d.rows * bytesOf(d.type), FSDPRT_ACCESS_READ});
  addMatrix(d, dAt, FSDPRT_ACCESS_WRITE, ranges);
  return ranges;
}

static float read(const char *at, cudaDataType type) {
  if (type == CUDA_R_32F) {
    float value;
    std::memcpy(&value, at, sizeof value);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, at, sizeof bits);
  return type == CUDA_R_16BF ? fromBf16(bits) : fromF16(bits);
}

static void write(char *at, cudaDataType type, float value) {
  if (type == CUDA_R_32F) {
    std::memcpy(at, &value, sizeof value);
    return;
  }
  uint16_t bits = type == CUDA_R_16BF ? toBf16(value) : toF16(value);
  std::memcpy(at, &bits, sizeof bits);
}

namespace {
/// Where a matrix of the batch begins, and how it is walked.
struct Matrix {
  const Layout &layout;
  char *at;
  int64_t downRows, downCols;

  Matrix(const Layout &layout, char *at, int32_t batch, bool transposed)
      : layout(layout),
        at(at + batch * layout.stride * int64_t(bytesOf(layout.type))),
        downRows(layout.alongRows() * bytesOf(layout.type)),
        downCols(layout.alongCols() * bytesOf(layout.type)) {
    if (transposed)
      std::swap(downRows, downCols);
  }

  float get(uint64_t i, uint64_t j) const {
    return read(at + i * downRows + j * downCols, layout.type);
  }
  void set(uint64_t i, uint64_t j, float value) const {
    write(at + i * downRows + j * downCols, layout.type, value);
  }
};
} // namespace

/// Row by row, in float.
static std::vector<float> unpack(const Matrix &matrix, uint64_t rows,
                                 uint64_t cols, bool tf32) {
  std::vector<float> values(rows * cols);
  for (uint64_t i = 0; i < rows; ++i)
    for (uint64_t j = 0; j < cols; ++j) {
      float value = matrix.get(i, j);
      values[i * cols + j] = tf32 ? roundToTf32(value) : value;
    }
  return values;
}

/// The sum over terms [begin, end), added up in their order; `rounds`: in
/// bf16.
static std::vector<float> partial(const std::vector<float> &a,
                                  const std::vector<float> &b, uint64_t m,
                                  uint64_t n, uint64_t k, uint64_t begin,
                                  uint64_t end, bool rounds) {
  std::vector<float> sums(m * n);
  for (uint64_t i = 0; i < m; ++i)
    for (uint64_t p = begin; p < end; ++p) {
      float factor = a[i * k + p];
      const float *row = &b[p * n];
      float *sum = &sums[i * n];
      for (uint64_t j = 0; j < n; ++j)
        sum[j] += factor * row[j];
      for (uint64_t j = 0; rounds && j < n; ++j)
        sum[j] = fromBf16(toBf16(sum[j]));
    }
  return sums;
}

/// With the scheme that adds in place, in whatever order parts are done.
static std::vector<uint32_t> orderOfParts(const Algorithm &algorithm,
                                          Device &device) {
  std::vector<uint32_t> order(algorithm.splits);
  std::iota(order.begin(), order.end(), 0);
  Random random(device.draw());
  if (algorithm.scheme == CUBLASLT_REDUCTION_SCHEME_INPLACE)
    random.shuffle(order);
  return order;
}

/// Half of what they should be, in the middle: a tile without half of the sum.
static void spoilTile(std::vector<float> &sums, uint64_t m, uint64_t n) {
  constexpr uint64_t tile = 16;
  for (uint64_t i = m / 2; i < std::min(m, m / 2 + tile); ++i)
    for (uint64_t j = n / 2; j < std::min(n, n / 2 + tile); ++j)
      sums[i * n + j] /= 2;
}

static std::vector<float> multiply(const Product &p, Device &device,
                                   const Matrix &a, const Matrix &b) {
  const Simulator &s = simulator();
  uint64_t m = p.d.rows, n = p.d.cols, k = p.k();
  bool tf32 = p.desc.compute == CUBLAS_COMPUTE_32F_FAST_TF32;
  std::vector<float> left = unpack(a, m, k, tf32),
                     right = unpack(b, k, n, tf32);
  std::vector<float> sums(m * n);
  uint64_t splits = p.algorithm.splits;
  for (uint64_t part : orderOfParts(p.algorithm, device)) {
    std::vector<float> more =
        partial(left, right, m, n, k, part * k / splits,
                (part + 1) * k / splits, s.products == s.settings.roundProduct);
    for (uint64_t i = 0; i < more.size(); ++i)
      sums[i] += more[i];
  }
  if (s.products == s.settings.wrongProduct)
    spoilTile(sums, m, n);
  return sums;
}

static void finish(const Product &p, const std::vector<float> &sums,
                   const Matrix &c, const Matrix &d, const char *bias) {
  uint64_t n = p.d.cols;
  for (uint64_t i = 0; i < p.d.rows; ++i)
    for (uint64_t j = 0; j < n; ++j) {
      float value = p.alpha * sums[i * n + j];
      if (p.beta != 0)
        value += p.beta * c.get(i, j);
      if (bias)
        value += read(bias + i * bytesOf(p.d.type), p.d.type);
      d.set(i, j, value);
    }
}

CUresult Product::run(Device &device, const Identity &who) const {
  constexpr int64_t times[] = {1, 4, 3, 2}; // of algorithms, by id
  device.pretended += std::chrono::milliseconds(
      simulator().settings.productTime * times[algorithm.id % 4]);
  for (const Range &range : ranges()) {
    if (!translate(device, range.address, range.bytes, who) ||
        (range.access == FSDPRT_ACCESS_READ &&
         !checkWritten(range.address, range.bytes, who)))
      return CUDA_ERROR_ILLEGAL_ADDRESS;
  }
  ++simulator().products;
  char *atA = translate(device, aAt, 1, who);
  char *atB = translate(device, bAt, 1, who);
  char *atC = beta != 0 ? translate(device, cAt, 1, who) : nullptr;
  char *atD = translate(device, dAt, 1, who);
  char *bias = hasBias() ? translate(device, desc.bias, 1, who) : nullptr;
  for (int32_t i = 0; i < d.batch; ++i) {
    std::vector<float> sums =
        multiply(*this, device, Matrix(a, atA, i, desc.transA != CUBLAS_OP_N),
                 Matrix(b, atB, i, desc.transB != CUBLAS_OP_N));
    finish(*this, sums, Matrix(c, atC, i, false), Matrix(d, atD, i, false),
           bias ? bias + i * desc.biasStride * int64_t(bytesOf(d.type))
                : nullptr);
  }
  for (const Range &range : ranges())
    if (range.access == FSDPRT_ACCESS_WRITE)
      markWritten(range.address, range.bytes);
  return CUDA_SUCCESS;
}
