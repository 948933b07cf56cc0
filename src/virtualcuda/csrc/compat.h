// Headers of torch, and what differs between its versions (2.0 and later).
#pragma once

#include <torch/csrc/api/include/torch/version.h>
#define VC_TORCH (TORCH_VERSION_MAJOR * 100 + TORCH_VERSION_MINOR)

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/EmptyTensor.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/op_registration/adaption.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/ops/zeros.h>
#include <c10/core/Allocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/util/SmallVector.h>
#include <torch/library.h>

// The stub that chooses the kind of scaled dot product attention: its header is not in every wheel.
#if __has_include(<ATen/native/transformers/attention.h>)
#include <ATen/native/transformers/attention.h>
#elif VC_TORCH >= 201
#include <ATen/native/DispatchStub.h>
namespace at::native {
using fused_sdp_choice_fn = int64_t (*)(const Tensor&, const Tensor&, const Tensor&, const c10::optional<Tensor>&,
                                        double, bool, c10::optional<double>);
DECLARE_DISPATCH(fused_sdp_choice_fn, _fused_sdp_choice_stub);
}  // namespace at::native
#endif

#if __has_include(<c10/core/CachingDeviceAllocator.h>)
#include <c10/core/CachingDeviceAllocator.h>
#endif

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#define VC_EXPORT extern "C" __attribute__((visibility("default")))

namespace virtualcuda {

using c10::Device;
using c10::DeviceIndex;
using c10::DispatchKey;
using c10::DispatchKeySet;
using c10::IValue;
using c10::OperatorHandle;
using c10::StorageImpl;
using torch::jit::Stack;

constexpr auto kType = c10::DeviceType::CUDA;
constexpr auto kKey = DispatchKey::CUDA;

}  // namespace virtualcuda
