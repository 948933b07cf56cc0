// Tensors inside the boxed values of an operator call.
#pragma once
#include "compat.h"

namespace virtualcuda {

inline bool holds_tensor(const IValue& value) { return value.isTensor() && value.toTensor().defined(); }

// Calls visit(tensor) for every defined tensor in `value`: a tensor, or a list of (optional) tensors.
template <class Visit>
void each_tensor(const IValue& value, Visit&& visit) {
  if (value.isTensor()) {
    if (value.toTensor().defined()) {
      visit(value.toTensor());
    }
  } else if (value.isList()) {  // of tensors, of optional tensors, or of anything else
    for (const IValue& item : value.toListRef()) {
      if (holds_tensor(item)) {
        visit(item.toTensor());
      }
    }
  }
}

// The same value with every defined tensor replaced by change(tensor).
template <class Change>
IValue map_tensors(const IValue& value, Change&& change) {
  if (value.isTensor()) {
    return value.toTensor().defined() ? IValue(change(value.toTensor())) : value;
  }
  if (value.isTensorList()) {
    auto list = value.toTensorList().copy();
    for (size_t i = 0; i < list.size(); i++) {
      const at::Tensor tensor = list.get(i);
      if (tensor.defined()) {
        list.set(i, change(tensor));
      }
    }
    return list;
  }
  if (value.isList()) {
    bool any = false;
    for (const IValue& item : value.toListRef()) {
      any |= holds_tensor(item);
    }
    if (any) {
      auto list = value.toList().copy();
      for (size_t i = 0; i < list.size(); i++) {
        const IValue item = list.get(i);
        if (holds_tensor(item)) {
          list.set(i, IValue(change(item.toTensor())));
        }
      }
      return list;
    }
  }
  return value;
}

}  // namespace virtualcuda
