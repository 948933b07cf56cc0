// What libtorch asks of "CUDA" through its hooks.
#pragma once
#include "memory.h"
#include "random.h"

namespace at {

// The name and the namespace are fixed: REGISTER_CUDA_HOOKS expects them. `override` is left out where a signature
// differs between versions of torch.
struct CUDAHooks : CUDAHooksInterface {
  explicit CUDAHooks(CUDAHooksArgs) {}

  bool hasCUDA() const override { return true; }
  bool isBuilt() const { return true; }
  bool isAvailable() const { return virtualcuda::g_count > 0; }
  int getNumGPUs() const override { return virtualcuda::g_count; }
  DeviceIndex deviceCount() const { return static_cast<DeviceIndex>(virtualcuda::g_count.load()); }
#if VC_TORCH >= 206
  void init() const override {}
#else
  void initCUDA() const override {}
  void init() const {}
#endif
#if VC_TORCH < 201
  bool hasPrimaryContext(int64_t) const { return true; }
  void deviceSynchronize(int64_t) const {}
  int64_t current_device() const override { return virtualcuda::t_current; }
  const Generator& getDefaultCUDAGenerator(int64_t index = -1) const { return virtualcuda::default_generator(int(index)); }
#else
  bool hasPrimaryContext(DeviceIndex) const override { return true; }
  void deviceSynchronize(DeviceIndex) const override {}
  DeviceIndex current_device() const override { return static_cast<DeviceIndex>(virtualcuda::t_current); }
#endif
  DeviceIndex getCurrentDevice() const { return static_cast<DeviceIndex>(virtualcuda::t_current); }
  void setCurrentDevice(DeviceIndex index) const {
    virtualcuda::check_index(index);
    virtualcuda::t_current = index;
  }
  DeviceIndex exchangeDevice(DeviceIndex index) const {
    const int previous = virtualcuda::t_current;
    if (index >= 0) {
      setCurrentDevice(index);
    }
    return static_cast<DeviceIndex>(previous);
  }
  DeviceIndex maybeExchangeDevice(DeviceIndex index) const { return exchangeDevice(index); }

  const Generator& getDefaultCUDAGenerator(DeviceIndex index = -1) const { return virtualcuda::default_generator(index); }
  const Generator& getDefaultGenerator(DeviceIndex index = -1) const { return virtualcuda::default_generator(index); }
  Generator getNewGenerator(DeviceIndex index = -1) const { return virtualcuda::new_generator(index); }

  Device getDeviceFromPtr(void*) const {
    TORCH_CHECK(false, "virtualcuda: which device a pointer belongs to is not known");
  }
  bool isPinnedPtr(const void*) const { return false; }
  Allocator* getPinnedMemoryAllocator() const override { return c10::GetAllocator(kCPU); }
  Allocator* getCUDADeviceAllocator() const override { return &virtualcuda::g_memory; }
};

REGISTER_CUDA_HOOKS(CUDAHooks)

}  // namespace at

// A CPU build's own getAccelerator() never answers CUDA (that part is compiled out), and torch.device(0), .to(0) and
// torch.accelerator ask it. libtorch calls it through the PLT, so the definition of a library that was loaded earlier
// wins. Its name is at::getAccelerator up to 2.6 and at::accelerator::getAccelerator from 2.8: define both.
VC_EXPORT std::optional<c10::DeviceType> virtualcuda_accelerator(bool) __asm__("_ZN2at14getAcceleratorEb");
VC_EXPORT std::optional<c10::DeviceType> virtualcuda_accelerator_2_8(bool)
    __asm__("_ZN2at11accelerator14getAcceleratorEb");
std::optional<c10::DeviceType> virtualcuda_accelerator(bool) { return virtualcuda::kType; }
std::optional<c10::DeviceType> virtualcuda_accelerator_2_8(bool) { return virtualcuda::kType; }
