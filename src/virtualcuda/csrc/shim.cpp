// virtualcuda: several CUDA devices on a machine that has none.
//
// On a CPU-only build of torch nothing owns the CUDA dispatch key, so this library does. It has to be loaded before
// torch is imported (runtime.py): hooks and the accelerator's type are latched during the import.
//
// One translation unit on purpose: nearly all of the compile time is reading torch's headers.
#include "bindings.h"
#include "guard.h"
#include "hooks.h"
#include "kernels.h"
#include "memory.h"

TORCH_LIBRARY_IMPL(_, CUDA, library) { library.fallback(VC_BOXED(virtualcuda::fallback)); }
TORCH_LIBRARY_IMPL(aten, CUDA, library) { virtualcuda::register_kernels(library); }

namespace virtualcuda {

#if VC_TORCH >= 201
// scaled_dot_product_attention takes the plain ("math") way: the fused kernels exist for CUDA only.
template <class... Arguments>
int64_t choose_math(Arguments...) {
  return 0;  // SDPBackend::math
}
template <class... Arguments>
auto math_choice_for(int64_t (*)(Arguments...)) -> int64_t (*)(Arguments...) {
  return &choose_math<Arguments...>;
}
static const bool attention_registered = [] {
  at::native::_fused_sdp_choice_stub.set_cuda_dispatch_ptr(
      math_choice_for(at::native::fused_sdp_choice_fn(nullptr)));
  return true;
}();
#endif

static const bool device_registered = [] {
  c10::SetAllocator(kType, &g_memory, /*priority=*/255);
  static Guard guard;
  c10::impl::device_guard_impl_registry[static_cast<size_t>(kType)].store(&guard);
  return true;
}();

}  // namespace virtualcuda
