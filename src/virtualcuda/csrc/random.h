// Random numbers: a generator for each device, which wraps the CPU generator that the CPU's kernels really use.
#pragma once
#include "devices.h"

namespace virtualcuda {

struct Generator final : c10::GeneratorImpl {
  at::Generator cpu;

  explicit Generator(int index)
      : c10::GeneratorImpl(device_of(index), DispatchKeySet(kKey)), cpu(at::detail::createCPUGenerator()) {}

  c10::GeneratorImpl* inner() const { return cpu.unsafeGetGeneratorImpl(); }
  void set_current_seed(uint64_t seed) override { inner()->set_current_seed(seed); }
  uint64_t current_seed() const override { return inner()->current_seed(); }
  uint64_t seed() override { return inner()->seed(); }
  void set_offset(uint64_t) { TORCH_CHECK(false, "virtualcuda: a generator of a virtual device has no offset"); }
  uint64_t get_offset() const { return 0; }
  void set_state(const c10::TensorImpl& state) override { inner()->set_state(state); }
  c10::intrusive_ptr<c10::TensorImpl> get_state() const override { return inner()->get_state(); }
  Generator* clone_impl() const override {
    auto* copy = new Generator(device_.index());
    copy->cpu = at::Generator(inner()->clone());
    return copy;
  }
};

inline const at::Generator& default_generator(int index) {
  static std::mutex mutex;
  static at::Generator generators[kMaxDevices];
  index = resolve(index);
  check_index(index);
  const std::lock_guard<std::mutex> lock(mutex);
  if (!generators[index].defined()) {
    generators[index] = at::make_generator<Generator>(index);
  }
  return generators[index];
}

// torch has no entry that wraps an existing generator for Python: while this is set, torch.Generator(device=...)
// hands out the device's default one (torch.cuda.default_generators).
inline std::atomic<bool> g_hand_out_defaults{false};

inline at::Generator new_generator(int index) {
  index = resolve(index);
  check_index(index);
  return g_hand_out_defaults ? default_generator(index) : at::make_generator<Generator>(index);
}

inline at::Generator cpu_generator_of(const at::Generator& generator) {
  return static_cast<Generator*>(generator.unsafeGetGeneratorImpl())->cpu;
}

// Some kernels draw from the default CPU generator because their operator takes none (native_dropout). Here it holds
// the device's state for a scope, so that a device's stream is its own and the CPU's is left as it was.
class BorrowDefaultGenerator {
 public:
  explicit BorrowDefaultGenerator(int index)
      : cpu_(at::detail::getDefaultCPUGenerator()), device_(cpu_generator_of(default_generator(index))) {
    saved_ = state(cpu_);
    set(cpu_, state(device_));
  }
  BorrowDefaultGenerator(const BorrowDefaultGenerator&) = delete;
  BorrowDefaultGenerator& operator=(const BorrowDefaultGenerator&) = delete;
  ~BorrowDefaultGenerator() {
    set(device_, state(cpu_));
    set(cpu_, saved_);
  }

 private:
  using State = c10::intrusive_ptr<c10::TensorImpl>;
  static State state(at::Generator& generator) {
    const std::lock_guard<std::mutex> lock(generator.mutex());
    return generator.unsafeGetGeneratorImpl()->get_state();
  }
  static void set(at::Generator& generator, const State& state) {
    const std::lock_guard<std::mutex> lock(generator.mutex());
    generator.unsafeGetGeneratorImpl()->set_state(*state);
  }
  at::Generator cpu_, device_;
  State saved_;
};

}  // namespace virtualcuda
