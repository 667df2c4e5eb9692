//===- TokenHeader.cpp - Where a file's tokens begin ----------------------===//

#include "io/TokenHeader.h"

#include "core/Manifest.h"

#include <charconv>
#include <cstring>

using namespace fsdprt;

//===----------------------------------------------------------------------===//
// .npy
//===----------------------------------------------------------------------===//

static constexpr char kNpyMagic[] = "\x93NUMPY";

bool fsdprt::isNpy(const InputFile &file) {
  char head[6];
  return file.size() >= 6 && file.read(head, 0, 6).ok() &&
         std::memcmp(head, kNpyMagic, 6) == 0;
}

namespace {
struct NpyHeader {
  std::string dtype; // "<u2"
  bool isFortran = false;
  std::string shape; // as it stands: "(200,)"
  std::vector<int64_t> dims;
};

/// Reads the literal of a Python dict with the three keys that numpy writes.
class NpyHeaderParser {
public:
  explicit NpyHeaderParser(const std::string &text) : text(text) {}

  std::optional<NpyHeader> parse() {
    NpyHeader header;
    bool hasDtype = false, hasOrder = false, hasShape = false;
    if (!eat("{"))
      return std::nullopt;
    while (!eat("}")) {
      std::optional<std::string> key = parseString();
      if (!key || !eat(":"))
        return std::nullopt;
      bool *has = *key == "descr"           ? &hasDtype
                  : *key == "fortran_order" ? &hasOrder
                  : *key == "shape"         ? &hasShape
                                            : nullptr;
      if (!has || *has || !parseValue(*key, header))
        return std::nullopt;
      *has = true;
      eat(",");
    }
    if (!hasDtype || !hasOrder || !hasShape || !isAtEnd())
      return std::nullopt;
    return header;
  }

private:
  void skipSpace() {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\n'))
      ++at;
  }
  bool isAtEnd() {
    skipSpace();
    return at == text.size();
  }
  bool eat(const char *word) {
    skipSpace();
    size_t length = std::strlen(word);
    if (text.compare(at, length, word) != 0)
      return false;
    at += length;
    return true;
  }

  std::optional<std::string> parseString() {
    skipSpace();
    char quote = at < text.size() ? text[at] : 0;
    size_t end = quote == '\'' || quote == '"' ? text.find(quote, at + 1)
                                               : std::string::npos;
    if (end == std::string::npos)
      return std::nullopt;
    std::string found = text.substr(at + 1, end - at - 1);
    at = end + 1;
    return found;
  }

  bool parseValue(const std::string &key, NpyHeader &header) {
    if (key == "shape")
      return parseShape(header);
    if (key == "fortran_order") {
      header.isFortran = eat("True");
      return header.isFortran || eat("False");
    }
    std::optional<std::string> dtype = parseString();
    if (dtype)
      header.dtype = *dtype;
    return dtype.has_value();
  }

  bool parseShape(NpyHeader &header) {
    if (!eat("("))
      return false;
    size_t begin = at - 1;
    while (!eat(")")) {
      skipSpace();
      int64_t size = 0;
      auto read =
          std::from_chars(text.data() + at, text.data() + text.size(), size);
      if (read.ec != std::errc() || size < 0)
        return false;
      header.dims.push_back(size);
      at = size_t(read.ptr - text.data());
      eat(",");
    }
    header.shape = text.substr(begin, at - begin);
    return true;
  }

  const std::string &text;
  size_t at = 0;
};
} // namespace

/// Bytes of an unsigned integer of numpy's name; 0 for other types.
static int bytesOfNpyType(const std::string &dtype) {
  return dtype == "|u1" || dtype == "<u1" ? 1
         : dtype == "<u2"                 ? 2
         : dtype == "<u4"                 ? 4
         : dtype == "<u8"                 ? 8
                                          : 0;
}

Expected<TokenLayout> fsdprt::layoutOfNpy(const InputFile &file) {
  if (!isNpy(file))
    return failure("'", file.path(),
                   "' is not a .npy file: it does not begin "
                   "as numpy.save begins one");
  unsigned char version[2] = {};
  if (file.size() < 12)
    return failure("'", file.path(), "' ends within the header of a .npy file");
  FSDPRT_RETURN_IF_ERROR(file.read(version, 6, 2));
  if (version[0] < 1 || version[0] > 3 || version[1] != 0)
    return failure("'", file.path(), "' has version ", int(version[0]), ".",
                   int(version[1]),
                   " of the .npy format, expected 1.0, 2.0 or 3.0");
  int lengthBytes = version[0] == 1 ? 2 : 4;
  uint32_t length = 0; // little-endian, as the host
  FSDPRT_RETURN_IF_ERROR(file.read(&length, 8, lengthBytes));
  int64_t data = 8 + lengthBytes + int64_t(length);
  if (data > file.size())
    return failure("'", file.path(), "' ends within the header of a .npy file");
  std::string text(length, 0);
  FSDPRT_RETURN_IF_ERROR(file.read(text.data(), 8 + lengthBytes, length));
  std::optional<NpyHeader> header = NpyHeaderParser(text).parse();
  if (!header)
    return failure("'", file.path(),
                   "' has the header of a .npy file that cannot be read: "
                   "write it again with numpy.save, as a plain array");
  int bytes = bytesOfNpyType(header->dtype);
  if (bytes == 0)
    return failure("'", file.path(), "' holds numbers of type '", header->dtype,
                   "', expected unsigned little-endian integers: write "
                   "array.astype('uint16'), or 'uint32'");
  if (header->dims.size() != 1)
    return failure("'", file.path(), "' has shape ", header->shape,
                   ", expected one dimension: write array.reshape(-1)");
  if (header->isFortran)
    return failure("'", file.path(),
                   "' is in Fortran's order, expected C's: "
                   "write numpy.ascontiguousarray(array)");
  if (header->dims[0] > kMostElements ||
      header->dims[0] * bytes != file.size() - data)
    return failure("'", file.path(), "' has ", file.size() - data,
                   " bytes of numbers, its header says shape ", header->shape,
                   " of ", bytes, " bytes each");
  return TokenLayout{bytes, data, /*isDeclared=*/true};
}

//===----------------------------------------------------------------------===//
// .bin
//===----------------------------------------------------------------------===//

Expected<TokenLayout> fsdprt::layoutOfBin(const InputFile &file) {
  constexpr int32_t magic = 20240520;
  constexpr int64_t headerBytes = 256 * 4;
  int32_t head[3] = {};
  if (file.size() < headerBytes)
    return TokenLayout{2, 0, false};
  FSDPRT_RETURN_IF_ERROR(file.read(head, 0, sizeof(head)));
  if (head[0] != magic)
    return TokenLayout{2, 0, false};
  if (head[1] != 1)
    return failure("'", file.path(), "' has version ", head[1],
                   " of modded-nanogpt's header, expected 1");
  if (head[2] < 0 || headerBytes + 2 * int64_t(head[2]) != file.size())
    return failure("'", file.path(), "' has ", file.size() - headerBytes,
                   " bytes of tokens, its header says ", head[2],
                   " tokens of 2 bytes each");
  return TokenLayout{2, headerBytes, true};
}
