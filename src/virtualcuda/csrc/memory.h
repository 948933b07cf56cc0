// Device memory: host memory, charged to a device's budget in blocks of 512 bytes, as CUDA's allocator rounds.
#pragma once
#include "devices.h"

namespace virtualcuda {

constexpr int64_t kGranule = 512;
constexpr size_t kMapFrom = size_t(1) << 20;

inline int64_t charge(int index, size_t bytes) {
  auto& device = g_devices[index];
  const int64_t charged = (int64_t(bytes) + kGranule - 1) / kGranule * kGranule;
  const int64_t now = device.used.fetch_add(charged) + charged;
  if (now > device.total - device.elsewhere) {
    device.used.fetch_sub(charged);
    device.failures++;
    const int64_t free = device.total - device.elsewhere - (now - charged);
    TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory. Tried to allocate ", human(charged), ". GPU ", index,
                     " has a total capacity of ", human(device.total), " of which ", human(free > 0 ? free : 0),
                     " is free. (virtual device)");
  }
  int64_t peak = device.peak;
  while (now > peak && !device.peak.compare_exchange_weak(peak, now)) {
  }
  device.blocks++;
  return charged;
}

inline void discharge(int index, int64_t charged) {
  g_devices[index].used.fetch_sub(charged);
  g_devices[index].blocks--;
}

// One block of device memory: malloc'ed, mapped, or a CPU storage that a kernel made and the device adopted.
struct Block {
  int device;
  int64_t charged;
  void* memory = nullptr;
  size_t mapped = 0;
  c10::intrusive_ptr<StorageImpl> adopted;

  Block(int device, size_t bytes) : device(device), charged(charge(device, bytes)) {}
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  ~Block() {
    if (mapped > 0) {
      munmap(memory, mapped);
    } else {
      std::free(memory);
    }
    discharge(device, charged);
  }
};

inline void release_block(void* block) { delete static_cast<Block*>(block); }

inline c10::DataPtr allocate(int index, size_t bytes) {
  check_index(index);
  if (bytes == 0) {
    return {nullptr, device_of(index)};
  }
  auto block = std::make_unique<Block>(index, bytes);
  if (bytes >= kMapFrom) {
    // NORESERVE: a card may be larger than this machine's memory; only pages that are touched cost anything.
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    TORCH_CHECK(memory != MAP_FAILED, "virtualcuda: the host cannot map ", human(int64_t(bytes)), ": ", std::strerror(errno));
    madvise(memory, bytes, MADV_HUGEPAGE);  // where the host allows it: 512 times fewer page faults
    block->memory = memory;
    block->mapped = bytes;
  } else {
    const int failed = posix_memalign(&block->memory, 64, bytes);
    TORCH_CHECK(failed == 0, "virtualcuda: no host memory for ", bytes, " bytes: ", std::strerror(failed));
  }
  void* memory = block->memory;
  return {memory, block.release(), &release_block, device_of(index)};
}

// The memory of `storage` becomes device memory, without a copy.
inline c10::DataPtr adopt(int index, c10::intrusive_ptr<StorageImpl> storage) {
  const size_t bytes = storage->nbytes();
  if (bytes == 0) {
    return {nullptr, device_of(index)};
  }
  void* memory = const_cast<void*>(storage->data_ptr().get());
  TORCH_CHECK(memory != nullptr, "virtualcuda: a kernel returned ", bytes, " bytes without memory");
  auto block = std::make_unique<Block>(index, bytes);
  block->adopted = std::move(storage);
  return {memory, block.release(), &release_block, device_of(index)};
}

#if VC_TORCH >= 209
using AllocatorBase = c10::DeviceAllocator;
#else
using AllocatorBase = c10::Allocator;
#endif

// Signatures vary between versions of torch, so `override` is left out where they do.
struct DeviceMemory final : AllocatorBase {
#if VC_TORCH >= 203
  c10::DataPtr allocate(size_t bytes) override { return virtualcuda::allocate(t_current, bytes); }
#else
  c10::DataPtr allocate(size_t bytes) const override { return virtualcuda::allocate(t_current, bytes); }
#endif
  void copy_data(void* to, const void* from, size_t bytes) const { std::memcpy(to, from, bytes); }
#if VC_TORCH >= 209
  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t) override {}
  void recordStream(const c10::DataPtr&, c10::Stream) override {}
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(DeviceIndex index) override {
    check_index(index);
    c10::CachingDeviceAllocator::DeviceStats stats;
    for (auto* figure : {&stats.allocated_bytes, &stats.reserved_bytes, &stats.active_bytes, &stats.requested_bytes}) {
      (*figure)[0].current = g_devices[index].used;
      (*figure)[0].peak = g_devices[index].peak;
    }
    stats.num_ooms = g_devices[index].failures;
    return stats;
  }
  void resetAccumulatedStats(DeviceIndex) override {}
  void resetPeakStats(DeviceIndex index) override {
    check_index(index);
    g_devices[index].peak = g_devices[index].used.load();
  }
  std::pair<size_t, size_t> getMemoryInfo(DeviceIndex index) {
    check_index(index);
    const auto& device = g_devices[index];
    const int64_t available = device.available();
    return {size_t(available > 0 ? available : 0), size_t(device.total)};
  }
#endif
};

inline DeviceMemory g_memory;

}  // namespace virtualcuda
