// CPU aliases: for the time of one operator call, every device tensor gets a CPU tensor over the same memory.
// Afterwards what the CPU kernel did to the aliases is written back, and its results become device tensors.
#pragma once
#include "memory.h"

namespace virtualcuda {

class Aliases {
 public:
  explicit Aliases(const std::string& operator_name) : name_(operator_name) {}

  // A device tensor's alias. Tensors that share a storage get aliases that share one.
  at::Tensor alias(const at::Tensor& tensor) {
    for (const auto& pair : pairs_) {
      if (pair.device.is_same(tensor)) {
        return pair.cpu;
      }
    }
    refuse_unless_dense(tensor, "takes");
    auto cpu = at::detail::make_tensor<c10::TensorImpl>(c10::Storage(alias_storage(tensor)),
                                                        DispatchKeySet(DispatchKey::CPU), tensor.dtype());
    copy_geometry(tensor, cpu);
    if (tensor.unsafeGetTensorImpl()->is_wrapped_number()) {  // set_wrapped_number(false) asserts
      cpu.unsafeGetTensorImpl()->set_wrapped_number(true);
    }
    pairs_.push_back({tensor, cpu});
    return cpu;
  }

  // A CPU operand stays what it is when it comes back as a result (`cpu.copy_(device)`).
  void keep(const at::Tensor& tensor) { kept_.push_back(tensor); }

  // The kernel may have resized an alias's storage, or changed a tensor's geometry.
  void write_back(int index) {
    for (auto& entry : storages_) {
      write_back_storage(entry);
    }
    for (auto& pair : pairs_) {
      auto* device = pair.device.unsafeGetTensorImpl();
      if (find(impl(pair.cpu)) == nullptr) {
        device->set_storage_keep_dtype(adopt_storage(pair.cpu, index));
      }
      if (pair.cpu.sizes() != pair.device.sizes() || pair.cpu.strides() != pair.device.strides() ||
          pair.cpu.storage_offset() != pair.device.storage_offset()) {
        device->set_storage_offset(pair.cpu.storage_offset());
        device->set_sizes_and_strides(pair.cpu.sizes(), pair.cpu.strides());
      }
    }
  }

  // A result of the CPU kernel as a device tensor: the operand it is, a view of an operand, or new memory, charged.
  at::Tensor result(const at::Tensor& cpu, int index) {
    if (!cpu.defined() || !cpu.device().is_cpu()) {
      return cpu;
    }
    refuse_unless_dense(cpu, "returns");
    for (const auto& kept : kept_) {
      if (kept.is_same(cpu) || (kept.has_storage() && impl(kept) == impl(cpu))) {
        return cpu;
      }
    }
    for (const auto& pair : pairs_) {
      if (pair.cpu.is_same(cpu)) {
        return pair.device;
      }
    }
    for (const auto& pair : pairs_) {
      if (impl(pair.cpu) == impl(cpu)) {
        return over(pair.device.storage(), cpu, &pair.device);
      }
    }
    return over(adopt_storage(cpu, index), cpu, nullptr);
  }

 private:
  struct Pair {
    at::Tensor device, cpu;
  };
  struct Entry {
    StorageImpl* device;
    c10::intrusive_ptr<StorageImpl> cpu;
    void* memory;
    size_t bytes;
  };
  struct Adopted {
    StorageImpl* cpu;
    c10::Storage device;
  };

  static StorageImpl* impl(const at::Tensor& tensor) { return tensor.storage().unsafeGetStorageImpl(); }

  void refuse_unless_dense(const at::Tensor& tensor, const char* what) const {
    TORCH_CHECK_NOT_IMPLEMENTED(
        tensor.layout() == c10::kStrided && !tensor.is_quantized() && !tensor.is_nested(), "virtualcuda: ", name_, " ",
        what, " a ", tensor.layout(), tensor.is_quantized() ? " quantized" : "", tensor.is_nested() ? " nested" : "",
        " tensor; virtual devices hold dense tensors only");
  }

