// What torch asks of a device type: the current device, and streams and events (there is one stream, always done).
#pragma once
#include "devices.h"

namespace virtualcuda {

struct Guard final : c10::impl::DeviceGuardImplInterface {
  // Unchecked on purpose: the autograd engine visits all kMaxDevices. An allocation checks the index.
  static void set(Device device) {
    if (device.index() >= 0) {
      t_current = device.index();
    }
  }
  static c10::Stream only_stream(Device device) {
    return c10::Stream(c10::Stream::DEFAULT, device_of(resolve(device.index())));
  }

  c10::DeviceType type() const override { return kType; }
  Device exchangeDevice(Device device) const override {
    const Device previous = device_of(t_current);
    set(device);
    return previous;
  }
  Device getDevice() const override { return device_of(t_current); }
  void setDevice(Device device) const override { set(device); }
  void uncheckedSetDevice(Device device) const noexcept override { set(device); }
  DeviceIndex deviceCount() const noexcept override { return kMaxDevices; }

  c10::Stream getStream(Device device) const noexcept override { return only_stream(device); }
  c10::Stream getDefaultStream(Device device) const override { return only_stream(device); }
  c10::Stream getStreamFromGlobalPool(Device device, bool = false) const { return only_stream(device); }
  c10::Stream getNewStream(Device device, int = 0) const { return only_stream(device); }
  c10::Stream exchangeStream(c10::Stream stream) const noexcept override { return only_stream(stream.device()); }
  bool queryStream(const c10::Stream&) const override { return true; }
  void synchronizeStream(const c10::Stream&) const override {}

  void record(void** event, const c10::Stream&, const DeviceIndex, const c10::EventFlag) const override {
    *event = nullptr;
  }
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  void destroyEvent(void*, const DeviceIndex) const noexcept override {}
  void synchronizeEvent(void*) const {}
  void synchronizeDevice(const DeviceIndex) const {}
  double elapsedTime(void*, void*, const DeviceIndex) const { return 0.0; }
#if __has_include(<c10/core/DeviceCapability.h>)
  c10::DeviceCapability getDeviceCapability(Device) const override { return {}; }
#endif
};

}  // namespace virtualcuda
