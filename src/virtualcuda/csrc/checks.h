// The device checks that CUDA makes, in its words. They are the point of virtual CUDA: every card is host memory here,
// so without them a forgotten `.to()` would compute the right answer.
//
// operators.inc is generated from torch's own native_functions.yaml (see operator_table.py): for each operator, whether
// its CUDA kernel checks that all operands are on one device ("exact": the generated wrapper does), leaves it to
// TensorIterator or to code by hand ("iterator"), or does not exist ("absent").
#pragma once
#include "devices.h"
#include "dtypes.h"
#include "values.h"

namespace virtualcuda {

enum class Check { exact, iterator, indexing, masked_fill, absent, none };

struct TableRow {
  const char* name;  // with the overload: "aten::mm.out"
  Check check;
  const char* wrapper;  // what CUDA calls the wrapper that checks, for the message
};

inline const std::vector<TableRow>& operator_table() {
  static const std::vector<TableRow> table = {
#include "operators.inc"
  };
  return table;
}

// What is worth knowing about an operator before each call; made at its first call.
struct Plan {
  std::string name;
  std::string wrapper;
  Check check;
  int generator = -1;  // the position of a `generator` argument
  bool borrows = false;  // draws random numbers and takes no generator
  Lack lack{};  // of dtypes that CUDA's kernel does not take
};

inline std::string full_name(const c10::FunctionSchema& schema) {
  return schema.overload_name().empty() ? schema.name() : schema.name() + "." + schema.overload_name();
}

inline bool starts_with(const std::string& text, const char* prefix) { return text.rfind(prefix, 0) == 0; }

inline Plan make_plan(const OperatorHandle& op) {
  const auto& schema = op.schema();
  Plan plan{full_name(schema), "wrapper_CUDA_" + schema.overload_name() + "_" + schema.name(), Check::exact};
  if (starts_with(plan.name, "mkldnn") || starts_with(plan.name, "quantized") || starts_with(plan.name, "onednn")) {
    plan.check = Check::absent;
  }
  for (const auto& row : operator_table()) {
    if (plan.name == row.name) {
      plan.check = row.check;
      plan.wrapper = row.wrapper;
    }
  }
  const auto& base = schema.name();
  if (base == "aten::_index_put_impl_" || base == "aten::index") {
    plan.check = Check::indexing;
  } else if (base == "aten::masked_fill_") {
    plan.check = Check::masked_fill;
  } else if (base == "aten::copy_") {
    plan.check = Check::none;
  }
  for (size_t i = 0; i < schema.arguments().size(); i++) {
    if (schema.arguments()[i].name() == "generator") {
      plan.generator = int(i);
    }
  }
#if VC_TORCH >= 200
  plan.borrows = plan.generator < 0 && op.hasTag(at::Tag::nondeterministic_seeded);
#endif
  plan.lack = lack_of(base);
  return plan;
}

inline const Plan& plan_of(const OperatorHandle& op) {
  // For each thread, so that no lock is needed. A schema lives as long as its operator is registered.
  thread_local std::unordered_map<const c10::FunctionSchema*, std::unique_ptr<Plan>> plans;
  auto& plan = plans[&op.schema()];
  if (!plan) {
    plan = std::make_unique<Plan>(make_plan(op));
  }
  return *plan;
}

// The parameter of common_device_check_failure was an optional<Device>& once.
template <class Common>
auto fail_device_check(Common& common, const at::Tensor& tensor, const char* method, const char* argument, int)
    -> decltype(c10::impl::common_device_check_failure(*common, tensor, method, argument)) {
  c10::impl::common_device_check_failure(*common, tensor, method, argument);
}
template <class Common>
auto fail_device_check(Common& common, const at::Tensor& tensor, const char* method, const char* argument, long)
    -> decltype(c10::impl::common_device_check_failure(common, tensor, method, argument)) {
  c10::impl::common_device_check_failure(common, tensor, method, argument);
}

// As torchgen's generated wrappers: `out` arguments first, then the rest in order; no exception for scalars.
inline void check_exact(const Plan& plan, const c10::FunctionSchema& schema, const Stack& stack, size_t base) {
  c10::optional<Device> common;
  const auto& arguments = schema.arguments();
  for (const bool outputs : {true, false}) {
    for (size_t i = 0; i < arguments.size(); i++) {
      if (arguments[i].is_out() != outputs) {
        continue;
      }
      each_tensor(stack[base + i], [&](const at::Tensor& tensor) {
        if (!common) {
          common = tensor.device();
        } else if (*common != tensor.device()) {
          fail_device_check(common, tensor, plan.wrapper.c_str(), arguments[i].name().c_str(), 0);
        }
      });
    }
  }
}

// As TensorIterator: the common device is the first that is not the CPU; CPU scalars are taken as numbers, except as
// outputs. `indexing`: index lists may be anywhere, and a value that is a scalar is moved.
inline void check_iterator(const Plan& plan, const c10::FunctionSchema& schema, const Stack& stack, size_t base) {
  const auto& arguments = schema.arguments();
  const bool indexing = plan.check == Check::indexing;
  const auto each = [&](auto&& visit) {
    for (size_t i = 0; i < arguments.size(); i++) {
      if (!indexing || stack[base + i].isTensor()) {
        const bool output = arguments[i].alias_info() != nullptr && arguments[i].alias_info()->isWrite();
        each_tensor(stack[base + i], [&](const at::Tensor& tensor) { visit(tensor, output, arguments[i].name()); });
      }
    }
  };
  Device common(c10::kCPU);
  each([&](const at::Tensor& tensor, bool, const std::string&) {
    if (common.is_cpu()) {
      common = tensor.device();
    }
  });
  each([&](const at::Tensor& tensor, bool output, const std::string& argument) {
    const bool scalar = tensor.dim() == 0 && !output;
    if (tensor.device() == common || (scalar && (tensor.device().is_cpu() || indexing))) {
      return;
    }
    if (plan.check == Check::masked_fill && argument == "value" && scalar) {  // read with item()
      return;
    }
    TORCH_CHECK(plan.check != Check::masked_fill || argument != "mask",
                "expected self and mask to be on the same device, but got mask on ", tensor.device(), " and self on ",
                stack[base].toTensor().device());
    TORCH_CHECK(false, "Expected all tensors to be on the same device, but found at least two devices, ", common,
                " and ", tensor.device(), "!");
  });
}

inline void check_operands(const Plan& plan, const c10::FunctionSchema& schema, const Stack& stack, size_t base) {
  switch (plan.check) {
    case Check::absent:
      TORCH_CHECK_NOT_IMPLEMENTED(false, "Could not run '", plan.name, "' with arguments from the 'CUDA' backend. ",
                                  "(virtualcuda: this torch has no CUDA kernel of it)");
    case Check::exact:
      check_exact(plan, schema, stack, base);
      break;
    case Check::none:
      break;
    default:
      check_iterator(plan, schema, stack, base);
  }
  check_dtype(plan.lack, stack, base);
}

}  // namespace virtualcuda
