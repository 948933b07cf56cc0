// The dtypes that the CPU's kernel takes and CUDA's refuses. Without them a sum of products of integers would pass here
// and fail on a card. Which those are torch's own database of operators says (OpInfo, dtypesIfCUDA), the words are
// those of the AT_DISPATCH in aten/src/ATen/native/cuda.
#pragma once
#include "values.h"

namespace virtualcuda {

enum class Types { none, integers, halves, booleans };  // integers: bool as well

struct Lack {
  const char* name;    // without the overload: "aten::addmv"
  const char* kernel;  // what CUDA calls its kernel
  Types types;
};

inline const Lack& lack_of(const std::string& name) {
  static const Lack none{"", "", Types::none};
  static const std::vector<Lack> table = {
      {"aten::mm", "addmm_cuda", Types::integers},
      {"aten::addmm", "addmm_cuda", Types::integers},
      {"aten::addmm_", "addmm_cuda", Types::integers},
      {"aten::addbmm", "addmm_cuda", Types::integers},
      {"aten::addbmm_", "addmm_cuda", Types::integers},
      {"aten::bmm", "baddbmm_cuda", Types::integers},
      {"aten::baddbmm", "baddbmm_cuda", Types::integers},
      {"aten::baddbmm_", "baddbmm_cuda", Types::integers},
      {"aten::addmv", "addmv_impl_cuda", Types::integers},
      {"aten::addmv_", "addmv_impl_cuda", Types::integers},
      {"aten::dot", "dot", Types::integers},
      {"aten::vdot", "dot", Types::integers},
      {"aten::avg_pool2d", "avg_pool2d_out_cuda_frame", Types::integers},
      {"aten::avg_pool3d", "avg_pool3d_out_cuda", Types::integers},
      {"aten::max_pool2d_with_indices", "max_pool2d_with_indices_out_cuda_frame", Types::integers},
      {"aten::max_pool3d_with_indices", "max_pool3d_with_indices_out_frame", Types::integers},
      {"aten::upsample_bilinear2d", "upsample_bilinear2d_out_frame", Types::integers},
      {"aten::upsample_bicubic2d", "upsample_bicubic2d_out_frame", Types::integers},
      {"aten::_upsample_bilinear2d_aa", "upsample_gen2d_out_frame", Types::integers},
      {"aten::_upsample_bicubic2d_aa", "upsample_gen2d_out_frame", Types::integers},
      {"aten::native_dropout_backward", "masked_scale", Types::integers},
      {"aten::histc", "histc", Types::halves},
      {"aten::angle", "angle_cuda", Types::halves},
      {"aten::igamma", "igamma_cuda", Types::halves},
      {"aten::igamma_", "igamma_cuda", Types::halves},
      {"aten::igammac", "igammac_cuda", Types::halves},
      {"aten::igammac_", "igammac_cuda", Types::halves},
      {"aten::scatter_reduce", "cuda_scatter_gather_base_kernel_func", Types::booleans},
      {"aten::scatter_reduce_", "cuda_scatter_gather_base_kernel_func", Types::booleans},
  };
  const auto row = std::find_if(table.begin(), table.end(), [&](const Lack& lack) { return name == lack.name; });
  return row == table.end() ? none : *row;
}

inline void refuse_dtype(const char* kernel, c10::ScalarType type) {
  TORCH_CHECK_NOT_IMPLEMENTED(false, '"', kernel, "\" not implemented for '", c10::toString(type), "'");
}

// The first operand's dtype decides.
inline void check_dtype(const Lack& lack, const Stack& stack, size_t base) {
  if (lack.types == Types::none || !stack[base].isTensor()) {
    return;
  }
  const auto type = stack[base].toTensor().scalar_type();
  switch (lack.types) {
    case Types::integers:
      if (c10::isIntegralType(type, true)) {
        refuse_dtype(lack.kernel, type);
      }
      break;
    case Types::halves:
      if (type == c10::kHalf || type == c10::kBFloat16) {
        refuse_dtype(lack.kernel, type);
      }
      break;
    default:  // scatter_reduce(self, dim, index, src, reduce, include_self): sums and means of bool exist
      if (type == c10::kBool && stack[base + 4].toStringRef() != "sum" && stack[base + 4].toStringRef() != "mean") {
        refuse_dtype(lack.kernel, type);
      }
  }
}

}  // namespace virtualcuda
