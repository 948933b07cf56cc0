// The virtual devices: how many there are, which one is current, and what is left of each one's budget.
#pragma once
#include "compat.h"

namespace virtualcuda {

// Room for 16 devices is reserved once: the autograd engine starts its threads, one for each device it is told of,
// at the first backward, and would refuse a device that is added later.
constexpr int kMaxDevices = 16;

struct DeviceState {
  std::atomic<int64_t> total{0};      // bytes the card has
  std::atomic<int64_t> elsewhere{0};  // bytes something outside this process uses
  std::atomic<int64_t> used{0};       // bytes charged for live blocks
  std::atomic<int64_t> peak{0};
  std::atomic<int64_t> blocks{0};     // live blocks
  std::atomic<int64_t> failures{0};   // refused allocations
  std::atomic<int64_t> operators{0};  // operators run

  int64_t available() const { return total - elsewhere - used; }
};

inline DeviceState g_devices[kMaxDevices];
inline std::atomic<int> g_count{0};
inline thread_local int t_current = 0;

inline Device device_of(int index) { return Device(kType, static_cast<DeviceIndex>(index)); }

inline void check_index(int index) {
  TORCH_CHECK(index >= 0 && index < g_count, "CUDA error: invalid device ordinal");
}

inline int resolve(int index) { return index < 0 ? t_current : index; }

// Makes a device current for a scope. Unlike c10::DeviceGuard it costs no virtual call.
struct OnDevice {
  int previous;
  explicit OnDevice(int index) : previous(t_current) { t_current = index; }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;
  ~OnDevice() { t_current = previous; }
};

// As CUDA's allocator writes sizes in its messages.
inline std::string human(int64_t bytes) {
  char text[64];
  if (bytes <= 1 << 10) {
    std::snprintf(text, sizeof text, "%lld bytes", static_cast<long long>(bytes));
  } else if (bytes <= 1 << 20) {
    std::snprintf(text, sizeof text, "%.2f KiB", double(bytes) / (1 << 10));
  } else if (bytes <= 1 << 30) {
    std::snprintf(text, sizeof text, "%.2f MiB", double(bytes) / (1 << 20));
  } else {
    std::snprintf(text, sizeof text, "%.2f GiB", double(bytes) / (1 << 30));
  }
  return text;
}

}  // namespace virtualcuda
