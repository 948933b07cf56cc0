// The kernels of our own: allocation, storage, and operators that the CPU has in another form or not at all.
// All are boxed, so that no signature depends on the version of torch.
#pragma once
#include "fallback.h"

namespace virtualcuda {

// ---- arguments and results of a boxed call

class Call {
 public:
  Call(const OperatorHandle& op, Stack* stack)
      : stack_(*stack), count_(op.schema().arguments().size()), base_(stack->size() - count_) {}
  size_t count() const { return count_; }
  IValue& operator[](size_t i) { return stack_[base_ + i]; }
  at::Tensor tensor(size_t i) { return (*this)[i].isNone() ? at::Tensor() : (*this)[i].toTensor(); }
  int device(size_t i) { return resolve((*this)[i].isNone() ? -1 : (*this)[i].toDevice().index()); }
  c10::ScalarType dtype(size_t i) {
    return (*this)[i].isNone() ? c10::typeMetaToScalarType(c10::get_default_dtype()) : (*this)[i].toScalarType();
  }
  template <class... Results>
  void give(Results&&... results) {
    stack_.resize(base_);
    (stack_.emplace_back(std::forward<Results>(results)), ...);
  }

 private:
  Stack& stack_;
  const size_t count_, base_;
};

// ---- allocation

// torch.use_deterministic_algorithms fills what `empty` returns with NaN (or the largest integer), on CUDA as well.
inline void poison(const at::Tensor& tensor) {
#if VC_TORCH >= 202
  if (!at::globalContext().deterministicAlgorithms() || !at::globalContext().deterministicFillUninitializedMemory()) {
    return;
  }
  if (tensor.is_floating_point() || tensor.is_complex()) {
    tensor.fill_(std::numeric_limits<double>::quiet_NaN());
  } else if (tensor.scalar_type() == c10::kBool) {
    tensor.fill_(true);
  } else {
    const int bits = int(tensor.element_size()) * 8 - (c10::isSignedType(tensor.scalar_type()) ? 1 : 0);
    tensor.fill_(bits >= 63 ? std::numeric_limits<int64_t>::max() : (int64_t(1) << bits) - 1);
  }
#endif
}

inline void empty(const OperatorHandle& op, Stack* stack) {  // size, dtype, layout, device, pin_memory, memory_format
  Call call(op, stack);
  const OnDevice scope(call.device(3));
  TORCH_CHECK_NOT_IMPLEMENTED(call[2].isNone() || call[2].toLayout() == c10::kStrided,
                              "virtualcuda: aten::empty.memory_format cannot make a ", call[2].toLayout(), " tensor");
  c10::optional<c10::MemoryFormat> format;
  if (!call[5].isNone()) {
    format = call[5].toMemoryFormat();
  }
  at::Tensor tensor(
      at::detail::empty_generic(call[0].toIntVector(), &g_memory, DispatchKeySet(kKey), call.dtype(1), format));
  poison(tensor);
  call.give(std::move(tensor));
}

inline void empty_strided(const OperatorHandle& op, Stack* stack) {  // size, stride, dtype, layout, device, pin_memory
  Call call(op, stack);
  const OnDevice scope(call.device(4));
  at::Tensor tensor(at::detail::empty_strided_generic(call[0].toIntVector(), call[1].toIntVector(), &g_memory,
                                                      DispatchKeySet(kKey), call.dtype(2)));
  poison(tensor);
  call.give(std::move(tensor));
}

// A tensor of zeros without memory becomes one with memory.
inline void efficient_zeros(const OperatorHandle& op, Stack* stack) {  // size, dtype, layout, device, pin_memory
  Call call(op, stack);
  call.give(at::zeros(call[0].toIntVector(), at::TensorOptions(call.dtype(1)).device(device_of(call.device(3)))));
}

// ---- storage

inline at::Tensor& put_on(at::Tensor& self, c10::Storage source, int64_t offset, c10::IntArrayRef size,
                          c10::IntArrayRef stride) {
  TORCH_CHECK(source.device() == self.device(), "Attempted to set the storage of a tensor on device \"", self.device(),
              "\" to a storage on different device \"", source.device(),
              "\".  This is no longer allowed; the devices must match.");
  auto* tensor = self.unsafeGetTensorImpl();
  tensor->set_storage_keep_dtype(std::move(source));
  tensor->set_storage_offset(offset);
  if (stride.size() != size.size()) {
    tensor->set_sizes_contiguous(size);
  } else {
    tensor->set_sizes_and_strides(size, stride);
  }
  return self;
}

inline void set(const OperatorHandle& op, Stack* stack) {  // the four overloads of set_
  Call call(op, stack);
  at::Tensor self = call.tensor(0);
  if (call.count() == 1) {
    const OnDevice scope(self.device().index());
    put_on(self, c10::Storage(c10::Storage::use_byte_size_t(), 0, &g_memory, true), 0, {0}, {});
  } else if (call[1].isTensor()) {
    const at::Tensor source = call.tensor(1);
    put_on(self, source.storage(), source.storage_offset(), source.sizes(), source.strides());
  } else if (call.count() == 2) {
    const c10::Storage source = call[1].toStorage();
    put_on(self, source, 0, {int64_t(source.nbytes() / self.dtype().itemsize())}, {});
  } else {
    const auto size = call[3].toIntVector(), stride = call[4].toIntVector();
    const int64_t offset = call[2].toInt();
    c10::Storage source = call[1].toStorage();
    int64_t last = offset;
    bool empty = false;
    for (size_t i = 0; i < size.size(); i++) {
      const int64_t step = i < stride.size() ? stride[i] : 0;
      last += (size[i] - 1) * step;
      empty |= size[i] == 0;
    }
    const int64_t needed = empty ? 0 : (last + 1) * int64_t(self.dtype().itemsize());
    put_on(self, source, offset, size, stride);
    if (needed > int64_t(source.nbytes())) {  // as CUDA: the storage grows
      auto* storage = source.unsafeGetStorageImpl();
      auto grown = allocate(self.device().index(), size_t(needed));
      std::memcpy(grown.get(), storage->data_ptr().get(), storage->nbytes());
      storage->set_data_ptr_noswap(std::move(grown));
      storage->set_nbytes(size_t(needed));
    }
  }
  call.give(std::move(self));
}

inline void drop(const OperatorHandle& op, Stack* stack) { Call(op, stack).give(); }

// ---- answers

inline void say_false(const OperatorHandle& op, Stack* stack) { Call(op, stack).give(false); }
inline void choose_math_attention(const OperatorHandle& op, Stack* stack) { Call(op, stack).give(int64_t(0)); }

// ---- operators

// torch would decompose a convolution into operators of CUDA's (depthwise, slow_conv2d, ...): the CPU's whole kernel
// gives the CPU's result. CUDA's checks come first, in their words.
inline void convolution(const OperatorHandle& op, Stack* stack) {
  Call call(op, stack);
  const at::Tensor input = call.tensor(0);
  for (const size_t i : {size_t(1), size_t(2)}) {
    const at::Tensor other = call.tensor(i);
    TORCH_CHECK(!other.defined() || other.options().type_equal(input.options()), "Input type (", input.toString(),
                ") and ", i == 1 ? "weight" : "bias", " type (", other.toString(), ") should be the same");
  }
  // cuDNN's word. (It knows int8, uint8 and int32, and fails with them later, in other words.)
  TORCH_CHECK(!c10::isIntegralType(input.scalar_type(), true) || input.numel() == 0,
              "getCudnnDataTypeFromScalarType() not supported for ", c10::toString(input.scalar_type()));
  static const Plan plan = [&] {
    Plan result = make_plan(op);
    result.check = Check::exact;
    result.wrapper = "wrapper_CUDA__cudnn_convolution";
    return result;
  }();
  run_on_cpu(op, stack, plan);
}

// CUDA counts integers; the CPU's kernel does not know them ("histogram_cpu" not implemented for 'Int').
inline void histc(const OperatorHandle& op, Stack* stack) {
  Call call(op, stack);
  const auto type = call.tensor(0).scalar_type();
  const bool integral = c10::isIntegralType(type, false);
  if (integral) {
    call[0] = call.tensor(0).to(c10::kDouble);
  }
  fallback(op, stack);
  if (integral) {
    stack->back() = stack->back().toTensor().to(type);
  }
}

// CUDA computes the softmax of float16 in float32, where that is asked for; the CPU has no kernel that does both.
inline void softmax(const OperatorHandle& op, Stack* stack) {  // self, dim, half_to_float
  Call call(op, stack);
  const bool widens = call[2].toBool();
  TORCH_CHECK(!widens || call.tensor(0).scalar_type() == c10::kHalf, "conversion is supported for Half type only");
  const auto widen = [&](Stack& arguments, size_t base) {
    if (widens) {
      arguments[base] = arguments[base].toTensor().to(c10::kFloat);
      arguments[base + 2] = false;
    }
  };
  run_on_cpu(op, stack, plan_of(op), widen, [](Stack&) {});
}

inline void softmax_backward(const OperatorHandle& op, Stack* stack) {  // grad_output, output, dim, input_dtype
  Call call(op, stack);
  const auto type = call.dtype(3), wide = call.tensor(0).scalar_type();
  TORCH_CHECK(type == wide || (type == c10::kHalf && wide == c10::kFloat),
              "expected input and grad types to match, or input to be at::Half and grad to be at::Float");
  call[3] = wide;
  const auto narrow = [&](Stack& results) {
    if (type != wide) {
      results.back() = results.back().toTensor().to(type);
    }
  };
  run_on_cpu(op, stack, plan_of(op), [](Stack&, size_t) {}, narrow);
}

// The CPU has no fused backward of rms_norm. (grad_out, input, normalized_shape, rstd, weight, output_mask)
inline void rms_norm_backward(const OperatorHandle& op, Stack* stack) {
  Call call(op, stack);
  check_operands(plan_of(op), op.schema(), *stack, stack->size() - call.count());
  const at::Tensor input = call.tensor(1), weight = call.tensor(4);
  const auto wide = input.scalar_type() == c10::kDouble ? c10::kDouble : c10::kFloat;
  const at::Tensor gradient = call.tensor(0).to(wide), rstd = call.tensor(3).to(wide);
  std::vector<int64_t> inner, outer;
  for (int64_t dim = 0, first = input.dim() - int64_t(call[2].toIntVector().size()); dim < input.dim(); dim++) {
    (dim < first ? outer : inner).push_back(dim);
  }
  const at::Tensor normed = input.to(wide).mul(rstd);
  const at::Tensor scaled = weight.defined() ? gradient.mul(weight.to(wide)) : gradient;
  const at::Tensor d_input = scaled.sub(normed.mul(scaled.mul(normed).mean(inner, true))).mul(rstd);
  at::Tensor d_weight;
  if (weight.defined()) {
    d_weight = gradient.mul(normed);
    d_weight = (outer.empty() ? d_weight : d_weight.sum(outer)).to(weight.scalar_type());
  }
  call.give(d_input.to(input.scalar_type()), d_weight);
}

// ---- registration

#define VC_BOXED(function) torch::CppFunction::makeFromBoxedFunction<&function>()

using BoxedKernel = void (*)(const OperatorHandle&, Stack*);

template <BoxedKernel kernel>
void implement(torch::Library& library, std::initializer_list<const char*> names, std::vector<std::string>& done) {
  for (const char* name : names) {
    library.impl(name, torch::CppFunction::makeFromBoxedFunction<kernel>());
    done.emplace_back(std::string("aten::") + name);
  }
}

inline void register_kernels(torch::Library& library) {
  std::vector<std::string> own;
  implement<empty>(library, {"empty.memory_format"}, own);
  implement<empty_strided>(library, {"empty_strided"}, own);
  implement<efficient_zeros>(library, {"_efficientzerotensor"}, own);
  implement<set>(library, {"set_", "set_.source_Storage", "set_.source_Storage_storage_offset", "set_.source_Tensor"}, own);
  implement<fallback>(library, {"copy_"}, own);
  implement<drop>(library, {"record_stream"}, own);
  // Which of these exist depends on the version; a kernel for an operator that is not there is never called.
  implement<say_false>(library, {"_use_cudnn_ctc_loss", "_use_cudnn_ctc_loss.Tensor", "_use_miopen_ctc_loss",
                                 "_use_miopen_ctc_loss.Tensor"}, own);
  implement<choose_math_attention>(library, {"_fused_sdp_choice"}, own);
  implement<convolution>(library, {"convolution"}, own);
  // Through `out` the CPU's kernel would warn that it resizes the reduced output, which CUDA's does not.
  implement<fallback>(library, {"mse_loss", "smooth_l1_loss"}, own);
  implement<histc>(library, {"histc"}, own);
  implement<softmax>(library, {"_softmax", "_log_softmax"}, own);
  implement<softmax_backward>(library, {"_softmax_backward_data", "_log_softmax_backward_data"}, own);
  implement<rms_norm_backward>(library, {"_fused_rms_norm_backward"}, own);
  // Operators whose generated wrapper checks devices get the fallback by name: a kernel that is composed of other
  // operators would go before a backend's fallback, and then their messages would come out instead.
  for (const auto& row : operator_table()) {
    if (row.check == Check::exact && std::find(own.begin(), own.end(), row.name) == own.end()) {
      library.impl(row.name, VC_BOXED(fallback));
    }
  }
}

}  // namespace virtualcuda
