// The generic kernel: checks the devices, runs the CPU's kernel on aliases of the operands, and takes the results over.
#pragma once
#include "aliases.h"
#include "checks.h"
#include "random.h"

namespace virtualcuda {

// The device an operator works on: its first device operand's, else the one asked for, else the current one.
inline int target_device(const Stack& stack, size_t base) {
  int index = -1;
  for (size_t i = base; i < stack.size() && index < 0; i++) {
    each_tensor(stack[i], [&](const at::Tensor& tensor) {
      if (index < 0 && tensor.device().type() == kType) {
        index = tensor.device().index();
      }
    });
  }
  for (size_t i = base; i < stack.size() && index < 0; i++) {
    if (stack[i].isDevice() && stack[i].toDevice().type() == kType) {
      index = resolve(stack[i].toDevice().index());
    }
  }
  return resolve(index);
}

// In CUDA's words. A generator has a dispatch key of its own, so a CPU tensor can get here with a card's generator.
inline void check_generator(const Stack& stack, size_t base, const Plan& plan) {
  if (plan.generator < 0 || stack[base + plan.generator].isNone()) {
    return;
  }
  const auto found = stack[base + plan.generator].toGenerator().device().type();
  auto expected = c10::DeviceType::CPU;
  for (size_t i = base; i < stack.size(); i++) {
    if (stack[i].isDevice() && stack[i].toDevice().type() == kType) {
      expected = kType;
    }
    each_tensor(stack[i], [&](const at::Tensor& tensor) {
      if (tensor.device().type() == kType) {
        expected = kType;
      }
    });
  }
  TORCH_CHECK(found == expected, "Expected a '", c10::DeviceTypeName(expected, true),
              "' device type for generator but found '", c10::DeviceTypeName(found, true), "'");
}

inline void arguments_to_cpu(Stack& stack, size_t base, const Plan& plan, Aliases& aliases, int index) {
  for (size_t i = base; i < stack.size(); i++) {
    IValue& value = stack[i];
    if (value.isDevice() && value.toDevice().type() == kType) {
      value = IValue(Device(c10::kCPU));
    } else if (value.isGenerator() && value.toGenerator().device().type() == kType) {
      value = IValue(cpu_generator_of(value.toGenerator()));
    } else if (value.isNone() && int(i - base) == plan.generator) {
      value = IValue(cpu_generator_of(default_generator(index)));
    } else if (value.isTensor() || value.isList()) {
      value = map_tensors(value, [&](const at::Tensor& tensor) {
        if (tensor.device().type() == kType) {
          return aliases.alias(tensor);
        }
        aliases.keep(tensor);
        return tensor;
      });
    }
  }
}

inline void call_on_cpu(const OperatorHandle& op, Stack* stack, const Plan& plan, int index) {
  at::AutoDispatchBelowADInplaceOrView below;
  std::optional<BorrowDefaultGenerator> borrowed;
  if (plan.borrows) {
    borrowed.emplace(index);
  }
  try {
    op.redispatchBoxed(DispatchKeySet(DispatchKey::CPU), stack);
  } catch (c10::NotImplementedError& error) {
    TORCH_CHECK_NOT_IMPLEMENTED(op.hasComputedKernelForDispatchKey(DispatchKey::CPU), "virtualcuda cannot run ",
                                plan.name, ": torch has a kernel of it for CUDA, but none for the CPU to take its place");
    error.add_context("virtualcuda runs " + plan.name + " with the CPU's kernel, which cannot do this; a real card may");
    throw;
  }
}

// `before` may change the arguments, and `after` the results, while they are the CPU's, where no card pays for them.
template <class Before, class After>
void run_on_cpu(const OperatorHandle& op, Stack* stack, const Plan& plan, Before before, After after) {
  const size_t base = stack->size() - op.schema().arguments().size();
  check_operands(plan, op.schema(), *stack, base);
  check_generator(*stack, base, plan);
  const int index = target_device(*stack, base);
  check_index(index);
  g_devices[index].operators++;

  Aliases aliases(plan.name);
  arguments_to_cpu(*stack, base, plan, aliases, index);
  before(*stack, base);
  call_on_cpu(op, stack, plan, index);
  after(*stack);
  aliases.write_back(index);
  for (size_t i = stack->size() - op.schema().returns().size(); i < stack->size(); i++) {
    (*stack)[i] = map_tensors((*stack)[i], [&](const at::Tensor& tensor) { return aliases.result(tensor, index); });
  }
}

inline void run_on_cpu(const OperatorHandle& op, Stack* stack, const Plan& plan) {
  run_on_cpu(op, stack, plan, [](Stack&, size_t) {}, [](Stack&) {});
}

inline void fallback(const OperatorHandle& op, Stack* stack) { run_on_cpu(op, stack, plan_of(op)); }

}  // namespace virtualcuda
