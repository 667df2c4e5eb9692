//===- IndexCases.h - Gradients of what reads or writes by places ---------===//
//
// Part of GradientTest.cpp, in whose words it is written.
//
//===----------------------------------------------------------------------===//
#ifndef FSDP_TEST_GRADIENTS_INDEXCASES_H
#define FSDP_TEST_GRADIENTS_INDEXCASES_H

// Rows are replaced once each: of several updates of one row all get the
// gradient, as in PyTorch, which is no derivative.
#define SCATTER(NAME, X, INDICES, DENSE, UPDATES, ATTRIBUTES)                  \
  {"scatter" NAME, "%a: " T(X) ", %u: " T(UPDATES),                            \
   "%i = onnx.constant dense<" DENSE "> : tensor<" INDICES                     \
   "xi64> : tensor<" INDICES "xi64>\n"                                         \
   "%y = onnx.scatter %a, %i, %u " ATTRIBUTES                                  \
   " : " T(X) ", tensor<" INDICES "xi64>, " T(UPDATES) " -> " T(X),            \
   T(X)}
#define CUMSUM(NAME, AXIS, ATTRIBUTES)                                         \
  {"cumsum" NAME, "%a: " T("2x4x3"),                                           \
   "%y = onnx.cumsum %a axis " AXIS " " ATTRIBUTES                             \
   " : " T("2x4x3") " -> " T("2x4x3"),                                         \
   T("2x4x3")}

const Case kIndexCases[] = {
    {"gather", "%a: " T("4x3") ", %i: tensor<2x3xi64>",
     "%y = onnx.gather %a, %i : " T("4x3") ", tensor<2x3xi64> -> " T("2x3x3"),
     T("2x3x3")},
    {"gather_of_batches", "%a: " T("2x4x3") ", %i: tensor<2x5xi64>",
     "%y = onnx.gather %a, %i {batch_dims = 1 : i64} : " T(
         "2x4x3") ", tensor<2x5xi64> -> " T("2x5x3"),
     T("2x5x3")},
    {"gather_of_elements", "%a: " T("2x3x4") ", %i: tensor<2x3x2xi64>",
     "%y = onnx.gather %a, %i {batch_dims = 2 : i64} : " T(
         "2x3x4") ", tensor<2x3x2xi64> -> " T("2x3x2"),
     T("2x3x2")},
    SCATTER("", "4x3", "2", "[2, 0]", "2x3", ""),
    SCATTER("_of_elements", "2x4", "2x3", "[[3, 0, 1], [2, 1, 0]]", "2x3",
            "{batch_dims = 1 : i64}"),
    SCATTER("_add", "4x3", "3", "[2, 0, 2]", "3x3", "{add}"),
    SCATTER("_add_of_batches", "2x3x2", "2x2", "[[1, 1], [0, 2]]", "2x2x2",
            "{add, batch_dims = 1 : i64}"),
    {"top_k", "%a: " T("3x5"),
     "%y, %i = onnx.top_k %a k 2 : " T("3x5") " -> " T(
         "3x2") ", tensor<3x2xi64>",
     T("3x2")},
    {"top_k_smallest", "%a: " T("2x2x4"),
     "%y, %i = onnx.top_k %a k 3 {smallest} : " T("2x2x4") " -> " T(
         "2x2x3") ", tensor<2x2x3xi64>",
     T("2x2x3")},
    CUMSUM("", "1", ""),
    CUMSUM("_last_exclusive", "2", "{exclusive}"),
    CUMSUM("_reverse", "0", "{reverse}"),
    CUMSUM("_reverse_exclusive", "1", "{exclusive, reverse}"),
};

#endif // FSDP_TEST_GRADIENTS_INDEXCASES_H
