//===- Records.cpp - What PyTorch's exporter writes about a graph ---------===//
#include "dialects/Onnx/Import/Records.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace fsdp::onnx;
using llvm::StringRef;

static constexpr llvm::StringLiteral outputsHead = "# outputs";

static std::vector<SignatureLine> parseLines(StringRef text) {
  std::vector<SignatureLine> lines;
  while (!text.empty()) {
    StringRef line;
    std::tie(line, text) = text.split('\n');
    auto [placeholder, rest] = line.split(": ");
    if (rest.empty())
      continue;
    SignatureLine entry;
    entry.placeholder = placeholder.trim().str();
    entry.kind = rest.split(' ').first.str();
    entry.target = rest.split("target='").second.split('\'').first.str();
    // The count of a BatchNorm is never in the file, and its module sets it
    // where a state without version lacks it: strict loading passes.
    entry.persistent =
        rest.contains("persistent=True") &&
        !StringRef(entry.target).ends_with("num_batches_tracked");
    lines.push_back(std::move(entry));
  }
  return lines;
}

std::vector<SignatureLine> fsdp::onnx::parseSignature(StringRef text) {
  return parseLines(text.split(outputsHead).first);
}

std::vector<SignatureLine> fsdp::onnx::parseMutations(StringRef text) {
  std::vector<SignatureLine> lines = parseLines(text.split(outputsHead).second);
  llvm::erase_if(lines, [](const SignatureLine &line) {
    return !StringRef(line.kind).ends_with("_MUTATION");
  });
  return lines;
}

std::vector<std::string> fsdp::onnx::parseFoldedFrom(StringRef text) {
  std::vector<std::string> names;
  while (text.contains('\'')) {
    StringRef name;
    std::tie(name, text) = text.split('\'').second.split('\'');
    names.push_back(name.str());
  }
  return names;
}

/// Splits at commas outside brackets and quotes.
static std::vector<std::string> splitArguments(StringRef text) {
  std::vector<std::string> parts;
  int depth = 0;
  char quote = 0;
  size_t begin = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    char c = i < text.size() ? text[i] : ',';
    if (quote) {
      quote = c == quote ? 0 : quote;
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if (StringRef("([{").contains(c)) {
      ++depth;
    } else if (StringRef(")]}").contains(c)) {
      --depth;
    }
    if ((c == ',' && depth == 0 && !quote) || i == text.size()) {
      StringRef part = text.slice(begin, i).trim();
      if (!part.empty())
        parts.push_back(part.str());
      begin = i + 1;
    }
  }
  return parts;
}

StringRef CallRecord::value(int i) const {
  if (i < 0 || i >= int(args.size()))
    return "";
  StringRef text = args[i];
  return text.consume_front("%") ? text : "";
}

StringRef CallRecord::argument(unsigned i, StringRef name) const {
  auto keyword = kwargs.find(name);
  if (keyword != kwargs.end())
    return keyword->second;
  return i < args.size() ? StringRef(args[i]) : StringRef();
}

/// Adds the names behind `%` in the text of an argument.
static void addValues(StringRef text, std::vector<std::string> &names) {
  while (text.contains('%')) {
    text = text.split('%').second;
    StringRef name = text.take_while(
        [](char c) { return llvm::isAlnum(c) || c == '_' || c == '.'; });
    names.push_back(name.str());
  }
}

std::vector<std::string> CallRecord::values() const {
  std::vector<std::string> names;
  for (const std::string &text : args)
    addValues(text, names);
  for (const auto &entry : kwargs)
    addValues(entry.second, names);
  return names;
}

