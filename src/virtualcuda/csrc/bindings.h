// The interface for Python, called through ctypes (runtime.py). Plain C: it depends on no version of Python.
#pragma once
#include "memory.h"
#include "random.h"

VC_EXPORT int virtualcuda_max_devices() { return virtualcuda::kMaxDevices; }
VC_EXPORT int virtualcuda_count() { return virtualcuda::g_count; }
VC_EXPORT void virtualcuda_set_count(int count) {
  virtualcuda::g_count = count;
  if (virtualcuda::t_current >= count) {
    virtualcuda::t_current = 0;
  }
}
VC_EXPORT void virtualcuda_set_memory(int index, long long total, long long elsewhere) {
  virtualcuda::g_devices[index].total = total;
  virtualcuda::g_devices[index].elsewhere = elsewhere;
}

VC_EXPORT int virtualcuda_current() { return virtualcuda::t_current; }
// The previous device, or -2 where there is no such device. A negative index changes nothing.
VC_EXPORT int virtualcuda_exchange(int index) {
  const int previous = virtualcuda::t_current;
  if (index >= virtualcuda::g_count) {
    return -2;
  }
  if (index >= 0) {
    virtualcuda::t_current = index;
  }
  return previous;
}

// total, elsewhere, used, peak, blocks, failures, operators: in the order of runtime.py's Statistics.
VC_EXPORT void virtualcuda_statistics(int index, long long* figures) {
  const auto& device = virtualcuda::g_devices[index];
  size_t i = 0;
  for (const auto* figure : {&device.total, &device.elsewhere, &device.used, &device.peak, &device.blocks,
                             &device.failures, &device.operators}) {
    figures[i++] = *figure;
  }
}
VC_EXPORT void virtualcuda_reset_peak(int index) {
  virtualcuda::g_devices[index].peak = virtualcuda::g_devices[index].used.load();
}

VC_EXPORT void virtualcuda_seed(int index, unsigned long long seed) {
  auto generator = virtualcuda::default_generator(index);
  const std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_current_seed(seed);
}
VC_EXPORT unsigned long long virtualcuda_seed_of(int index) {
  return virtualcuda::default_generator(index).current_seed();
}
VC_EXPORT void virtualcuda_hand_out_default_generators(int on) { virtualcuda::g_hand_out_defaults = on != 0; }

// Resizes a storage (`storage._cdata`). 0, or -1 where its device has no room left, or -2 for any other failure.
VC_EXPORT int virtualcuda_resize_storage(void* storage_impl, unsigned long long bytes) {
  auto* storage = static_cast<c10::StorageImpl*>(storage_impl);
  try {
    auto fresh = virtualcuda::allocate(storage->device().index(), bytes);
    const size_t kept = std::min<size_t>(bytes, storage->nbytes());
    if (kept > 0) {
      std::memcpy(fresh.get(), storage->data_ptr().get(), kept);
    }
    storage->set_data_ptr_noswap(std::move(fresh));
    storage->set_nbytes(bytes);
    return 0;
  } catch (const c10::OutOfMemoryError&) {
    return -1;
  } catch (const std::exception&) {
    return -2;
  }
}
