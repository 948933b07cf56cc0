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

// Whether CUDA's kernel would come to look at the dtype. It does not where there is nothing to compute, nor where a
// picture has the size that is asked for (a copy); and in half precision it computes only where no operand is wider.
inline bool is_computed(const Lack& lack, const Stack& stack, size_t base) {
  bool computed = true;
  for (size_t i = base; i < stack.size(); i++) {
    each_tensor(stack[i], [&](const at::Tensor& tensor) {
      computed &= tensor.numel() != 0;
      computed &= lack.types != Types::halves || tensor.scalar_type() == c10::kHalf || tensor.scalar_type() == c10::kBFloat16;
    });
  }
  if (std::string(lack.name) == "aten::upsample_bilinear2d") {
    const auto sizes = stack[base].toTensor().sizes().vec(), wanted = stack[base + 1].toIntVector();
    computed &= sizes.size() != 4 || std::vector<int64_t>(sizes.end() - 2, sizes.end()) != wanted;
  }
  return computed;
}

// The first operand's dtype decides.
inline void check_dtype(const Lack& lack, const Stack& stack, size_t base) {
  if (lack.types == Types::none || !stack[base].isTensor()) {
    return;
  }
  const auto type = stack[base].toTensor().scalar_type();
  bool refused = false;
  switch (lack.types) {
    case Types::integers:
      refused = c10::isIntegralType(type, true);
      break;
    case Types::halves:
      refused = type == c10::kHalf || type == c10::kBFloat16;
      break;
    default:  // scatter_reduce(self, dim, index, src, reduce, include_self): sums and means of bool exist
      refused = type == c10::kBool && stack[base + 4].toStringRef() != "sum" && stack[base + 4].toStringRef() != "mean";
  }
  TORCH_CHECK_NOT_IMPLEMENTED(!refused || !is_computed(lack, stack, base), '"', lack.kernel, "\" not implemented for '",
                              c10::toString(type), "'");
}

}  // namespace virtualcuda