CallRecord fsdp::onnx::parseCall(StringRef text) {
  CallRecord call;
  auto [head, rest] = text.split("call_function[target=");
  if (rest.empty())
    return call;
  head.consume_front("%");
  call.result = head.split(' ').first.str();
  head.split("[num_users=")
      .second.split(']')
      .first.getAsInteger(10, call.users);
  StringRef target;
  std::tie(target, rest) = rest.split("](args = (");
  target.consume_front("torch.ops.");
  if (target.consume_front("aten.") || target.consume_front("prims."))
    target = target.split('.').first;
  call.target = target.str();
  size_t end = rest.rfind("), kwargs = {");
  if (end == StringRef::npos)
    return CallRecord();
  call.args = splitArguments(rest.take_front(end));
  StringRef kwargs = rest.drop_front(end + strlen("), kwargs = {"));
  for (const std::string &entry : splitArguments(kwargs.rsplit('}').first)) {
    auto [key, value] = StringRef(entry).split(": ");
    call.kwargs[key] = value.str();
  }
  return call;
}

/// Elements of the Python repr of a list of strings.
static std::vector<std::string> parseStrings(StringRef text) {
  text.consume_front("[");
  text.consume_back("]");
  std::vector<std::string> parts = splitArguments(text);
  for (std::string &part : parts) {
    StringRef inner = part;
    if (inner.size() >= 2)
      part = inner.drop_front().drop_back().str();
  }
  return parts;
}

/// The legacy exporter repeats the container's name before an entry of a
/// Sequential: `/layer1/layer1.0/conv1/Conv` is in `layer1.0.conv1`.
static std::string scopeOfPath(StringRef path) {
  if (!path.consume_front("/"))
    return "";
  llvm::SmallVector<StringRef> parts;
  path.split(parts, '/');
  parts.pop_back();
  std::string scope;
  for (auto [i, part] : llvm::enumerate(parts)) {
    if (i > 0 && part.starts_with((parts[i - 1] + ".").str()))
      scope.resize(scope.size() - parts[i - 1].size());
    else if (!scope.empty())
      scope += '.';
    scope += part.str();
  }
  return scope;
}

std::string fsdp::onnx::scopeOf(const Node &node) {
  if (node.nameScopes.empty())
    return scopeOfPath(node.name);
  std::vector<std::string> scopes = parseStrings(node.nameScopes);
  if (scopes.size() < 2)
    return "";
  std::string scope = scopes[scopes.size() - 2];
  // The exporter's word for what is outside of all modules.
  return StringRef(scope).starts_with("_empty_nn_module_stack") ? "" : scope;
}

std::string fsdp::onnx::moduleClassOf(const Node &node) {
  // The last entry is the call's.
  std::vector<std::string> classes = parseStrings(node.classes);
  return classes.size() < 2 ? "" : classes[classes.size() - 2];
}

ContainerPrefixes::ContainerPrefixes(
    const Graph &graph, const std::vector<std::string> &parameterNames) {
  llvm::StringSet<> seen, roots;
  for (const Node &node : graph.nodes) {
    std::string scope = scopeOf(node);
    for (size_t end = scope.size(); end != std::string::npos && end > 0;
         end = scope.rfind('.', end - 1))
      seen.insert(StringRef(scope).take_front(end));
  }
  for (StringRef name : parameterNames)
    roots.insert(name.split('.').first);
  for (StringRef name : parameterNames)
    for (size_t dot = name.find('.'); dot != StringRef::npos;
         dot = name.find('.', dot + 1)) {
      StringRef container = name.take_front(dot);
      StringRef component = name.drop_front(dot + 1).split('.').first;
      // A module that is called shows in the nodes' paths.
      if (seen.contains(container) || roots.contains(component))
        continue;
      auto [it, isNew] = containers.try_emplace(component, container.str());
      if (!isNew && it->second != container)
        it->second.clear();
    }
}

std::string ContainerPrefixes::resolve(const std::string &scope) const {
  auto it = containers.find(StringRef(scope).split('.').first);
  return it == containers.end() || it->second.empty()
             ? scope
             : it->second + "." + scope;
}

std::pair<StringRef, StringRef> fsdp::onnx::splitName(StringRef name) {
  auto [prefix, leaf] = name.rsplit('.');
  return leaf.empty() ? std::pair(StringRef(), name) : std::pair(prefix, leaf);
}