  const Entry* find(const StorageImpl* cpu) const {
    for (const auto& entry : storages_) {
      if (entry.cpu.get() == cpu) {
        return &entry;
      }
    }
    return nullptr;
  }

  c10::intrusive_ptr<StorageImpl> alias_storage(const at::Tensor& tensor) {
    StorageImpl* device = impl(tensor);
    for (const auto& entry : storages_) {
      if (entry.device == device) {
        return entry.cpu;
      }
    }
    void* memory = const_cast<void*>(device->data_ptr().get());
    auto cpu = c10::make_intrusive<StorageImpl>(StorageImpl::use_byte_size_t(), device->nbytes(),
                                                c10::DataPtr(memory, Device(c10::kCPU)),
                                                c10::GetAllocator(c10::kCPU), /*resizable=*/true);
    storages_.push_back({device, cpu, memory, size_t(device->nbytes())});
    return cpu;
  }

  static void write_back_storage(Entry& entry) {
    void* memory = const_cast<void*>(entry.cpu->data_ptr().get());
    const size_t bytes = entry.cpu->nbytes();
    if (memory == entry.memory && bytes == entry.bytes) {
      return;
    }
    if (memory != entry.memory) {
      // The kernel put the alias on memory of its own: move that into a storage the device can adopt.
      auto owner = c10::make_intrusive<StorageImpl>(
          StorageImpl::use_byte_size_t(), bytes,
          entry.cpu->set_data_ptr(c10::DataPtr(memory, Device(c10::kCPU))), c10::GetAllocator(c10::kCPU), false);
      entry.device->set_data_ptr_noswap(adopt(entry.device->device().index(), std::move(owner)));
    }
    entry.device->set_nbytes(bytes);
    entry.memory = memory;
    entry.bytes = bytes;
  }

  c10::Storage adopt_storage(const at::Tensor& cpu, int index) {
    StorageImpl* storage = impl(cpu);
    for (const auto& done : adopted_) {
      if (done.cpu == storage) {
        return done.device;
      }
    }
    auto owner = c10::intrusive_ptr<StorageImpl>::reclaim_copy(storage);
    const size_t bytes = storage->nbytes();
    c10::Storage device(c10::make_intrusive<StorageImpl>(StorageImpl::use_byte_size_t(), bytes,
                                                         adopt(index, std::move(owner)), &g_memory, true));
    adopted_.push_back({storage, device});
    return device;
  }

  static void copy_geometry(const at::Tensor& from, const at::Tensor& to) {
    auto* tensor = to.unsafeGetTensorImpl();
    tensor->set_storage_offset(from.storage_offset());
    tensor->set_sizes_and_strides(from.sizes(), from.strides());
    if (to.is_conj() != from.is_conj()) {
      tensor->_set_conj(from.is_conj());
    }
    if (to.is_neg() != from.is_neg()) {
      tensor->_set_neg(from.is_neg());
    }
  }

  // A view gets the whole key set of the tensor it views: TensorImpl's VIEW constructor adds no autograd keys, and a
  // view of an inference tensor must not have them.
  static at::Tensor over(c10::Storage storage, const at::Tensor& cpu, const at::Tensor* base) {
    auto tensor = base != nullptr
        ? at::detail::make_tensor<c10::TensorImpl>(c10::TensorImpl::VIEW, std::move(storage), base->key_set(), cpu.dtype())
        : at::detail::make_tensor<c10::TensorImpl>(std::move(storage), DispatchKeySet(kKey), cpu.dtype());
    copy_geometry(cpu, tensor);
    return tensor;
  }

  const std::string& name_;
  // On the stack for nearly every operator: this class is made for each call.
  c10::SmallVector<Pair, 4> pairs_;
  c10::SmallVector<Entry, 4> storages_;
  c10::SmallVector<Adopted, 2> adopted_;
  c10::SmallVector<at::Tensor, 2> kept_;
};

}  // namespace virtualcuda
